"""Takes 100 MB of disk behind a file of its own in one call, faster than anybody looks."""
import ctypes
import os


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    file = os.open("small", os.O_RDWR | os.O_CREAT)
    if libc.fallocate(file, 1, ctypes.c_long(0), ctypes.c_long(100 << 20)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    size = os.fstat(file).st_blocks >> 11
    os.close(file)
    os.unlink("small")
    return f"{size} MB"
