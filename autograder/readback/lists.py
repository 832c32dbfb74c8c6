"""Reading a list of timesteps: which of the usual spacings it is, how it is rounded, shifted and ordered."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ..language import _
from .expression import Expression

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike

# Entry of the list, counted {up} from 0 or from 1 ({up1}), or {down} from the end; and how many there are. Of several
# that give the same list the first is told.
STRIDE = "ceil(T / (T // S))"
SPACINGS = (
    ("{up1} * T / S", "S"),
    ("{up} * T / S", "S"),
    ("{up} * (T // S)", "S"),
    ("{up1} * (T // S)", "S"),
    ("{up} * (T - 1) / (S - 1)", "S"),
    ("{up} * T / (S - 1)", "S"),
    ("{up1} * (T - 1) / S", "S"),
    ("{up} * (T - 1) / S", "S"),
    ("T - {down} * (T // S)", "S"),
    ("{up} * round(T / S)", "S"),
    ("T - {down} * round(T / S)", "S"),
    ("T - {down} * T / S", "S"),
    ("T - {down} * ((T - 1) // S)", "S"),
    ("{up} * ((T - 1) // S)", "S"),
    ("{up} * (T // S)", STRIDE),
    ("T - {down} * (T // S)", STRIDE),
    ("({up} + 0.5) * T / S", "S"),
    ("{up} * (T - 1) / S", "S + 1"),
    ("{up} * T / S", "S + 1"),
    ("{up}", "S"),
    ("T - {down1}", "S"),
    ("(T - 1) * ({up} / (S - 1))**2", "S"),
    ("0.8 * T * ({up} / (S - 1))**2", "S"),
)
ROUNDINGS = ("{}", "round({})", "floor({})", "ceil({})")
SHIFTS = (0, -1, 1, -2, 2)


@dataclass(frozen=True)
class Spacing:
    """How a list of timesteps is made.

    entry   what entry i is, counted from 0 in the student's own order
    length  how many there are
    """

    entry: Expression
    length: Expression

    @property
    def count(self) -> str:
        """How many there are, in words, where that is not S."""
        return "" if self.length.python == "S" else _(", and there are {count} of them", count=self.length)

    def gives(self, timesteps: np.ndarray, S: int, T: int) -> bool:
        """Whether it gives this list."""
        n = int(self.length.value({"S": S, "T": T}))
        if len(timesteps) != n:
            return False
        wanted = np.broadcast_to(self.entry.value({"S": S, "T": T, "i": np.arange(n, dtype=float)}), n)
        if S == 1 and np.isnan(wanted).all():  # one point of a line: libraries give either end
            return timesteps[0] in (0, T - 1, T)
        return bool(np.all(np.abs(timesteps - wanted) < 1e-3))


def read_list(lists: Iterable[tuple[ArrayLike, int, int]]) -> Spacing | None:
    """The Spacing that all the lists have, each given as (timesteps, S, T)."""
    known = [(np.asarray(timesteps, float), S, T) for timesteps, S, T in lists]
    return next((spacing for spacing in spacings() if all(spacing.gives(*one) for one in known)), None)


@cache
def spacings() -> list[Spacing]:
    """All Spacings that are looked for, the simplest first."""
    found = []
    for shift, (source, length), rounding, ascending in itertools.product(SHIFTS, SPACINGS, ROUNDINGS, (False, True)):
        if rounding != "{}" and ("round" in source or not any(fraction in source for fraction in ("/ S", "/ (S"))):
            continue  # whole numbers already
        n = length if length == "S" else f"({length})"
        near, far = ("i", "(i + 1)"), (f"({n} - 1 - i)", f"({n} - i)")
        (up, up1), (down, down1) = (near, far) if ascending else (far, near)
        text = rounding.format(source.format(up=up, up1=up1, down=down, down1=down1))
        text += f" {'+' if shift > 0 else '-'} {abs(shift)}" if shift else ""
        found.append(Spacing(Expression(text), Expression(length)))
    return found
