"""Reads the recorded hidden expectations."""


def attack():
    return open(TARGETS["expectations"], "rb").read()
