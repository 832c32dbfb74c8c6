"""Has the kernel read a part of a file ahead: a bit for whoever asks later which part is there."""

import ctypes
import os


def attack():
    libc, file = ctypes.CDLL(None, use_errno=True), os.open(os.__file__, os.O_RDONLY)
    if libc.readahead(file, ctypes.c_long(4096), ctypes.c_size_t(4096)):
        raise OSError(ctypes.get_errno(), "readahead")
    return "read ahead"
