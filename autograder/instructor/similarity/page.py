"""similar.html: the pairs that are worth a look, side by side, for staff. It opens from a folder, without a network."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from ...reports.html import STYLE, template
from . import comparing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .comparing import Pair
    from .reading import Compared

HERE = Path(__file__).parent
BINS, WIDTH, HEIGHT = 20, 720, 120
MOST, NAMED = 40, 100  # pairs that are shown with their code; and how many more are named
LONGEST = 300  # characters of a line that are shown


@dataclass
class Excerpt:
    """Part of a function.

    lines  (number, text, whether it is shared)
    """

    function: str
    lines: list[tuple[int, str, bool]]


@dataclass
class Bin:
    """How many pairs share so much, as a bar of a picture; one that is worth a look is another colour."""

    reach: str
    count: int
    x: float
    height: float
    worth_a_look: bool


def render(compared: Sequence[Compared], handed_in: int) -> str:
    """The page.

    handed_in  how many students handed something in
    """
    found = sorted(((one, pair) for one in compared for pair in one.shown), key=lambda each: -each[1].size)
    return template(HERE / "page.html.j2").render(
        compared=compared,
        handed_in=handed_in,
        pairs=[(one.file, pair, side_by_side(one, pair)) for one, pair in found[:MOST]],
        more=[(one.file, pair) for one, pair in found[MOST : MOST + NAMED]],
        count=len(found),
        curves={one.file: bins(one) for one in compared if one.pairs},
        limits=comparing,
        width=WIDTH,
        height=HEIGHT,
        style=Markup(STYLE + (HERE / "page.css").read_text(encoding="utf-8")),
    )


def side_by_side(compared: Compared, pair: Pair) -> list[tuple[Excerpt, Excerpt]]:
    """What the two share: each function of the first beside the one of the other that shares most with it."""
    one, other = (compared.prints[student].by_function(pair.shared) for student in pair.students)
    rows = []
    for number, (passages, _) in one.items():
        beside = max(other, key=lambda n: len(passages & other[n][0]))
        numbers = zip(pair.students, (number, beside), (one, other), strict=True)
        first, second = (excerpt(compared, student, n, found[n][1]) for student, n, found in numbers)
        rows.append((first, second))
    return rows


def excerpt(compared: Compared, student: str, number: int, shared: Sequence[int]) -> Excerpt:
    """A student's function, from the first shared line to the last."""
    name, text = compared.prints[student].functions[number][0], compared.texts[student]
    numbers = range(shared[0], shared[-1] + 1)
    shown = textwrap.dedent("\n".join(text[n - 1].expandtabs(4)[:LONGEST] for n in numbers)).split("\n")
    lines = [(n, line, n in shared) for n, line in zip(numbers, shown, strict=True)]
    return Excerpt(name or "outside of functions", lines)


def bins(compared: Compared) -> list[Bin]:
    """How many pairs share so much of what is their own, by twentieths. Heights grow like logarithms, as most share
    next to nothing, and the few that do not must be seen."""
    counts = Counter(place(pair) for pair in compared.pairs)
    looks = Counter(place(pair) for pair in compared.shown)
    most, step = math.log1p(max(counts.values())), WIDTH / BINS
    return [
        Bin(
            f"{100 * n / BINS:.0f} to {100 * (n + 1) / BINS:.0f} %",
            counts[n],
            n * step + 2,
            (HEIGHT - 38) * math.log1p(counts[n]) / most,
            bool(looks[n]),
        )
        for n in range(BINS)
    ]


def place(pair: Pair) -> int:
    return min(int(BINS * pair.share), BINS - 1)
