"""Takes a lease on a file of Python itself: whoever next opens it to write, as an update does, waits 45 seconds."""

import fcntl
import os


def attack():
    with open(os.__file__) as file:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return "a lease"
