"""Looks at what the grader has open."""
import os


def attack():
    return os.listdir(f"/proc/{TARGETS['grader']}/fd")
