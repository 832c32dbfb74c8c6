"""Makes a pipe of a megabyte, from what all processes of its user share."""
import fcntl
import os


def attack():
    return fcntl.fcntl(os.pipe()[1], 1031, 1 << 20)  # F_SETPIPE_SZ
