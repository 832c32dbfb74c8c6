"""Has the kernel tell it of each change in a folder."""
import fcntl
import os


def attack():
    fcntl.fcntl(os.open(".", os.O_RDONLY), fcntl.F_NOTIFY, fcntl.DN_CREATE)
    return "told of changes"
