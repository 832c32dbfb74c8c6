"""Prepares a folder that the next submission will be staged in."""
import os


def attack():
    os.mkdir(os.path.dirname(TARGETS["other"]) + "/999999")
    os.rmdir(os.path.dirname(TARGETS["other"]) + "/999999")
    return "made"
