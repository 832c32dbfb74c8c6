"""The same with a command whose upper 32 bits are not zero: the kernel looks at the lower ones."""
import ctypes
import os
import platform


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    number = {"x86_64": 72, "aarch64": 25}[platform.machine()]
    lock = ctypes.create_string_buffer(32)  # F_RDLCK of all bytes
    if libc.syscall(ctypes.c_long(number), os.open(__file__, os.O_RDONLY), ctypes.c_ulong(6 | 1 << 32), lock):
        raise OSError(ctypes.get_errno(), "fcntl")
    return "locked"
