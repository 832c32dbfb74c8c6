"""Regrading: who changes by how much, and why, before anything is published."""

import csv
import io
from dataclasses import dataclass

from rich.table import Table

CAUSES = {
    "submission": "something else was handed in",
    "kit": "the checks, their limits or the recorded cases changed",
    "points": "the points of the rubric changed",
    "seed": "the course seed changed",
    "device": "training ran on another device",
}


@dataclass
class Change:
    """What a regrade makes of a student.

    before, after  points, or None where there is no score
    checks         {check: "verdict and points before -> after"} of those that changed
    causes         why the student was graded again
    """

    student: str
    before: float | None
    after: float | None
    checks: dict
    causes: list

    @property
    def by(self):
        return None if None in (self.before, self.after) else self.after - self.before


def change(student, before, after, causes):
    """The Change from one record to the next; a record is None where grading broke off."""
    old, new = ({check.id: check for check in made.checks} if made else {} for made in (before, after))
    changed = {}
    for id in dict.fromkeys([*old, *new]):
        first, second = (found[id] if id in found else None for found in (old, new))
        if standing(first) != standing(second):
            changed[id] = f"{shown(first)} → {shown(second)}"
    points = (None if made is None or made.ungraded else made.points for made in (before, after))
    return Change(student, *points, changed, [CAUSES[name] for name in causes] or ["you asked for it"])


def standing(check):
    return check and (check.verdict, check.points, check.max_points)


def shown(check):
    return f"{check.verdict.replace('_', ' ')} {check.points:g}/{check.max_points:g}" if check else "not run"


def table(changes):
    """A rich table of those that change."""
    drawn = Table("Student", "Before", "After", "By", "Checks", "Why it was graded again", box=None, padding=(0, 1))
    for one in changes:
        what = "\n".join(f"{id}: {text}" for id, text in one.checks.items())
        drawn.add_row(one.student, number(one.before), number(one.after), signed(one.by), what, "; ".join(one.causes))
    return drawn


def as_csv(changes):
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(["student", "before", "after", "by", "checks", "why"])
    for one in changes:
        what = "; ".join(f"{id}: {text}" for id, text in one.checks.items())
        writer.writerow(
            [one.student, number(one.before), number(one.after), signed(one.by), what, "; ".join(one.causes)]
        )
    return text.getvalue()


def number(points):
    return "-" if points is None else f"{points:g}"


def signed(points):
    return "-" if points is None else f"{points:+g}"
