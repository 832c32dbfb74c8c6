"""Locks bytes of a file that other processes of the same submission read, too: a way to tell them something."""
import fcntl


def attack():
    fcntl.lockf(open(__file__), fcntl.LOCK_SH | fcntl.LOCK_NB, 1, 7)
    return "locked"
