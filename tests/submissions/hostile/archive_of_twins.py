"""A zip with a right and a wrong scheduler.py: which of them counts depends on who unpacks it."""

import warnings
import zipfile


def make(path, scheduler):
    with zipfile.ZipFile(path, "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for data in (b"x = 1\n", scheduler):
            file.writestr("scheduler.py", data)
