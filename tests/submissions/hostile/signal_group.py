"""Signals the group of the grader and the parent."""
import os


def attack():
    reached = []
    for group in (os.getppid(), TARGETS["grader"], 1):
        try:
            os.killpg(group, 0)
            reached.append(group)
        except OSError:
            pass
    if not reached:
        raise PermissionError("no group")
    return reached
