"""Reads the reference where it lies."""


def attack():
    return open(TARGETS["solution"]).read()
