"""Fills the disk with files that are each within the limit."""
import itertools


def attack():
    for number in itertools.count():
        with open(f"large_{number}", "wb") as file:
            file.write(bytes(1 << 23))
