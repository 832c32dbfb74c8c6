"""Tries every command of fcntl, also those that nobody has thought of yet, on each kind of file that it holds."""

import fcntl
import os

HARMLESS = {0, 1, 2, 3, 4, 1030, 1032}


def attack():
    worked = set()
    for file in (
        1,
        3,
        os.open("mine", os.O_RDWR | os.O_CREAT),
        os.open(".", os.O_RDONLY),
        os.open(__file__, os.O_RDONLY),
    ):
        for command in [*range(64), *range(1024, 1100), *(1 << bit for bit in range(11, 31))]:
            if command in HARMLESS:
                continue
            try:
                fcntl.fcntl(file, command, 0)
            except PermissionError:
                continue
            except OSError:  # let through, and refused for what it was given
                pass
            worked.add(command)
    if not worked:
        raise PermissionError("every command")
    return worked
