"""Opens the memory of the warm parent, which has seen the submissions before this one."""
import os


def attack():
    return open(f"/proc/{os.getppid()}/mem", "rb").fileno()
