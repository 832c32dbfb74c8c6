"""Changes another student's staged file."""


def attack():
    return open(TARGETS["other"] + "/scheduler.py", "r+").fileno()
