"""Walks through the home folder of whoever grades."""
import os


def attack():
    found = [name for _, folders, files in os.walk(TARGETS["home"]) for name in folders + files]
    found += os.listdir(TARGETS["home"])
    return found
