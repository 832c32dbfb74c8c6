"""Leaves a process behind, in a session of its own, that writes when the grading is over."""
import os
import time


def attack():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(1)
            open(TARGETS["outside"] + "/daemon", "w").close()
        os._exit(0)
    return "left behind"
