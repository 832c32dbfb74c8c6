"""Becomes another program, with a clean memory."""
import os


def attack():
    os.execv("/bin/sh", ["sh", "-c", "exit 0"])
