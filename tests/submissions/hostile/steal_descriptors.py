"""Reopens what the grader holds, by the links that /proc shows of its own parents and of itself."""

import os


def attack():
    for pid in (os.getppid(), TARGETS["grader"], 1):
        for number in range(20):
            try:
                return os.open(f"/proc/{pid}/fd/{number}", os.O_RDWR)
            except OSError as error:
                last = error
    raise last
