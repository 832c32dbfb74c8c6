"""Asks who has locked a file: the other half of a message by locks, for processes and for descriptions."""

import fcntl
import os
import struct


def attack():
    file, worked = os.open(os.__file__, os.O_RDONLY), []
    asked = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 0, 1, 0)
    for command in (fcntl.F_GETLK, 36):
        try:
            worked.append(fcntl.fcntl(file, command, asked))
        except OSError as error:
            last = error
    if not worked:
        raise last
    return worked
