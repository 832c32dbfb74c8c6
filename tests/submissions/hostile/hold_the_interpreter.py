"""Hangs inside a regular expression, where no other thread of Python runs."""
import re


def attack():
    return re.match(r"(a+)+$", "a" * 60 + "b")
