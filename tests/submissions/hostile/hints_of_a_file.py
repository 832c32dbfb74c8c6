"""Leaves a hint with a file, how long it will live, which the file keeps for whoever asks."""

import fcntl
import os
import struct


def attack():
    with open("mine", "w") as file:
        fcntl.fcntl(file, 1036, struct.pack("Q", 3))  # F_SET_RW_HINT
    return fcntl.fcntl(os.open("mine", os.O_RDONLY), 1035, bytes(8))
