"""Asks for segments and ports of the processor, which old programs need and holes were found in."""

import ctypes


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    entry = (ctypes.c_uint32 * 4)(0, 0, 0xFFFFF, 0x51)
    if libc.syscall(154, 17, entry, 16):
        raise OSError(ctypes.get_errno(), "modify_ldt")
    return "a segment"
