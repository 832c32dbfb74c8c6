"""Reads secrets as if they were modules, data of packages, archives or settings of other libraries."""

import importlib.util
import linecache
import runpy
import tokenize


def attack():
    path, found = TARGETS["solution"], []
    for read in (
        lambda: runpy.run_path(path),
        lambda: linecache.getline(path, 1) or 1 / 0,
        lambda: tokenize.open(path).read(),
        lambda: importlib.util.spec_from_file_location("x", path).loader.get_data(path),
    ):
        try:
            found.append(read())
        except Exception as error:
            last = error
    if not found:
        raise last
    return found
