"""Fills the disk with files that never had a name."""

import os
import time


def attack():
    kept = []
    for _ in range(40):
        kept.append(os.open(".", os.O_TMPFILE | os.O_RDWR))
        os.write(kept[-1], bytes(16 << 20))
    time.sleep(3)  # and holds them
    return f"{len(kept)} files"
