"""Finding the product of quantities that a weight is, from its value in some cases.

All products of up to four quantities with the usual exponents are some two million. They are never written down: a
product of four is one of two times another of two, so the weight divided by each product of two is looked up among
the products of two. That takes a few milliseconds, and the table belongs to the cases alone.
"""

from __future__ import annotations

import itertools
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import ArrayLike

    Priced = tuple[tuple[int, ...], float]  # exponents of a product, in quarters, and its cost

QUARTERS = (-8, -6, -4, -2, -1, 1, 2, 4, 6, 8)  # exponents, in quarters
COST = {0: 0.0, 1: 2.2, 2: 1.2, 3: 3.0, 4: 1.0, 5: 4.0, 6: 2.4, 7: 4.0, 8: 2.0}  # how unusual an exponent is
BELOW = 0.3  # and how much more below the fraction line
EXACT = (
    "eta",
    "1 - eta",
    "alpha_t",
    "s",
    "1 - s",
    "s_prev",
    "1 - s_prev",
    "s - s_prev",
    "t",
    "T",
    "w",
    "w - 1",
)  # by rounding alone
FIRST = ("eta", "1 - eta", "sigma")  # how a product is written: these, then roots of variances, then betas
UNUSUAL = {"alpha_t": 0.2, "beta_t": 0.2, "abar_lag": 0.4, "1 - abar_lag": 0.4, "1 - eta": 0.2}
PLAIN = 1e-5  # what right programs differ by, relative
TABLE = 5e-7  # and what their float32 tables do, absolute: 1 - abar of a small t knows few digits
UNTELLING = 0.3  # a case in which a weight is known no better says nothing
LEAST = 4  # cases that must tell something
SAME = 3  # so many times closer than can be told apart: one quantity under two names


def quantities(
    betas: np.ndarray,
    alphas_cumprod: np.ndarray,
    t: ArrayLike,
    previous: np.ndarray | None = None,
    eta: ArrayLike | None = None,
) -> dict[str, np.ndarray]:
    """The quantities of some cases, each (K,) float64, from the tables.

    betas, alphas_cumprod  (T,)
    t                      (K,) timesteps
    previous               (K,), for a step: previous timesteps, -1 past the end
    eta                    (K,), for DDIM
    """
    t, betas = np.asarray(t), np.float64(betas)  # pyrefly: ignore[bad-assignment]  # float64 of an array is one
    table = np.append(np.float64(alphas_cumprod), 1.0)  # [-1] is the clean image
    found: dict[str, np.ndarray] = {"abar": table[t]}
    if previous is not None:
        found |= {"abar_prev": table[previous], "beta": 1 - table[t] / table[np.asarray(previous)]}
    found |= {"beta_t": betas[t], "alpha_t": 1 - betas[t], "abar_lag": table[t - 1]}
    return found | ({} if eta is None else {"eta": np.float64(eta)})  # pyrefly: ignore[bad-return,bad-argument-type]


def levels(t: ArrayLike, T: ArrayLike, previous: ArrayLike | None = None) -> dict[str, np.ndarray]:
    """The same of a straight path, which has no tables: s is the share of noise at a timestep.

    t         (K,) timesteps, each of T (K,)
    previous  (K,), for a step: previous timesteps, -1 past the end
    """
    t, T = np.broadcast_arrays(np.asarray(t, float), np.asarray(T, float))
    found = {"s": (t + 1) / T, "t": t, "T": T}
    if previous is not None:
        found |= {"s_prev": (np.asarray(previous) + 1) / T}
        found |= {"s - s_prev": found["s"] - found["s_prev"]}
    return found


class Products:
    """The products of quantities, for some cases.

    quantities  {name: (K,)}; of those between 0 and 1 also one minus it
    without     atoms to leave out
    Only cases in which all of them have a logarithm are used: `regular`, (K,) bool.
    same        {atom that was left out: atom that is equal to it in all cases}
    """

    def __init__(self, quantities: Mapping[str, np.ndarray], without: Iterable[str] = ()) -> None:
        values: dict[str, np.ndarray] = {}
        for name, array in quantities.items():
            values[name] = np.float64(array)  # pyrefly: ignore[unsupported-operation]
            if name in ("abar", "abar_prev", "abar_lag", "eta", "s", "s_prev"):
                values[f"1 - {name}"] = 1 - values[name]
        for name in without:
            del values[name]
        self.regular = np.logical_and.reduce([(array > 0) & np.isfinite(array) for array in values.values()])
        logs = {name: np.log(array[self.regular]) for name, array in values.items()}
        loose = {name: self.known_to(name, array[self.regular]) for name, array in values.items()}
        self.same: dict[str, str] = {}
        for one, other in itertools.combinations(values, 2):
            if one in self.same or other in self.same:
                continue
            if np.all(np.abs(logs[one] - logs[other]) <= SAME * (loose[one] + loose[other] + PLAIN / 10)):
                self.same[other] = one
        self.atoms = [name for name in values if name not in self.same]
        self.logs = np.array([logs[name] for name in self.atoms])  # (A, K)
        self.loose = np.array([loose[name] for name in self.atoms])
        self.orders: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    @cached_property
    def values(self) -> np.ndarray:
        """(N, K) logarithms of every product of up to two."""
        return pairs(len(self.atoms)) / 4 @ self.logs

    @staticmethod
    def known_to(name: str, array: np.ndarray) -> np.ndarray:
        """How far right programs may differ in the logarithm of a quantity, (K,)."""
        if name in EXACT:
            return np.zeros_like(array)
        return TABLE / array if name != "sigma" else np.full_like(array, PLAIN)

    def sorted(self, case: int) -> tuple[np.ndarray, np.ndarray]:
        """(order, values) of the products of up to two in one case."""
        if case not in self.orders:
            order = np.argsort(self.values[:, case])
            self.orders[case] = order, self.values[order, case]
        return self.orders[case]

    def find(self, weight: np.ndarray, error: np.ndarray) -> list[Priced]:
        """The products that a weight is in all regular cases, simplest first, unequal ones only.

        weight  (K,) not 0 in the regular cases; its sign is not looked at
        error   (K,) how far off it may be; a case in which that is about all there is tells nothing
        """
        weight, error = np.abs(weight[self.regular]), error[self.regular]
        slack = PLAIN + error / weight
        telling = np.flatnonzero(slack < UNTELLING)
        if len(telling) < LEAST:
            return []
        target = np.log(weight)
        width = slack + 4 * self.loose.max(axis=0)
        key, *others = telling[np.argsort(width[telling])]  # the case that tells most, and the rest
        order, values = self.sorted(key)
        rest = target[key] - values[::-1]  # ascending like the values themselves, which makes the search fast
        low, high = (np.searchsorted(values, rest + edge) for edge in (-width[key], width[key]))
        counts = high - low
        first = np.repeat(order[::-1], counts)
        second = order[np.repeat(low - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())]
        kept = first <= second
        for case in others:
            first, second = first[kept], second[kept]
            kept = np.abs(self.values[first, case] + self.values[second, case] - target[case]) <= 2 * width[case]
        exponents = pairs(len(self.atoms))
        both = distinct(exponents[first[kept]] + exponents[second[kept]])
        off = np.abs(both / 4 @ self.logs - target)[:, telling]
        agree = np.all(off <= (slack + np.abs(both) / 4 @ self.loose)[:, telling], axis=1)
        unequal = {}
        for cost, row in sorted((self.cost(row), tuple(map(int, row))) for row in both[agree]):
            reduced = self.reduced(row)
            if len(reduced) >= np.count_nonzero(row) - 1:  # not with a factor of 1 in disguise, to gain slack
                unequal.setdefault(reduced, (row, cost))
        return list(unequal.values())

    def cost(self, exponents: np.ndarray) -> float:
        return sum(
            COST.get(abs(int(p)), 5.0) + BELOW * (p < 0) + UNUSUAL.get(name, 0)
            for name, p in zip(self.atoms, exponents, strict=True)
            if p
        )

    def reduced(self, exponents: Iterable[int]) -> frozenset[tuple[str, int]]:
        """The same product without alpha_t, which is abar / abar_lag: products that are always equal become one."""
        powers = dict(zip(self.atoms, exponents, strict=True))
        alone = powers.pop("alpha_t", 0)
        if alone:
            powers["abar"] = powers.get("abar", 0) + alone
            lag = self.same.get("abar_lag", "abar_lag")
            powers[lag] = powers.get(lag, 0) - alone
        return frozenset((name, p) for name, p in powers.items() if p)

    def powers(self, exponents: Iterable[int]) -> dict[str, float]:
        return {name: p / 4 for name, p in zip(self.atoms, exponents, strict=True) if p}

    def written(self, exponents: Iterable[int], sign: int = 1, factor: str = "") -> str:
        """The Python source of a product, with a number before it."""
        return product(self.powers(exponents), sign, factor)


def distinct(rows: np.ndarray) -> np.ndarray:
    """Rows of exponents, each once; as numbers of so many digits they are sorted much faster than as rows."""
    digits = 33 ** np.arange(rows.shape[1], dtype=np.int64)  # two exponents add up to -16 ... 16
    return rows[np.unique(rows.astype(np.int64) @ digits, return_index=True)[1]]


@cache
def pairs(n: int) -> np.ndarray:
    """Every product of up to two of n atoms: exponents in quarters, (N, n)."""
    rows = [np.zeros((1, n), np.int8)]
    for few in (1, 2):
        for atoms in itertools.combinations(range(n), few):
            block = np.zeros((len(QUARTERS) ** few, n), np.int8)
            block[:, atoms] = list(itertools.product(QUARTERS, repeat=few))
            rows.append(block)
    return np.concatenate(rows)


def product(powers: Mapping[str, float], sign: int = 1, factor: str = "") -> str:
    """The Python source of a product of {source of a factor: exponent}, and of a number."""
    above = [factor] * bool(factor) + [power(name, p) for name, p in ordered(powers) if p > 0]
    below = [power(name, -p) for name, p in ordered(powers) if p < 0]
    text = " * ".join(above) or "1"
    if below:
        text += f" / {below[0]}" if len(below) == 1 else f" / ({' * '.join(below)})"
    return text if sign > 0 else f"-{text}"


def ordered(powers: Mapping[str, float]) -> list[tuple[str, float]]:
    rest = [name for name in powers if name not in FIRST]
    order = [*FIRST, *sorted(rest, key=lambda name: (powers[name] == 1, "beta" in name))]
    return sorted(powers.items(), key=lambda item: order.index(item[0]))


def power(name: str, exponent: float) -> str:
    base = name if name.isidentifier() else f"({name})"
    return base if exponent == 1 else f"{base}**{exponent:g}"
