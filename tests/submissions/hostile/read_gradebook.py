"""Reads the gradebook."""


def attack():
    return open(TARGETS["gradebook"]).read()
