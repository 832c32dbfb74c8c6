"""Sends something to a server over UDP."""
import socket


def attack():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"secret", ("127.0.0.1", TARGETS["udp"]))
