"""Reading one weight: a product of quantities, or what lies just beyond: a root of a difference, a constant factor,
a clamp. Silent where nothing fits in all cases, or where two different things fit about as well.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .expression import Expression
from .products import PLAIN, UNTELLING, Products

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .products import Priced

UNSURE = 0.5  # two that differ and cost about the same: a coin toss is no reading
MINUENDS = ("1 - abar_prev", "1 - abar", "1", "(1 - abar_prev)**0.5", "(1 - abar)**0.5")
SIMPLE = 6.0  # the most that what is subtracted may cost
FACTORS = ((None, 2.0), (None, 0.5))  # numbers that are put before what is right
ROOT_AND_SQUARE = (0.5, 2)  # what is done to a right weight as a whole
NOTHING = 1e-4  # a weight is 0 if it is less than can be measured, and in most cases that is less than this
CONFIRMED = 1e-3  # how far a weight may be off in cases that it was not read from, relative
HOLDS = 1e-2  # how far a weight may be off where its quantities are hardly known: the first and the last timestep


@dataclass(frozen=True)
class Reading:
    """What one weight is.

    holds       (K,) whether it is the weight, in each case
    ambiguous   whether these cases cannot tell it from another expression: then this is the simplest
    cost        how unusual it is
    """

    expression: Expression
    holds: np.ndarray
    ambiguous: bool
    cost: float

    @property
    def everywhere(self) -> bool:
        return bool(self.holds.all())


class Cases:
    """Some cases, and what is known of each.

    quantities  each (K,), see products.quantities
    """

    def __init__(self, quantities: Mapping[str, np.ndarray]) -> None:
        # pyrefly: ignore[bad-assignment]  # float64 of an array is one
        self.quantities: dict[str, np.ndarray] = {name: np.float64(array) for name, array in quantities.items()}
        # Products that right weights are, by library and weight.
        self.centres: dict[tuple[int, bytes], list[Priced]] = {}

    def with_sigma(self, sigma: float | np.ndarray) -> Cases:
        """The same cases with the weight of the noise as one more quantity."""
        abar = self.quantities["abar"]
        return Cases({**self.quantities, "sigma": np.broadcast_to(np.abs(sigma), abar.shape)})

    def part(self, kept: np.ndarray) -> Cases:
        """Some of the cases.

        kept  (K,) bool
        """
        return Cases({name: array[kept] for name, array in self.quantities.items()})

    @cached_property
    def libraries(self) -> list[Products]:
        """Products of all quantities; and, as eta is 0 or 1 in some cases, products without it, for all cases."""
        without = {name: array for name, array in self.quantities.items() if name not in ("eta", "sigma")}
        found = [Products(without)]
        if len(without) < len(self.quantities):
            found.append(Products(self.quantities))
            if "eta" in self.quantities:
                found.insert(1, EtaOnly({name: a for name, a in self.quantities.items() if name != "sigma"}))
        return found

    def read(
        self, weight: np.ndarray, error: np.ndarray, expected: np.ndarray | None = None, deep: bool = True
    ) -> Reading | None:
        """What a weight is.

        weight    (K,) measured
        error     (K,) how far off it may be
        expected  (K,) the right one; a wrong weight is mostly a right one with something done to it
        deep      whether to look beyond products, which takes ten times as long
        """
        weight, error = np.float64(weight), np.float64(error)  # pyrefly: ignore[bad-assignment]
        if not np.isfinite(weight).all():
            return None
        if np.all(np.abs(weight) <= 3 * error + 1e-9) and np.median(3 * error) <= NOTHING:
            return Reading(Expression("0"), np.ones(len(weight), bool), False, 0.0)
        found = self.product(weight, error, expected)
        if found or not deep:
            return found
        return self.difference(weight, error) or self.around(weight, error, expected) or self.clamped(weight, error)

    # ----- products --------------------------------------------------------------------------------------------

    def product(self, weight: np.ndarray, error: np.ndarray, expected: np.ndarray | None = None) -> Reading | None:
        """The Reading of a product, or of one with a number before it."""
        for library, factor in [*((library, 1.0) for library in self.libraries), *FACTORS]:
            library = library or self.libraries[min(1, len(self.libraries) - 1)]
            sign = sign_of(weight, error, library.regular)
            found = library.find(weight / factor, error / factor) if sign else []
            if sign and not found and expected is not None and factor == 1:
                found = self.near(library, weight, error, expected)
            if sign and expected is not None and factor == 1 and (not found or found[0][1] > SIMPLE):
                found = self.changed(library, weight, error, expected) or found
            if sign and found and (reading := self.decided(library, found, sign, factor, weight, error)):
                return reading
        return None

    def centre(self, library: Products, expected: np.ndarray) -> tuple[int, ...] | None:
        """Exponents of the product that the right weight is, if it is one."""
        key = id(library), expected.tobytes()
        if key not in self.centres:
            known = np.all(np.isfinite(expected[library.regular]) & (expected[library.regular] != 0))
            self.centres[key] = library.find(expected, np.abs(expected) * PLAIN) if known else []
        return self.centres[key][0][0] if self.centres[key] else None

    def near(self, library: Products, weight: np.ndarray, error: np.ndarray, expected: np.ndarray) -> list[Priced]:
        """Products near the right one, from what the weight is of it."""
        centre = self.centre(library, expected)
        if centre is None:
            return []
        with np.errstate(all="ignore"):
            ratios = library.find(weight / expected, error / np.abs(expected))
        return [(tuple(np.add(row, centre).tolist()), cost + 1) for row, cost in ratios if cost <= SIMPLE]

    def changed(self, library: Products, weight: np.ndarray, error: np.ndarray, expected: np.ndarray) -> list[Priced]:
        """The root or the square of the right product, where the weight is that."""
        centre, regular = self.centre(library, expected), library.regular
        if centre is None:
            return []
        for power in ROOT_AND_SQUARE:
            row, wanted = np.multiply(centre, power), np.abs(expected[regular]) ** power
            off = np.abs(np.abs(weight[regular]) - wanted)
            if np.all(row == np.round(row)) and np.all(off <= 4 * PLAIN * wanted + 3 * error[regular]):
                return [(tuple(row.astype(int).tolist()), SIMPLE)]
        return []

    def decided(
        self,
        library: Products,
        found: Sequence[Priced],
        sign: int,
        factor: float,
        weight: np.ndarray,
        error: np.ndarray,
    ) -> Reading | None:
        """The Reading of the simplest of some products, unless another one is about as simple."""
        (row, cost), *others = found
        if others and others[0][1] < cost + UNSURE:
            return None
        powers = library.powers(row)
        twins = set(powers) & set(library.same.values())
        python = library.written(row, sign, "" if factor == 1 else f"{factor:g}")
        ambiguous = bool(others and others[0][1] < cost + 4 * UNSURE) or bool(twins)
        return self.reading(python, weight, error, ambiguous, cost + (0 if factor == 1 else 1.5), library.regular)

    def reading(
        self, python: str, weight: np.ndarray, error: np.ndarray, ambiguous: bool, cost: float, sure: np.ndarray
    ) -> Reading:
        """The Reading of an expression, with a clamp where the other cases than those where it was found say so."""
        known = sure & (error < UNTELLING * np.abs(weight))  # a weight of 0 is no product of what is not
        for text in (python, *clamps(python, self.quantities, weight, sure)):
            expression = Expression(text)
            holds = known | self.agrees(expression, weight, error)
            if holds.all():
                return Reading(expression, holds, ambiguous, cost)
        return Reading(Expression(python), known | self.agrees(Expression(python), weight, error), ambiguous, cost)

    def agrees(
        self, expression: Expression, weight: np.ndarray, error: np.ndarray, relative: float = HOLDS
    ) -> np.ndarray:
        value = expression.value(self.quantities)
        return np.abs(value - weight) <= relative * np.abs(value) + 3 * error + 1e-9

    # ----- what lies just beyond ---------------------------------------------------------------------------------

    def difference(self, weight: np.ndarray, error: np.ndarray) -> Reading | None:
        """w = (A - B)^p for the usual A, and B a simple product: roots of what is left of a variance."""
        found = []
        libraries = [self.libraries[0], *self.libraries[1:][-1:]]
        for (place, minuend), library in itertools.product(enumerate(MINUENDS), libraries):
            if not Expression(minuend).symbols <= self.quantities.keys():
                continue
            whole, size = Expression(minuend).value(self.quantities), np.abs(weight)
            sign = sign_of(weight, error, library.regular)
            if not sign:
                continue
            for root in (1, 2) if "**" not in minuend else (1,):
                rest = whole - size**root
                unsure = root * size ** (root - 1) * error + 2 * PLAIN * np.abs(whole)
                minus = sign_of(rest, unsure, library.regular)
                if not minus:
                    continue
                products = library.find(np.where(np.abs(rest) > unsure, rest, unsure), unsure)
                for row, cost in products[:1]:
                    python = f"{minuend} {'-' if minus > 0 else '+'} {library.written(row)}"
                    python = f"({python})**0.5" if root == 2 else python if sign > 0 else f"({python})"
                    python = python if sign > 0 else f"-{python}"
                    if cost <= SIMPLE and self.agrees(Expression(python), weight, error)[library.regular].all():
                        found.append((cost + root / 2 + place / 10, python, library))
        if not found:
            return None
        cost, python, library = min(found, key=lambda one: one[0])
        unequal = [other for _, other, _ in found if other != python] if "sigma" not in python else []
        return self.reading(python, weight, error, bool(unequal), cost, library.regular)

    def around(self, weight: np.ndarray, error: np.ndarray, expected: np.ndarray | None) -> Reading | None:
        """The right weight, where it is no product itself, with a product done to it."""
        right = expected is not None and self.difference(expected, np.abs(expected) * PLAIN)
        if not right or np.any(expected == 0):
            return None
        inner = self.product(weight / expected, error / np.abs(expected))
        if inner is None:
            return None
        factor = inner.expression.python
        minus = "-" if factor.startswith("-") else ""
        factor = factor.removeprefix("-").removeprefix("1 ")
        join = "" if factor.startswith("/") else " * "
        python = f"{minus}{right.expression.python}" + (f"{join or ' '}{factor}" if factor != "1" else "")
        return Reading(Expression(python), inner.holds, inner.ambiguous or right.ambiguous, inner.cost + right.cost)

    def clamped(self, weight: np.ndarray, error: np.ndarray) -> Reading | None:
        """A product in most cases, and in some one and the same round number: the bound of a clamp."""
        for bound in (np.abs(weight).min(), np.abs(weight).max()):
            at = np.abs(np.abs(weight) - bound) <= 1e-5 * bound
            if at.sum() < 2 or (~at).sum() < 4 or not is_round(bound):
                continue
            rest = self.part(~at)
            inner = rest.product(weight[~at], error[~at])
            if inner is None or not inner.everywhere:
                continue
            function = "max" if bound <= np.abs(weight).min() else "min"
            expression = Expression(f"{function}({inner.expression.python}, {bound:.6g})")
            holds = self.agrees(expression, weight, error)
            if holds.all():
                return Reading(expression, holds, inner.ambiguous, inner.cost + 1)
        return None


class EtaOnly(Products):
    """Products with eta, but without 1 - eta, which is 0 where eta is 1."""

    def __init__(self, quantities: Mapping[str, np.ndarray]) -> None:
        super().__init__(quantities, without=("1 - eta",))


def sign_of(weight: np.ndarray, error: np.ndarray, regular: np.ndarray) -> int | None:
    """1 or -1, the sign of a weight in all cases that tell it; None where it changes, or is 0 in some."""
    weight, error = weight[regular], error[regular]
    clear = np.abs(weight) > error / UNTELLING
    signs = set(np.sign(weight[clear]))
    # Where a weight is 0 to all digits it is no product of quantities that are not.
    return int(signs.pop()) if len(signs) == 1 and np.all(np.abs(weight) > 1e-12) else None


def clamps(python: str, quantities: Mapping[str, np.ndarray], weight: np.ndarray, sure: np.ndarray) -> Iterator[str]:
    """Sources of an expression that is kept from passing a round number, as the remaining cases say."""
    value = np.broadcast_to(Expression(python).value(quantities), weight.shape)  # a source may be a number
    others = ~sure & (np.abs(value - weight) > HOLDS * np.abs(value))
    bounds = set(weight[others])
    if len(bounds) == 1 and (bound := bounds.pop()) and is_round(bound):
        function = "max" if np.all(value[others] < bound) else "min"
        yield f"{function}({python}, {bound:.6g})"


def is_round(number: float) -> bool:
    return bool(np.isclose(number, float(f"{number:.2g}"), rtol=1e-5, atol=0))
