"""The same with locks of an open file: F_OFD_SETLK."""
import fcntl
import os
import struct


def attack():
    fcntl.fcntl(open(__file__), 37, struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 7, 1, 0))
    return "locked"
