"""Reading what `predict` returns: two weighted sums of x_t and the model's output, and what the clip does to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .expression import Expression, combination
from .forms import alike
from .weights import measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .reading import Cases, Reading

TERMS = ("x_t", "output")
CLOSE = 2e-3  # of what clipping leaves: at late timesteps x0_hat is large, and float32 with it
# What epsilon_hat is made of where x0_hat was clipped.
CLIPPED_TERMS = ("x_t", "x0_hat", "output")


@dataclass(frozen=True)
class Sum:
    """A weighted sum as it was read.

    right    (K,) whether the weight of a term is right, in each case
    weights  (K,) of each term, as they were measured
    """

    reads: dict[str, Reading | None]
    right: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]

    @property
    def expression(self) -> Expression | None:
        """What the sum is; None unless all of it was read."""
        if not all(self.reads.values()):
            return None
        return combination({term: one.expression for term, one in self.reads.items() if one})


def read_sum(
    cases: Cases, weights: np.ndarray, errors: np.ndarray, terms: Sequence[str], expected: np.ndarray | None = None
) -> Sum:
    """The Sum that some weights are.

    weights, errors  (K, N), in the order of `terms`
    expected         (K, N), the right ones
    """
    reads, right = {}, {}
    for n, term in enumerate(terms):
        wanted = None if expected is None else expected[:, n]
        reads[term] = cases.read(weights[:, n], errors[:, n], wanted)
        right[term] = alike(weights[:, n], wanted, errors[:, n])
    return Sum(reads, right, dict(zip(terms, weights.T, strict=True)))


@dataclass(frozen=True)
class Clip:
    """What became of an estimate.

    low, high  the bounds that it was clipped to; None where it was not clipped
    follows    whether it is the unclipped estimate within these bounds
    """

    low: float | None
    high: float | None
    follows: bool

    @property
    def expression(self) -> Expression:
        """What is returned, from the unclipped x0_hat."""
        inner = "x0_hat"
        if self.low is not None:
            inner = f"max({inner}, {self.low:.6g})"
        if self.high is not None:
            inner = f"min({inner}, {self.high:.6g})"
        return Expression(inner)


def read_clip(unclipped: Sequence[np.ndarray], returned: Sequence[np.ndarray]) -> Clip | None:
    """The Clip between the estimates before it and what was returned; None where it is none."""
    before = np.concatenate([np.ravel(array) for array in unclipped]).astype(float)
    after = np.concatenate([np.ravel(array) for array in returned]).astype(float)
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        return None
    scale = CLOSE * np.maximum(1, np.abs(after))
    if np.all(np.abs(before - after) <= np.maximum(scale, CLOSE * np.abs(before))):
        return Clip(None, None, True)
    low, high = after.min(), after.max()
    low = low if np.sum(after == low) > 1 else None
    high = high if np.sum(after == high) > 1 else None
    clip = Clip(None if low is None else float(low), None if high is None else float(high), True)
    kept = np.clip(before, -np.inf if low is None else low, np.inf if high is None else high)
    return clip if np.all(np.abs(kept - after) <= scale) else None


def read_derived(
    cases: Cases,
    samples: Sequence[np.ndarray],
    images: Sequence[np.ndarray],
    outputs: Sequence[np.ndarray],
    noises: Sequence[np.ndarray],
    expected: np.ndarray | None = None,
) -> Sum | None:
    """The Sum that a returned epsilon_hat is of x_t, the clipped x0_hat and the output; None where it is none.

    samples, images, outputs, noises  K each: x_t, x0_hat as returned, the model's output, epsilon_hat
    """
    found = [measure(e, [x, x0, o]) for x, x0, o, e in zip(samples, images, outputs, noises, strict=True)]
    if not all(found):
        return None
    weights, errors = (np.array([getattr(one, name) for one in found]) for name in ("values", "errors"))
    return read_sum(cases, weights, errors, CLIPPED_TERMS, expected)
