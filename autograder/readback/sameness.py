"""Whether two readings are the same formula, however it is written."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .expression import Expression
from .products import quantities

if TYPE_CHECKING:
    from collections.abc import Mapping

CLOSE = 1e-6  # relative
RIGHT = "right"


def agree(mine: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
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


def complete(reads: Mapping[str, Any]) -> bool:
    """Whether all terms were read, and one of them at least is a formula and not only right."""
    found = leaves(reads)
    return None not in found and any(source != RIGHT for source in found)


def leaves(reads: Mapping[str, Any]) -> list[str | None]:
    """All that was read, of terms and of terms of terms."""
    return [leaf for value in reads.values() for leaf in (leaves(value) if isinstance(value, dict) else [value])]


def same(one: str, other: str) -> bool:
    """Whether two sources are the same text, or have the same value in many cases."""
    if one == other or RIGHT in (one, other):
        return one == other
    try:
        first, second = (np.float64(Expression(source).value(cases())) for source in (one, other))
    except (KeyError, ValueError):
        return False
    return np.allclose(first, second, rtol=CLOSE, atol=0, equal_nan=True)


@cache
def cases() -> dict[str, np.ndarray]:
    """{symbol: (K,)}, values of all quantities, in cases that tell them apart."""
    draw, K = np.random.default_rng(0), 200
    betas = np.linspace(1e-4, 0.02, 1000)
    t = draw.integers(2, 1000, K)
    previous = np.maximum(t - draw.integers(1, 300, K), -1)
    found = quantities(betas, np.cumprod(1 - betas), t, previous, draw.uniform(0.1, 0.9, K))
    # Curves are told apart in short tables and in long ones, at both ends, where they are clipped.
    T = np.where(draw.random(K) < 0.5, draw.integers(20, 60, K), draw.integers(1000, 4000, K))
    place = np.floor(draw.choice([0, 0.001, 0.02, 0.3, 0.7, 0.95, 0.999999], K) * T)
    found |= {"t": place, "T": T, "S": draw.integers(2, 20, K), "i": draw.integers(0, 20, K)}
    found |= {"beta_start": draw.uniform(1e-4, 1e-3, K), "beta_end": draw.uniform(0.01, 0.3, K)}
    found |= {"w": draw.uniform(1.1, 9, K)}
    names = ("sigma", "betas", "alphas", "alphas_cumprod", "s", "s_prev")
    return found | {name: draw.uniform(0.1, 0.9, K) for name in names} | {"x0_hat": draw.normal(0, 3, K)}
