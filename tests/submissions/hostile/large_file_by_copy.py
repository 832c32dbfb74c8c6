"""Copies inside of the kernel, again and again, into one file."""

import os


def attack():
    source, target = (os.open(name, os.O_RDWR | os.O_CREAT) for name in ("source", "target"))
    os.write(source, bytes(4 << 20))
    for number in range(100):
        os.copy_file_range(source, target, 4 << 20, 0, number * (4 << 20))
    return "400 MB"
