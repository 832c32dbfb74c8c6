"""Renames a file of somebody else."""
import os


def attack():
    os.rename(TARGETS["victim"], TARGETS["victim"] + ".moved")
    return "moved"
