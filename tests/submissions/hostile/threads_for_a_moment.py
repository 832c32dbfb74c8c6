"""150 threads where 64 are allowed, gone before anybody looks."""
import threading


def attack():
    threading.stack_size(256 << 10)
    stop = threading.Event()
    try:
        for _ in range(150):
            threading.Thread(target=stop.wait, daemon=True).start()
    finally:
        stop.set()
    return "150 threads"
