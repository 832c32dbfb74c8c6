"""Takes hold of the grader's process, to take its descriptors."""
import os


def attack():
    return os.pidfd_open(TARGETS["grader"])
