"""Which of several hand-ins of one student counts, as `attempt` in [late] of rubric.toml says. A hand-in counts as a
whole: with its lateness, and with the report that is in it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...intake.submission import REPORT as NOTEBOOK
from ...language import N_, _
from ...rubric import REPORT
from . import lateness
from .questions import possible
from .sheet import report_points

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ...rubric import Rubric
    from ..handins.collecting import HandedIn
    from .exceptions import Terms

WHY = {
    lateness.ON_TIME: N_("{place}: the latest of those with the fewest days late."),
    lateness.BEST: N_("{place}: the best after lateness."),
}


def candidates(attempts: Sequence[HandedIn], terms: Terms, rubric: Rubric) -> list[HandedIn]:
    """Those that have to be graded before it is known which one counts, the oldest first."""
    if lateness.attempt(rubric.late) == lateness.BEST:
        return list(attempts)
    return [counting(attempts, terms, rubric, lambda _: 0.0)]


def counting(
    attempts: Sequence[HandedIn], terms: Terms, rubric: Rubric, points: Callable[[HandedIn], float | None]
) -> HandedIn:
    """The one that counts.

    attempts  the oldest first
    points    for code, asked for where the best counts; None for what is not graded: it might be the best, and counts
              until it is
    Of two that are worth the same, the one with fewer days late counts, then the later one: nobody pays lateness for
    nothing, and the later one is what its writer meant.
    """
    policy = lateness.attempt(rubric.late)

    def rank(n: int) -> tuple[float, int, int]:
        days = terms.days_late(attempts[n].time, rubric.late)
        if policy == lateness.LATEST:
            return 0, 0, n
        if policy == lateness.ON_TIME:
            return 0, -days, n
        return worth(attempts[n], days, points(attempts[n])), -days, n

    def worth(attempt: HandedIn, days: int, code: float | None) -> float:
        """After lateness. Nobody has marked the report yet: it counts with what its answers can give."""
        if code is None:
            return math.inf
        whole = code + for_report(attempt, rubric)
        return round(whole - terms.penalty(whole, days, rubric.late), 2)

    return attempts[max(range(len(attempts)), key=rank)]


def for_report(attempt: HandedIn, rubric: Rubric) -> float:
    """What the report can give at most, also one that cannot be read yet."""
    if attempt.report:
        return report_points(rubric)
    path = attempt.path / NOTEBOOK if attempt.path and rubric.on(REPORT) else None
    return possible(path.read_bytes()) if path and path.exists() else 0.0


def note(counting: HandedIn, late: Mapping[str, Any]) -> list[str]:
    """What a student should know where not simply the latest of several counts."""
    why = WHY.get(lateness.attempt(late))
    return [_(why, place=counting.place)] if counting.place and why else []
