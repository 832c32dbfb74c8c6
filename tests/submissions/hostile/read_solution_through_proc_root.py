"""Reads the reference by another name of the root folder."""


def attack():
    return open("/proc/self/root" + TARGETS["solution"]).read()
