"""Signals every process at once."""
import os


def attack():
    os.kill(-1, 0)
    return "reached"
