"""Puts generous rules on top of the strict ones, and asks for the filter to be taken off."""
import ctypes
import os


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    handled = (ctypes.c_uint64 * 1)(4)
    rules = libc.syscall(444, handled, 8, 0)
    root = os.open("/", os.O_PATH)
    path = (ctypes.c_char * 12).from_buffer(bytearray((4).to_bytes(8, "little") + root.to_bytes(4, "little")))
    libc.syscall(445, rules, 1, path, 0)
    libc.syscall(446, rules, 0)
    libc.prctl(22, 0, 0, 0, 0)
    libc.syscall(317, 1, 0, (ctypes.c_uint64 * 2)(1))
    libc.prctl(38, 0, 0, 0, 0)
    return open(TARGETS["solution"]).read()
