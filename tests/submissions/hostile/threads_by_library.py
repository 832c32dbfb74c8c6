"""Starts 3,000 threads by the C library, which Python's own limit does not see, and keeps them."""
import ctypes


def attack():
    libc = ctypes.CDLL(None)
    attributes = ctypes.create_string_buffer(64)
    libc.pthread_attr_init(attributes)
    libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(32 << 10))
    pause = ctypes.cast(libc.pause, ctypes.c_void_p)
    for number in range(3000):
        if libc.pthread_create(ctypes.byref(ctypes.c_ulong()), attributes, pause, None):
            raise OSError(f"refused after {number}")
    libc.pause()
