"""The same with flock."""
import fcntl


def attack():
    fcntl.flock(open(__file__), fcntl.LOCK_SH | fcntl.LOCK_NB)
    return "locked"
