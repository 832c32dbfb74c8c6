"""Fills the disk with files that it deletes at once and keeps open: no folder shows them."""

import os
import time


def attack():
    kept = []
    for _ in range(40):
        kept.append(os.open("gone", os.O_RDWR | os.O_CREAT | os.O_EXCL))
        os.unlink("gone")
        os.write(kept[-1], bytes(16 << 20))
    time.sleep(3)  # and holds them
    return f"{sum(os.fstat(file).st_blocks for file in kept) >> 11} MB"
