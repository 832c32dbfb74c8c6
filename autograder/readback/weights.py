"""Measuring weights: an answer as a weighted sum of its terms, by least squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import DTypeLike

ROUNDING = 6e-8  # of float32, relative
LINEAR = 64 * ROUNDING  # what rounding in a few operations leaves over, relative to the terms


@dataclass(frozen=True)
class Weights:
    """What an answer is made of.

    values  (N,) weight of each term
    errors  (N,) how far off each may be, by rounding
    """

    values: np.ndarray
    errors: np.ndarray


def measure(answer: np.ndarray, terms: Iterable[np.ndarray], dtype: DTypeLike = np.float32) -> Weights | None:
    """The Weights of `answer` on `terms`, or None where it is no weighted sum of them, or they do not determine one.

    answer  every element is one equation
    terms   of the same shape, as many equations as are needed and some more to see that it is linear
    dtype   in which the answer was computed

    A constant is no term: an answer with one is None, see `constant`.
    """
    columns = np.stack([np.float64(term).ravel() for term in terms], axis=1)
    target = np.float64(answer).ravel()
    if not (np.isfinite(target).all() and np.isfinite(columns).all()) or len(target) < columns.shape[1] + 2:
        return None
    sizes = np.linalg.norm(columns, axis=0)
    if not sizes.all():
        return None
    q, r = np.linalg.qr(columns / sizes)
    if np.abs(np.diag(r)).min() < 1e-4:  # collinear terms prove nothing
        return None
    inverse = np.linalg.inv(r)
    values = inverse @ (q.T @ target)
    off = target - (columns / sizes) @ values
    parts = np.abs(columns / sizes * values)  # what rounding is relative to: also sums that cancel out
    unit = ROUNDING if np.dtype(dtype).itemsize < 8 else 1e-15
    scale = parts.sum(axis=1).max(initial=0)
    if np.abs(off).max(initial=0) > max(LINEAR / ROUNDING * unit, 1e-12) * scale:
        return None
    noise = np.sqrt(np.mean(off**2)) + unit * scale / np.sqrt(len(target))
    errors = 3 * noise * np.sqrt((inverse**2).sum(axis=1))
    return Weights(values / sizes, errors / sizes)


def constant(answers: Sequence[np.ndarray | None], terms: Sequence[Iterable[np.ndarray]]) -> float | None:
    """The number that is in every answer beside its weighted sum, the same in all; None where there is none.

    terms  those of each answer
    """
    found = [
        measure(answer, [*those, np.ones_like(answer)]) if answer is not None else None
        for answer, those in zip(answers, terms, strict=True)
    ]
    if not found or not all(found):
        return None
    values, errors = (np.array([getattr(one, name)[-1] for one in found]) for name in ("values", "errors"))
    middle = float(np.median(values))
    return (
        middle
        if np.all(np.abs(values - middle) <= errors + 1e-3 * abs(middle)) and abs(middle) > errors.max()
        else None
    )
