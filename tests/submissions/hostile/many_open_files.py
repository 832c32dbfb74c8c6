"""Opens files without end."""
import os


def attack():
    kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(100_000)]
    return len(kept)
