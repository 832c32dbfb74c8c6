"""Changes the times of a file."""
import os


def attack():
    os.utime(TARGETS["victim"], (0, 0))
    return "as old as the hills"
