"""Starts threads without end."""
import threading
import time


def attack():
    for number in range(20_000):
        try:
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        except RuntimeError as error:
            if number < 2_000:
                raise PermissionError(f"{error} after {number}") from None
            raise
    return "20,000 threads"
