"""Makes a file that lives in memory, on no disk that anyone watches."""
import os


def attack():
    return os.memfd_create("hidden")
