"""Looks among all descriptors for a socket that it may have inherited from its parent."""

import os
import socket
import stat


def attack():
    for number in range(1024):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                return socket.socket(fileno=number)
        except OSError:
            pass
    raise PermissionError("no socket")
