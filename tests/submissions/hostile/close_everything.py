"""Closes every descriptor and sleeps, in a process group of its own."""
import os
import time


def attack():
    os.closerange(0, 4096)
    time.sleep(600)
