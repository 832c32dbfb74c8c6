"""Asks which pages of a file others have read, by the newest call for it."""

import ctypes
import os


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    asked, told = (ctypes.c_uint64 * 2)(0, 0), (ctypes.c_uint64 * 5)()
    if libc.syscall(451, os.open(os.__file__, os.O_RDONLY), asked, told, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return list(told)
