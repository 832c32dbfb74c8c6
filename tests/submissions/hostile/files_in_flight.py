"""Sends itself open files that it never takes: how many may be under way is counted for all processes of its user."""

import os
import socket


def attack():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    null, sent = os.open(os.devnull, os.O_RDONLY), 0
    try:
        for _ in range(100):
            socket.send_fds(ours, [b"x"], [null] * 250)
            sent += 250
    except OSError as error:
        if not sent:
            raise PermissionError(str(error)) from None
    return f"{sent} files under way"
