"""Reads the reference in the kit's own folder, which is public knowledge."""


def attack():
    return open(TARGETS["kit"] + "/solution/scheduler.py").read()
