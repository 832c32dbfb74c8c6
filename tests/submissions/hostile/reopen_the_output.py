"""Reopens the file that collects what it prints, by the link in /proc, to write where it likes."""

import os


def attack():
    return os.open("/proc/self/fd/1", os.O_RDWR)
