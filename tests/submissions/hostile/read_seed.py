"""Reads the course seed."""


def attack():
    return open(TARGETS["seed"]).read()
