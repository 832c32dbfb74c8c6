"""Signals the grader by every other system call there is, with high bits set where a filter may not look."""
import ctypes
import os


def attack():
    libc, grader = ctypes.CDLL(None, use_errno=True), TARGETS["grader"]
    info = (ctypes.c_int * 32)(0, 0, -1)
    calls = [
        (62, grader | 1 << 32, 0), (200, grader, 0), (234, grader, grader, 0), (129, grader, 0, info),
        (297, grader, grader, 0, info), (434, grader, 0),
    ]  # fmt: skip
    worked = [call[0] for call in calls if libc.syscall(*map(ctypes.c_long, call[:2]), *call[2:]) >= 0]
    if not worked:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return worked
