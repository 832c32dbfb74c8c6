"""Reading a schedule: the curve that a table of betas is, and what the other two tables are made of.

A curve must fit every table that was recorded, with other ranges and other T, up to a clip from above and one from
below, which show as one and the same number wherever the curve is beyond it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ..language import N_
from .expression import Expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

CLOSE = 2e-5  # relative
FLOAT32 = 3e-7  # absolute, of 1 - f/f
CLEAR = 0.5  # so much of at least one table must be free of clips
POWERS = {1: "", 2: "**2", 0.5: "**0.5"}


@dataclass(frozen=True)
class Table:
    """A table as the student's scheduler has it, and the settings that it was made with.

    values  (T,), or of another length where that is the mistake
    """

    values: np.ndarray
    T: int
    beta_start: float = 1e-4
    beta_end: float = 0.02

    @property
    def quantities(self) -> dict[str, float | np.ndarray]:
        t = np.arange(len(self.values), dtype=np.float64)
        return {"t": t, "T": self.T, "beta_start": self.beta_start, "beta_end": self.beta_end}


def read_betas(tables: Sequence[Table]) -> Expression | None:
    """The formula of beta_t that gives all the tables, if there is one."""
    if not all(np.isfinite(table.values).all() for table in tables):
        tables = [table for table in tables if np.isfinite(table.values).all()]
    if not tables:
        return None
    for python in itertools.chain(constant(tables), spaced(tables), geometric(tables), OTHERS, cosines(tables)):
        if (found := clipped(python, tables)) is not None:
            return Expression(found)
    return None


def clipped(python: str, tables: Sequence[Table]) -> str | None:
    """The source of a curve with the clips that make it all the tables; None where there are none."""
    bounds = [bounds_of(Expression(python), table) for table in tables]
    if any(bound is None for bound in bounds):
        return None
    if not any(fits(Expression(python), table).mean() >= CLEAR for table in tables):
        return None
    for function, place in (("max", 0), ("min", 1)):
        seen = {(i, edge) for i, bound in enumerate(bounds) if bound and (edge := bound[place]) is not None}
        if not seen:
            continue
        for name in ("beta_end", "beta_start"):
            if all(np.isclose(bound, getattr(tables[i], name), rtol=1e-5) for i, bound in seen):
                if len({getattr(tables[i], name) for i, _ in seen}) > 1:
                    python = f"{function}({python}, {name})"
                    break
        else:
            values = {float(f"{bound:.6g}") for _, bound in seen}
            if len(values) > 1:
                return None
            python = f"{function}({python}, {values.pop():.10g})"
    # A table in which nothing is beyond a bound must not have passed it either.
    return python if all(fits(Expression(python), table).all() for table in tables) else None


def bounds_of(curve: Expression, table: Table) -> tuple[float | None, ...] | None:
    """(lower, upper) bounds of the clip that makes a table of a curve, each None where it does nothing; or None."""
    with np.errstate(all="ignore"):
        wanted = np.broadcast_to(curve.value(table.quantities), table.values.shape)
    off = ~close(table.values, wanted, table.quantities["t"], len(table.values), "cos(" in curve.python)
    if off.all() or np.isnan(wanted[off]).any():
        return None
    bounds: list[float | None] = []
    for beyond in (off & (wanted < table.values), off & (wanted > table.values)):
        values = table.values[beyond]
        if len(values) and np.ptp(values) > 1e-6 * np.abs(values).max():
            return None
        bounds.append(float(values[0]) if len(values) else None)
    return tuple(bounds)


def fits(curve: Expression, table: Table) -> np.ndarray:
    with np.errstate(all="ignore"):
        t = table.quantities["t"]
        return close(table.values, curve.value(table.quantities), t, len(table.values), "cos(" in curve.python)


def close(values: np.ndarray, wanted: float | np.ndarray, t: float | np.ndarray, n: int, rough: bool) -> np.ndarray:
    """Whether entries t of a table of n are those of a curve, as far as float32 can say.

    rough  for 1 - f/f: its digits are those of f, and near the end, where f is nearly 0, there are few
    """
    slack = CLOSE * np.abs(wanted)
    if rough:
        slack = slack + FLOAT32 + 1e-6 * n / np.maximum(n - t, 1) * np.abs(1 - wanted)
    return np.abs(values - wanted) <= slack


# ----- families ------------------------------------------------------------------------------------------------------


def constant(tables: Sequence[Table]) -> Iterator[str]:
    first = float(tables[0].values[0])
    if all(np.all(table.values == tables[0].values[0]) for table in tables):
        yield f"{first:.6g}"


def spaced(tables: Sequence[Table]) -> Iterator[str]:
    """Sources of curves in which beta, or a power of it, is evenly spaced."""
    table = min(tables, key=lambda table: len(table.values))
    if np.any(table.values <= 0):
        return
    n = len(table.values)
    inner = slice(n // 4, max(n // 4 + 3, n // 2))  # where no clip is likely
    t = np.arange(n)[inner]
    for outer, root in ((1, 1), (2, 0.5), (0.5, 2)):
        y = np.float64(table.values)[inner] ** root  # pyrefly: ignore[bad-index]  # float64 of an array is one
        slope, intercept = np.polyfit(t, y, 1)
        if np.abs(slope * t + intercept - y).max() > 1e-4 * np.abs(y).max() or abs(slope) < 1e-5 * np.abs(y).max() / n:
            continue
        for start, end in ends():
            low, high = (float(Expression(python).value(table.quantities)) for python in (start, end))
            steps = (high - low) / slope
            after, before = steps - table.T, (intercept - low) / slope
            if abs(after - round(after)) > 0.05 or abs(before - round(before)) > 0.05:
                continue
            if max(abs(after), abs(before)) > 2.5:
                continue
            line = f"{start} + ({end} - {start}) * {shifted('t', before)} / {shifted('T', after)}"
            yield line if outer == 1 else f"({line}){POWERS[outer]}"


@cache
def ends() -> list[tuple[str, str]]:
    """Sources of (first, last) of an evenly spaced line, the likeliest first."""
    found = [(f"beta_start{power}", f"beta_end{power}") for power in POWERS.values()]
    found += [(end, start) for start, end in found]
    found += [("1000 / T * beta_start", "1000 / T * beta_end"), ("0.0001", "0.02"), ("0", "beta_end"), ("0", "1")]
    return found


def shifted(symbol: str, offset: float) -> str:
    offset = round(offset)
    return symbol if not offset else f"({symbol} {'+' if offset > 0 else '-'} {abs(offset)})"


def geometric(tables: Sequence[Table]) -> Iterator[str]:
    for before, after in itertools.product((0, 1), (-1, 0, 1)):
        place = f"({shifted('t', before)} / {shifted('T', after)})"
        yield f"beta_start * (beta_end / beta_start)**{place}"


OTHERS = (
    "beta_start",
    "beta_end",
    "1 / (T - t)",
    "1 / (T - t + 1)",
    "beta_start + (beta_end - beta_start) / (1 + exp(6 - 12 * t / (T - 1)))",
    "beta_end * (1 - cos(pi * t / (T - 1))) / 2",
    "beta_start + (beta_end - beta_start) * (1 - cos(pi * t / (T - 1))) / 2",
)


# ----- the cosine family ---------------------------------------------------------------------------------------------

# What belongs to it is 1 - f/f of some f = cos(angle)^power. The usual comes first in each list.
ANGLES = ("({u} + {s}) / (1 + {s})", "{u} + {s} / (1 + {s})", "{u} + {s}")
SCALES = ("pi / 2", "pi")
EXPONENTS = (2, 1, 3, 4)
STARTS = (0, -1, 1, 2)  # the t of the first f
LENGTHS = ("T", "(T - 1)", "(T + 1)", "(T * T / (T + 1))")
STEPS = ("1 - {after} / {now}", "1 - {after} / {first}", "1 - {now} / {first}", "1 - {now} / {after}", "1 - {after}")
OFFSETS = (0.008, 0.0, 0.0008, 0.001, 0.01, 0.08)


def cosines(tables: Sequence[Table]) -> Iterator[str]:
    """Sources of the curves of the family that agree with some early entries, where no clip is likely."""
    table = max(tables, key=lambda table: len(table.values))
    n, T = len(table.values), table.T
    few = np.unique([max(n // 50, 1), n // 20, n // 10, n // 5, n // 3, n // 2])
    offsets = (*OFFSETS, *solved(table, few))
    s = np.array(offsets)[:, None, None, None]
    length = np.array([float(Expression(source).value({"T": T})) for source in LENGTHS])[:, None]
    start = np.array(STARTS, float)[:, None, None]

    def f(t: np.ndarray) -> np.ndarray:
        """(angle, scale, exponent, s, start, length, entry)"""
        u = (t + start) / length
        angles = np.stack(np.broadcast_arrays((u + s) / (1 + s), u + s / (1 + s), u + s))
        waves = np.cos(angles[:, None] * np.array([np.pi / 2, np.pi])[None, :, None, None, None, None])
        return waves[:, :, None] ** np.array(EXPONENTS, float)[None, None, :, None, None, None, None]

    now, after, first = f(few), f(few + 1), f(np.zeros(1))
    with np.errstate(all="ignore"):
        betas = (1 - after / now, 1 - after / first, 1 - now / first, 1 - now / after, 1 - after)
    for step, beta in zip(STEPS, betas, strict=True):
        agree = close(table.values[few], beta, few, n, rough=True).sum(axis=-1) >= 3
        for angle, scale, exponent, offset, begin, end in np.argwhere(agree):
            if offsets[offset] or not angle:  # without an offset all three angles are one
                yield cosine(
                    offsets[offset],
                    ANGLES[angle],
                    SCALES[scale],
                    EXPONENTS[exponent],
                    step,
                    STARTS[begin],
                    LENGTHS[end],
                )


def cosine(s: float, angle: str, scale: str, exponent: int, step: str, start: int, length: str) -> str:
    """The source of one curve of the family."""

    def f(t: str) -> str:
        inner = f"{t} / {length}"
        if s:
            inner = angle.format(u=inner, s=f"{s:g}").replace(f"(1 + {s:g})", f"{1 + s:.10g}")
            inner = inner if angle == ANGLES[0] else f"({inner})"
        return f"cos({inner} * {scale})" + ("" if exponent == 1 else f"**{exponent}")

    return step.format(now=f(shifted("t", start)), after=f(shifted("t", start + 1)), first=f(f"{start}"))


def solved(table: Table, few: np.ndarray) -> Iterator[float]:
    """Offsets s of the usual curve, solved for: whatever number was put there, if it is a round one."""
    s = np.geomspace(1e-4, 0.5, 4000)[:, None]
    f = [np.cos((t / table.T + s) / (1 + s) * np.pi / 2) for t in (few, few + 1)]
    for exponent in EXPONENTS:
        with np.errstate(all="ignore"):
            off = np.abs((1 - (f[1] / f[0]) ** exponent) / table.values[few] - 1)
        best = float(s[np.argmin(np.sort(off, axis=1)[:, 2])][0])
        for digits in (1, 2):
            rounded = float(f"{best:.{digits}g}")
            if abs(rounded / best - 1) < 0.03 and rounded not in OFFSETS:
                yield rounded


# ----- what the other tables are made of -----------------------------------------------------------------------------

ALPHAS = ("1 - betas", "(1 - betas)**0.5", "betas", "(1 - betas)**2", "1 - betas**0.5")
PRODUCTS = (
    "cumprod(alphas)",
    "cumprod(1 - betas)",
    "alphas",
    "cumprod(betas)",
    "cumsum(alphas)",
    "cumprod(alphas)**0.5",
    "cumprod(alphas)**2",
    "1 - cumprod(alphas)",
    "cumprod((1 - betas)**0.5)",
    "1 - cumsum(betas)",
    "exp(-cumsum(betas))",
)
ABARS = (
    "cos(((t + 1) / T + 0.008) / 1.008 * pi / 2)**2 / cos(0.008 / 1.008 * pi / 2)**2",
    "cos(((t + 1) / T + 0.008) / 1.008 * pi / 2)**2",
    "cos((t / T + 0.008) / 1.008 * pi / 2)**2 / cos(0.008 / 1.008 * pi / 2)**2",
    "cos((t / T + 0.008) / 1.008 * pi / 2)**2",
)


def read_alphas(alphas: Sequence[Table], betas: Sequence[Table]) -> Expression | None:
    """What alphas are of the student's own betas, if it is found."""
    return made_of(ALPHAS, alphas, [{"betas": table.values} for table in betas])


def read_alphas_cumprod(
    cumprods: Sequence[Table], alphas: Sequence[Table], betas: Sequence[Table]
) -> tuple[Expression | None, str]:
    """What alphas_cumprod is of the student's own alphas and betas, or of t, if it is found; and a word where the table
    lies one index beside it: "one index late" or "one index early", else ""."""
    own = [{**a.quantities, "alphas": a.values, "betas": b.values} for a, b in zip(alphas, betas, strict=True)]
    if (found := made_of(PRODUCTS, cumprods, own)) is not None:
        return found, ""
    for word, mine, theirs in (
        (N_("one index late"), slice(1, None), slice(0, -1)),
        (N_("one index early"), slice(0, -1), slice(1, None)),
    ):
        # Where one was put in front, nothing is lost at the end.
        moved = [Table(c.values[mine], c.T) for c in cumprods]
        whole = word == "one index late" and len(cumprods[0].values) > cumprods[0].T
        if (found := made_of(PRODUCTS, moved, own, slice(None) if whole else theirs)) is not None:
            return found, word
    return made_of(ABARS, cumprods, own), ""


def made_of(
    sources: Iterable[str],
    tables: Sequence[Table],
    own: Sequence[Mapping[str, float | np.ndarray]],
    part: slice = slice(None),
) -> Expression | None:
    """The first Expression that is all tables, or the part of it."""
    for python in sources:
        expression = Expression(python)
        wanted = [np.atleast_1d(expression.value(quantities))[part] for quantities in own]
        if all(made_equal(table.values, one) for table, one in zip(tables, wanted, strict=True)):
            return expression
    return None


def made_equal(values: np.ndarray, wanted: np.ndarray) -> bool:
    with np.errstate(all="ignore"):
        return values.shape == wanted.shape and bool(
            np.all(np.abs(values - wanted) <= 1e-4 * np.abs(wanted) + 1e-7 * np.abs(wanted).max())
        )
