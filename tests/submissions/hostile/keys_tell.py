"""Leaves a key with its user, where every later process of that user finds it."""

import ctypes
import platform


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    add, control = {"x86_64": (248, 250), "aarch64": (217, 219)}[platform.machine()]
    key = libc.syscall(add, b"user", b"ddpm", b"told", ctypes.c_size_t(4), -4)  # of the user
    if key < 0:
        raise OSError(ctypes.get_errno(), "add_key")
    libc.syscall(control, 9, key, -4)  # unlinked again
    return "a key"
