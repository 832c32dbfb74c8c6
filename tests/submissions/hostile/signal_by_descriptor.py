"""Has the kernel send SIGKILL to the parent when something can be read from a pipe."""
import fcntl
import os
import signal


def attack():
    read, write = os.pipe()
    fcntl.fcntl(read, fcntl.F_SETOWN, os.getppid())
    fcntl.fcntl(read, fcntl.F_SETSIG, signal.SIGCONT)
    return "set"
