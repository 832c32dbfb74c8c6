"""Opens the reference with a system call that filters cannot look into."""
import ctypes
import os


def attack():
    how = (ctypes.c_uint64 * 3)(0, 0, 0)
    number = ctypes.CDLL(None).syscall(437, -100, TARGETS["solution"].encode(), how, 24)
    if number < 0:
        raise PermissionError("openat2")
    return os.read(number, 100)
