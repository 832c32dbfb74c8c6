"""Joins the session and the group of others, to get and give their signals."""

import os


def attack():
    os.setpgid(0, os.getpgid(TARGETS["grader"]))
    return "one of them"
