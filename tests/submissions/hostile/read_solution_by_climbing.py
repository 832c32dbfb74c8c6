"""Reads the reference by a relative path, up from its own folder."""


def attack():
    return open("../" * 40 + TARGETS["solution"].lstrip("/")).read()
