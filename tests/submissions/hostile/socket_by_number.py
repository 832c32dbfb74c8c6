"""Opens sockets by system calls of its own, in every family, in case only Python's are looked at."""

import ctypes


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    opened = [(family, kind) for family in range(48) for kind in (1, 2, 3, 5) if libc.socket(family, kind, 0) >= 0]
    if not opened:
        raise OSError(ctypes.get_errno(), "socket")
    return opened
