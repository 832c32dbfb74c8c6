"""Prints without end, and takes it back each time before anybody looks."""

import itertools
import os


def attack():
    for _ in itertools.repeat(None, 2000):
        os.write(1, bytes(1 << 16))
        os.ftruncate(1, 0)
        os.lseek(1, 0, os.SEEK_SET)
    raise PermissionError("it is all gone again")
