"""Lists the kit's folder."""
import os


def attack():
    return os.listdir(TARGETS["kit"])
