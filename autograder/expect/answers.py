"""Answers of a student beside the recorded ones: how far off they are, and whether an error is only carried forward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..language import N_, _
from ..record import BAD_OUTPUT, WRONG, Failed

if TYPE_CHECKING:
    from ..checks.editing import Own
    from ..checks.loss import Confirmed
    from ..checks.program import Again, PictureAgain

# A step is a linear combination of the noise and any two of (x0_hat, epsilon_hat, x_t), or of x_t and epsilon_hat -
# x0_hat, the velocity of flow matching: these ways to write it give the same x_prev wherever the student's own
# prediction explains x_t, and all are right.
FORMS = (("x0", "sample"), ("x0", "epsilon"), ("epsilon", "sample"), ("sample", "velocity"))
INDEPENDENT = 1e-4  # smallest singular value of the normalised terms of a form; collinear terms prove nothing
VISIBLE = 3  # times as far as is allowed, a step must be off without any one of its terms
TINY = np.finfo(np.float64).tiny
ROUNDING = 1e-5  # of the sum of its terms, what float32 may do to a step: a term that others drown so far shows nothing


class Answer:
    """One answer beside the recorded one.

    name, where    what it is, and in which case: `where` holds numbers that only public cases may show
    got, expected  float64; single numbers are numpy's
    scale          what an error is measured by: one number, or one for each element
    off            (got - expected) / scale in float64; NaN and infinities stay
    error          the largest of |off|, infinite for NaN
    step           what it is the result of, if that is a step
    complaint      what is said of a wrong one, in English, with a place for its {name}
    told           what is worth telling where this case is shown
    again          whether it is right given other parts of the student's work
    """

    def __init__(
        self,
        name: str,
        where: str,
        got: object,
        expected: np.ndarray | float,
        scale: np.ndarray | np.floating | float,
        tolerance: float,
    ) -> None:
        self.name, self.where, self.tolerance = name, where, tolerance
        self.got: np.ndarray = np.float64(np.asarray(got))  # pyrefly: ignore[bad-assignment]
        self.expected: np.ndarray = np.float64(expected)  # pyrefly: ignore[bad-assignment]
        self.scale, self.off = scale, (self.got - self.expected) / scale
        error = np.abs(self.off).max(initial=0)
        self.error = np.inf if np.isnan(error) else float(error)
        self.right = bool(self.error <= tolerance)
        self.step: Step | None = None
        self.again: Again | PictureAgain | Confirmed | Own | None = None
        self.complaint, self.told = N_("{name} has wrong values"), ""

    def carried(self) -> bool:
        """Whether it is right given what the student's own `predict`, or for samples their own scheduler, does."""
        if self.step:
            return self.step.explains(self, self.step.forms)
        return self.right or (self.again is not None and self.again.right)

    def telling(self) -> bool:
        """Whether it could not have come out like this by chance: samples that no network moves prove nothing, nor does
        a step in which one term drowns the others."""
        return self.right or bool(self.step and self.step.shows) or (self.again is not None and self.again.moved)

    def failed(self) -> Failed:
        """What is wrong with it, and where, for public cases: expected and got at the worst element."""
        bad = ~np.isfinite(self.got)
        if bad.any():
            says = N_("{name} contains NaN") if np.isnan(self.got).any() else N_("{name} contains infinite values")
            told = _("{where}, in {n} of {count} elements", where=self.where, n=bad.sum(), count=bad.size)
            return Failed(BAD_OUTPUT, _(says, name=self.name), told)
        errors = np.atleast_1d(np.abs(self.off))
        worst = np.unravel_index(np.argmax(errors), errors.shape)
        got, expected = (np.atleast_1d(array)[worst] for array in (self.got, self.expected))
        told = _("{where}: expected {expected:.6g}, got {got:.6g}", where=self.where, expected=expected, got=got)
        place = tuple(map(int, worst))
        if self.expected.ndim == 1:  # a table, or a list of timesteps
            off = np.flatnonzero(errors > self.tolerance)
            if off.size > 1:
                many = {"place": worst[0], "n": off.size, "count": errors.size, "first": off[0], "last": off[-1]}
                says = N_("{told} at index {place}; {n} of {count} are off, from index {first} to {last}")
                told = _(says, told=told, **many)
            else:
                told = _("{told} at index {place}, the only one that is off", told=told, place=worst[0])
        elif self.expected.ndim:
            told = _("{told} at index {place}", told=told, place=place)
        return Failed(WRONG, _(self.complaint, name=self.name), told)


@dataclass
class Step:
    """What one step is made of: errors of `predict` are carried forward through it.

    forms    (4, 3) recorded weights of the terms that FORMS names, and of the noise; NaN where they do not suffice
    predict  calls the student's own predict on the same inputs
    shows    whether each of its terms shows in the answer that it explained
    """

    forms: np.ndarray
    predict: Callable[[], object]
    sample: np.ndarray
    noise: np.ndarray
    shows: bool = False

    @cached_property
    def terms(self) -> dict[str, np.ndarray] | None:
        """Columns by name: x_t, the noise and what the student's own predict says; None if there are none."""
        try:
            pair = self.predict()
        except Failed:  # there is no predict to carry anything from
            return None
        if not (isinstance(pair, tuple) and len(pair) == 2):
            return None
        terms = {"x0": pair[0], "epsilon": pair[1], "sample": self.sample, "noise": self.noise}
        if not all(isinstance(term, np.ndarray) and term.shape == self.sample.shape for term in terms.values()):
            return None
        # pyrefly: ignore[bad-assignment]  # float64 of an array is one
        columns: dict[str, np.ndarray] = {name: np.float64(np.asarray(term)).ravel() for name, term in terms.items()}
        return columns | {"velocity": columns["epsilon"] - columns["x0"]}

    def explains(self, answer: Answer, forms: np.ndarray) -> bool:
        """Whether a step with these weights, on the student's own predict, gives the answer."""
        if self.terms is None:
            return False
        for names, weights in zip(FORMS, forms, strict=True):
            if np.isnan(weights).any():
                continue
            basis = np.stack([self.terms[name] for name in (*names, "noise")], axis=1)
            basis, weights = basis[:, np.abs(weights) > 1e-9], weights[np.abs(weights) > 1e-9]
            if not independent(basis):
                continue
            parts = np.abs(basis * weights)
            size = np.maximum(parts.sum(axis=1), TINY)  # of each element: a large one hides no other
            share = (parts / size[:, None]).max(axis=0).min()  # of the term that shows least, where it shows most
            allowed = max(min(answer.tolerance, share / VISIBLE), ROUNDING)
            if np.all(difference(answer.got.ravel(), basis @ weights) <= allowed * size):
                self.shows = bool(share >= VISIBLE * ROUNDING)
                return True
        return False


def difference(got: object, expected: np.ndarray | float) -> np.ndarray:
    """|got - expected| in float64; infinite where got is not finite."""
    errors = np.abs(np.float64(np.asarray(got)) - np.float64(expected))
    return np.where(np.isfinite(errors), errors, np.inf)


def independent(columns: np.ndarray) -> bool | np.bool_:
    """Whether the columns are finite and clearly linearly independent."""
    norms = np.linalg.norm(columns, axis=0)
    if not (np.isfinite(norms).all() and (norms > 0).all()):
        return False
    return np.linalg.svd(columns / norms, compute_uv=False)[-1] > INDEPENDENT
