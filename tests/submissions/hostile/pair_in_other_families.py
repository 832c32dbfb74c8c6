"""Makes pairs of sockets that can also send elsewhere: datagrams, sequences, TIPC."""

import ctypes


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    pair = (ctypes.c_int * 2)()
    made = [(family, kind) for family, kind in ((1, 2), (1, 2 | 0o4000), (1, 2 | 0o2000000), (30, 2), (30, 5))
            if libc.socketpair(family, kind, 0, pair) == 0]  # fmt: skip
    if not made:
        raise OSError(ctypes.get_errno(), "socketpair")
    return made
