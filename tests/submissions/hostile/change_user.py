"""Becomes another user."""
import os


def attack():
    os.setuid(12345)
    return os.getuid()
