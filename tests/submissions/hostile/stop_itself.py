"""Stops its own process, which then neither runs nor ends."""
import os
import signal


def attack():
    os.kill(os.getpid(), signal.SIGSTOP)
