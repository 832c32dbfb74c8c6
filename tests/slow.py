"""Which of many like parameters run every time: together they take minutes, so the rest waits for `make test-slow`."""

from collections.abc import Iterable

import pytest


def one_in(every: int, parameters: Iterable) -> list:
    """The same parameters, of which all but one in `every` are marked as slow."""
    return [pytest.param(each, marks=[pytest.mark.slow] * (n % every > 0)) for n, each in enumerate(parameters)]
