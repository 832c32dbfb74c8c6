"""Gives the reference a second name in its scratch folder."""
import os


def attack():
    os.link(TARGETS["solution"], "second_name.py")
    return open("second_name.py").read()
