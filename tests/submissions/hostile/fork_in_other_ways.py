"""Starts a process by the system calls below fork: clone, clone3."""
import ctypes
import os


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    pid = libc.syscall(56, 17, 0, 0, 0, 0)
    if pid < 0:
        arguments = (ctypes.c_uint64 * 11)(0, 0, 0, 0, 17)
        pid = libc.syscall(435, arguments, 88)
    if pid == 0:
        os._exit(0)
    if pid < 0:
        raise OSError(ctypes.get_errno(), "clone")
    os.waitpid(pid, 0)
    return pid
