"""Throws a file out of memory: the other half of such a message."""
import os


def attack():
    os.posix_fadvise(os.open(__file__, os.O_RDONLY), 0, 0, os.POSIX_FADV_DONTNEED)
    return "forgotten"
