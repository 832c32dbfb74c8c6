"""Asks which pages of a file others have read: a way to be told something by a process that has ended."""
import os


def attack():
    return os.preadv(os.open(__file__, os.O_RDONLY), [bytearray(16)], 0, os.RWF_NOWAIT)
