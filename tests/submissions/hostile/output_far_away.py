"""Prints at the far end of an output that it never printed."""

import os


def answer(right, original_samples, noise, timesteps):
    os.lseek(1, 30 << 20, os.SEEK_SET)
    os.write(1, b"far away")
    return right()
