"""Talks to a server by a socket in the file system, as Docker and D-Bus have."""
import socket


def attack():
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(TARGETS["unix"])
    return connection.send(b"secret")
