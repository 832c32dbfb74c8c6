"""Opens sockets of the rarer kinds."""
import socket


def attack():
    opened = []
    for family, kind in (("AF_NETLINK", 3), ("AF_PACKET", 3), ("AF_INET", 3), ("AF_VSOCK", 1), ("AF_ALG", 5)):
        try:
            socket.socket(getattr(socket, family), kind)
            opened.append(family)
        except OSError:
            pass
    if not opened:
        raise PermissionError("no socket")
    return opened
