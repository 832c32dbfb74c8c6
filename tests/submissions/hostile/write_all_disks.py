"""Makes the machine write all its files to disk, for which everybody waits."""

import ctypes


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syncfs(1):
        raise OSError(ctypes.get_errno(), "syncfs")
    return "all written"
