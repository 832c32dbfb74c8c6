"""Makes the grader the owner of a pipe, who gets a signal, SIGKILL if so asked, whenever something arrives."""

import fcntl
import os
import struct


def attack():
    read, write = os.pipe()
    fcntl.fcntl(
        read, fcntl.F_SETOWN_EX if hasattr(fcntl, "F_SETOWN_EX") else 15, struct.pack("ii", 1, TARGETS["grader"])
    )
    fcntl.fcntl(read, 10, 18)  # F_SETSIG, SIGCONT: one that does no harm
    fcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC)
    os.write(write, b"x")
    return "signalled"
