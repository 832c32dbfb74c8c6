"""Reads which ports this machine listens on, in tables that each process has of its network."""


def attack():
    wanted = f":{TARGETS['tcp']:04X} "
    for line in open("/proc/self/net/tcp"):
        if wanted in line:
            return line
    raise PermissionError("another network's table")
