"""Watches descriptors by others that watch others: how many may be watched is counted for all of its user."""

import os
import select


def attack():
    sets = [select.epoll() for _ in range(60)]
    pipes = [os.pipe() for _ in range(30)]
    watched = 0
    for each in sets:
        for read, _ in pipes:
            each.register(read)
            watched += 1
    raise PermissionError(f"{watched} of millions")
