"""Whether two readings are the same formula, however it is written."""

from functools import cache

import numpy as np

from .expression import Expression
from .products import quantities

CLOSE = 1e-6  # relative
RIGHT = "right"


def agree(mine, known):
    """Whether all that was read is what is known: every formula the same, and right where that is right.

    mine, known  {term: source of an Expression, RIGHT, or None where it was not read, or the same of terms of it}
    """
    for term, source in mine.items():
        other = known.get(term)
        if isinstance(source, dict):
            if not (isinstance(other, dict) and agree(source, other)):
                return False
        elif source == RIGHT:
            if other not in (RIGHT, None):
                return False
        elif source is not None and not (isinstance(other, str) and same(source, other)):
            return False
    return True


def same(one, other):
    """Whether two sources are the same text, or have the same value in many cases."""
    if one == other or RIGHT in (one, other):
        return one == other
    try:
        first, second = (np.float64(Expression(source).value(cases())) for source in (one, other))
    except (KeyError, ValueError):
        return False
    return bool(np.allclose(first, second, rtol=CLOSE, atol=0, equal_nan=True))


@cache
def cases():
    """{symbol: (K,)}: values of all quantities, in cases that tell them apart."""
    draw, T = np.random.default_rng(0), 1000
    betas = np.linspace(1e-4, 0.02, T)
    t = draw.integers(2, T, 40)
    previous = np.maximum(t - draw.integers(1, 300, 40), -1)
    found = quantities(betas, np.cumprod(1 - betas), t, previous, draw.uniform(0.1, 0.9, 40))
    found |= {"sigma": draw.uniform(0.01, 0.9, 40), "t": t, "T": draw.integers(1000, 2000, 40)}
    found |= {"S": draw.integers(2, 100, 40), "i": draw.integers(0, 100, 40)}
    found |= {"beta_start": draw.uniform(1e-4, 1e-3, 40), "beta_end": draw.uniform(0.01, 0.3, 40)}
    return found | {name: draw.uniform(0.1, 0.9, 40) for name in ("betas", "alphas", "alphas_cumprod", "x0_hat")}
