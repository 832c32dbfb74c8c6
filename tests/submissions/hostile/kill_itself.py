"""Ends its own process by a signal that cannot be caught."""
import os
import signal


def attack():
    os.kill(os.getpid(), signal.SIGKILL)
