"""Lists the folder in which submissions are staged."""
import os


def attack():
    return os.listdir(os.path.dirname(TARGETS["other"]))
