"""Starts processes that start processes."""
import os


def attack():
    for _ in range(6):
        os.fork()
    return "64 of them"
