"""Calls the system with the numbers of the x32 kind, and a handler for the signal that follows."""
import ctypes
import signal


def attack():
    signal.signal(signal.SIGSYS, lambda *_: None)
    return ctypes.CDLL(None, use_errno=True).syscall(0x40000000 + 39)
