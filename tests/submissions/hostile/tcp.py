"""Sends something to a server over TCP."""
import socket


def attack():
    with socket.create_connection(("127.0.0.1", TARGETS["tcp"]), 1) as connection:
        connection.sendall(b"secret")
    return "sent"
