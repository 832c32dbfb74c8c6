"""Regrading: who changes by how much, and why, before anything is published."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from ..handins.platforms import DownloadError
from ..store import Store
from .keeping import Kept

if TYPE_CHECKING:
    from ...record import CheckResult, GradeRecord
    from .session import Session

CAUSES = {
    "submission": "something else was handed in",
    "kit": "the checks, their limits or the recorded cases changed",
    "points": "the points of the rubric changed",
    "seed": "the course seed changed",
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
    checks: dict[str, str]
    causes: list[str]

    @property
    def by(self) -> float | None:
        return None if self.before is None or self.after is None else self.after - self.before


class Regrade:
    """Who is to be graded again, apart from what is published.

    session   one that was entered
    students  these alone, changed or not; by default all of whom something changed
    again     what those handed in
    Raises DownloadError.
    """

    def __init__(self, session: Session, students: Collection[str] = ()) -> None:
        self.session, self.students = session, students
        self.store = Store(session.folder / "regraded", Kept)
        published = {one.key: session.kept.get(one.key) for one in session.known}
        if unknown := set(students) - {one.student for one in session.known}:
            raise DownloadError(f"There is no {', '.join(sorted(unknown))} in {session.folder}.")
        if missing := [student for student, kept in published.items() if kept is None]:
            raise DownloadError(f"{len(missing)} are not graded yet, such as {missing[0]}: `make class` first.")
        self.published = {key: kept for key, kept in published.items() if kept is not None}
        self.now = {one.key: session.conditions.intake(one)[0] for one in session.known}
        self.causes = {key: kept.changed(self.now[key]) for key, kept in self.published.items()}
        self.again = [one for one in session.known if (one.student in students if students else self.causes[one.key])]

    def run(self) -> list[Change]:
        """Grade them again, in the parts that were graded before. The largest change comes first."""
        for one in self.again:
            before = self.published[one.key]
            if one.student in self.students:
                self.store.path(one.key).unlink(missing_ok=True)
            elif self.causes[one.key] == ["points"] and not before.broken:
                self.store.put(one.key, before.repriced(self.now[one.key].depends, self.session.rubric))
        parts = {part for kept in self.published.values() for part in kept.parts} or set(self.session.rubric.parts)
        changes = []
        for kept in self.session.run(self.again, self.store, parts, settled=False):
            before, after = self.session.record(self.published[kept.name]), self.session.record(kept)
            changes.append(change(kept.name, before, after, self.causes[kept.name]))
        return sorted(changes, key=lambda change: (-abs(change.by or 0), change.student))

    def publish(self) -> list[str]:
        """Make the regraded results those of the class. Returns who is not graded."""
        for key in (one.key for one in self.again):
            kept = self.store.get(key)
            if kept is None or kept.found.waiting or kept.changed(self.now[key]) or kept.broken:
                raise DownloadError(f"{key} is not regraded as things stand now: the same without --publish first.")
        for key in (one.key for one in self.again):
            os.replace(self.store.path(key), self.session.kept.path(key))
            self.causes[key] = []
        self.session.outdated = {key: causes for key, causes in self.causes.items() if causes}
        for key in self.published:
            kept = self.session.kept.get(key)
            assert kept is not None  # all of these were read above
            self.session.publish(kept)
        return self.session.finish()


def change(student: str, before: GradeRecord | None, after: GradeRecord | None, causes: Iterable[str]) -> Change:
    """From one record to the next; a record is None where grading broke off.

    causes  of CAUSES; none where it was asked for
    """
    old, new = ({check.id: check for check in made.checks} if made else {} for made in (before, after))
    changed = {}
    for id in dict.fromkeys([*old, *new]):
        first, second = (found[id] if id in found else None for found in (old, new))
        if standing(first) != standing(second):
            changed[id] = f"{describe(first)} → {describe(second)}"
    was, now = (None if made is None or made.ungraded else made.points for made in (before, after))
    return Change(student, was, now, changed, [CAUSES[name] for name in causes] or ["you asked for it"])


def standing(check: CheckResult | None) -> tuple[str, float, float] | None:
    return (check.verdict, check.points, check.max_points) if check else None


def describe(check: CheckResult | None) -> str:
    return f"{check.verdict.replace('_', ' ')} {check.points:g}/{check.max_points:g}" if check else "not run"


def table(changes: Iterable[Change]) -> Table:
    """To be printed: those that change."""
    drawn = Table("Student", "Before", "After", "By", "Checks", "Why it was graded again", box=None, padding=(0, 1))
    for one in changes:
        what = "\n".join(f"{id}: {text}" for id, text in one.checks.items())
        drawn.add_row(one.student, number(one.before), number(one.after), signed(one.by), what, "; ".join(one.causes))
    return drawn


def as_csv(changes: Iterable[Change]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(["student", "before", "after", "by", "checks", "why"])
    for one in changes:
        what = "; ".join(f"{id}: {text}" for id, text in one.checks.items())
        writer.writerow(
            [one.student, number(one.before), number(one.after), signed(one.by), what, "; ".join(one.causes)]
        )
    return text.getvalue()


def number(points: float | None) -> str:
    return "-" if points is None else f"{points:g}"


def signed(points: float | None) -> str:
    return "-" if points is None else f"{points:+g}"
