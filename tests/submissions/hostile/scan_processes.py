"""Lists all processes and their command lines."""
import glob
import os


def attack():
    os.listdir("/proc")
    return [open(path).read() for path in glob.glob("/proc/[0-9]*/cmdline")]
