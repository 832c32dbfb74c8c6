"""Reads and sets the flags that a file system keeps for a file; as root, one of them keeps it from being deleted."""
import fcntl
import struct


def attack():
    with open("flagged", "w") as file:
        flags = struct.unpack("i", fcntl.ioctl(file, 0x80086601, b"\0" * 4))[0]
        fcntl.ioctl(file, 0x40086602, struct.pack("i", flags | 0x40))  # no dump
    return flags
