"""Waits for somebody to connect."""
import socket


def attack():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    return server.getsockname()
