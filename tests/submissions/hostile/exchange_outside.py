"""Exchanges a file of its own with one outside, in one call."""

import ctypes
import os


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    open("mine", "w").close()
    if libc.renameat2(-100, b"mine", -100, TARGETS["victim"].encode(), 2):
        raise OSError(ctypes.get_errno(), "renameat2")
    libc.renameat2(-100, b"mine", -100, TARGETS["victim"].encode(), 2)
    return "exchanged"
