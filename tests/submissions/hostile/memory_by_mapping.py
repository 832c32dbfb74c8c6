"""Takes memory in ways that Python does not count."""
import mmap


def attack():
    kept = []
    for _ in range(100):
        kept.append(mmap.mmap(-1, 1 << 28))
        kept[-1][:: 1 << 20] = bytes(256)
    return len(kept)
