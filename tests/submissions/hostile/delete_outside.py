"""Deletes a file of somebody else."""
import os


def attack():
    os.unlink(TARGETS["victim"])
    return "gone"
