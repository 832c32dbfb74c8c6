"""Slows down all processes of its user at once, by group, user and class of input and output."""

import ctypes
import os


def attack():
    libc, worked = ctypes.CDLL(None, use_errno=True), []
    for name, call in (
        ("user", lambda: libc.setpriority(2, os.getuid(), 0)),
        ("group", lambda: libc.setpriority(1, 0, 0)),
        ("ioprio", lambda: libc.syscall(251 if os.uname().machine == "x86_64" else 30, 3, os.getuid(), 2 << 13 | 7)),
    ):
        if call() == 0:
            worked.append(name)
    if not worked:
        raise OSError(ctypes.get_errno(), "none of them")
    return worked
