"""Writes output without end, past Python's own print."""
import os


def attack():
    while True:
        os.write(1, b"\xff\x1b[2J" * 10_000)
