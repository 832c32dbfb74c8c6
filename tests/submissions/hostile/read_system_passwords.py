"""Reads the list of users."""


def attack():
    return open("/etc/passwd").read()
