"""Tries every mode of fallocate on every descriptor that it holds: room, holes, zeros, shifts of what others read."""

import ctypes
import os


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    mine = os.open("mine", os.O_RDWR | os.O_CREAT)
    os.write(mine, bytes(1 << 16))
    modes = (0, 1, 3, 8, 16, 17, 32, 64, 65)
    worked = [(file, mode) for file in (0, 1, 2, 3, 4, 5, mine) for mode in modes
              if libc.fallocate(file, mode, ctypes.c_long(4096), ctypes.c_long(8192)) == 0]  # fmt: skip
    os.ftruncate(1, 0)
    if not worked:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return worked
