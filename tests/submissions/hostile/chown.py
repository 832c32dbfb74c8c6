"""Changes the owner of a file, to what it is already."""
import os


def attack():
    os.chown(TARGETS["victim"], -1, -1)
    return "changed"
