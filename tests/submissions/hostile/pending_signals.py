"""Leaves a thousand signals to itself waiting: how many may wait is counted for all processes of its user."""

import os
import re
import signal


def attack():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGRTMIN})
    for _ in range(1000):
        os.kill(os.getpid(), signal.SIGRTMIN)
    waiting = int(re.search(r"SigQ:\s*(\d+)", open("/proc/self/status").read())[1])
    if waiting < 500:
        raise PermissionError(f"only {waiting} are counted")
    return f"{waiting} signals waiting"
