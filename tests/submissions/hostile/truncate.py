"""Empties a file of somebody else by its path."""
import os


def attack():
    os.truncate(TARGETS["victim"], 0)
    return "empty"
