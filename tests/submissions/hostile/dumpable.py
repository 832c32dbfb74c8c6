"""Asks that nobody of its own user may look at its process from outside."""

import ctypes


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(4, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    return "out of sight"
