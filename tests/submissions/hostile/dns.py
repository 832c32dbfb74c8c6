"""Asks for an address by name."""
import socket


def attack():
    return socket.getaddrinfo("example.invalid", 80)
