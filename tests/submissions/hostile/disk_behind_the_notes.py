"""The same with the file that collects what was refused, as the older call of XFS, FS_IOC_RESVSP."""
import fcntl
import os
import struct


def attack():
    fcntl.ioctl(5, 0x40305828, struct.pack("hh4xqqiI4i", 0, 0, 0, 50 << 20, 0, 0, 0, 0, 0, 0))
    return f"{os.fstat(5).st_blocks >> 11} MB"
