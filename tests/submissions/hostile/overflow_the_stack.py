"""Recurses without end, past Python's own limit."""
import sys
import threading


def attack():
    sys.setrecursionlimit(1 << 30)
    threading.stack_size(1 << 20)

    class Endless:
        def __getattr__(self, name):
            return getattr(self, name + "x")

    def deeper(depth):
        return sorted([1, 2], key=lambda _: deeper(depth + 1))

    return deeper(0)
