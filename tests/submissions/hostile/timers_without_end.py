"""Makes a thousand timers, which are counted in the same way."""

import ctypes


def attack():
    libc = ctypes.CDLL(None, use_errno=True)
    for number in range(1000):
        if libc.timer_create(1, None, ctypes.byref(ctypes.c_void_p())):
            raise OSError(ctypes.get_errno(), f"timer_create after {number}")
    return "a thousand timers"
