"""Asks how large the reference is, and when it was changed. Landlock does not hide that; a namespace does."""
import os


def attack():
    return os.stat(TARGETS["solution"]).st_size
