"""Reads the reference through a symbolic link in its scratch folder."""
import os


def attack():
    os.symlink(TARGETS["solution"], "link.py")
    return open("link.py").read()
