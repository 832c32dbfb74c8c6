"""Tries every ioctl of two bytes on its output, a file, a folder, a pipe and the null device."""

import ctypes
import errno
import os

HARMLESS = {0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451}


def attack():
    libc, worked = ctypes.CDLL(None, use_errno=True), set()
    memory = ctypes.create_string_buffer(4096)
    for file in (
        1,
        os.open("mine", os.O_RDWR | os.O_CREAT),
        os.open(".", os.O_RDONLY),
        os.pipe()[0],
        os.open(os.devnull, 2),
    ):
        for number in set(range(0x10000)) - HARMLESS:
            if libc.ioctl(file, ctypes.c_ulong(number), memory) == 0 or ctypes.get_errno() != errno.EPERM:
                worked.add(number)
    if not worked:
        raise PermissionError("every number")
    return len(worked)
