"""Moves a file of somebody else into its scratch folder, where it may read it."""
import os


def attack():
    os.rename(TARGETS["victim"], "victim")
    return open("victim").read()
