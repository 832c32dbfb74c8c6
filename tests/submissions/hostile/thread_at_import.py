"""Leaves threads running from import on, that take processor time from what follows."""
import threading
import time


def busy():
    end = time.monotonic() + 5
    while time.monotonic() < end:
        time.sleep(0.001)


for _ in range(4):
    threading.Thread(target=busy, daemon=True).start()
