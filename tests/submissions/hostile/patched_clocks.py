"""Turns back every clock of Python, and waits."""
import time


def attack():
    clock, sleep = time.monotonic, time.sleep
    for name in ("time", "monotonic", "perf_counter", "process_time"):
        setattr(time, name, lambda: 0.0)
    while clock() > 0:
        sleep(1)
