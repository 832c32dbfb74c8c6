"""Runs a program without fork and exec of Python's own."""
import os


def attack():
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(pid, 0)
    return pid
