"""Reads what another student handed in, where it is staged."""


def attack():
    return open(TARGETS["other"] + "/scheduler.py").read()
