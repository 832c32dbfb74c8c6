"""The same by the ioctl of sockets, FIOSETOWN, on a pair of its own."""

import fcntl
import socket
import struct


def attack():
    ours, theirs = socket.socketpair()
    fcntl.ioctl(ours, 0x8901, struct.pack("i", TARGETS["grader"]))
    return "owner of a socket"
