"""Talks to a socket in the file system through one that it did not have to open."""
import socket


def attack():
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b"secret", TARGETS["datagram"])
