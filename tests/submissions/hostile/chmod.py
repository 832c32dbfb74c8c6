"""Changes the mode of a file, which Landlock does not look at."""
import os


def attack():
    os.chmod(TARGETS["victim"], 0o666)
    return "open to all"
