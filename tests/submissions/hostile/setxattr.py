"""Attaches data to a file of somebody else."""
import os


def attack():
    os.setxattr(TARGETS["victim"], "user.note", b"hello")
    return "attached"
