"""Announces a reply of some length and never sends the end of it."""
import os
import struct
import time


def answer(right, original_samples, noise, timesteps):
    os.write(4, struct.pack("<II", 1000, 1000)[:4])
    time.sleep(600)
