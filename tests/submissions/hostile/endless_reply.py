"""Announces a reply of 4 GB and sends it slowly."""
import os
import struct
import time


def answer(right, original_samples, noise, timesteps):
    os.write(4, struct.pack("<I", 0xFFFFFFFF))
    while True:
        os.write(4, b"x")
        time.sleep(0.1)
