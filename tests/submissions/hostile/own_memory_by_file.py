"""Writes to its memory by the file that it has in /proc, which heeds no protection of pages."""


def attack():
    with open("/proc/self/mem", "r+b", 0):
        return "open"
