"""Signals the grader, and what is above it."""
import os


def attack():
    os.kill(TARGETS["grader"], 0)
    return "reached"
