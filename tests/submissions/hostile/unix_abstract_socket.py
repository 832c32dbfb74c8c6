"""Talks to a server by a socket without a file."""
import socket


def attack():
    connection = socket.socket(socket.AF_UNIX)
    connection.connect("\0" + TARGETS["abstract"])
    return connection.send(b"secret")
