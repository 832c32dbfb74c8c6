"""Raises its own limits."""
import resource


def attack():
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    return resource.getrlimit(resource.RLIMIT_NOFILE)
