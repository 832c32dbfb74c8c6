"""Aborts, as failed assertions in C do."""
import os


def attack():
    os.abort()
