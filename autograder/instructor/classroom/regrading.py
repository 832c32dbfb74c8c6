"""Regrading: who changes by how much, and why, before anything is published."""

import csv
import io
import os
from dataclasses import dataclass

from rich.table import Table

from ..handins.platforms import DownloadError
from .keeping import Shelf

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
    checks: dict
    causes: list

    @property
    def by(self):
        return None if None in (self.before, self.after) else self.after - self.before


class Regrade:
    """Who is to be graded again, apart from what is published.

    session   a Session that was entered
    students  these alone, changed or not; by default all of whom something changed
    again     [HandedIn] of those
    Raises DownloadError.
    """

    def __init__(self, session, students=()):
        self.session, self.students = session, students
        self.shelf = Shelf(session.folder / "regraded")
        self.published = {one.student: session.kept.get(one.student) for one in session.known}
        if unknown := set(students) - self.published.keys():
            raise DownloadError(f"There is no {', '.join(sorted(unknown))} in {session.folder}.")
        if missing := [student for student, kept in self.published.items() if kept is None]:
            raise DownloadError(f"{len(missing)} are not graded yet, such as {missing[0]}: `make class` first.")
        self.now = {one.student: session.conditions.intake(one)[0] for one in session.known}
        self.causes = {student: kept.changed(self.now[student]) for student, kept in self.published.items()}
        wanted = set(students) or {student for student, causes in self.causes.items() if causes}
        self.again = [one for one in session.known if one.student in wanted]

    def run(self):
        """Grade them again, in the parts that were graded before. Returns a Change for each, the largest first."""
        for student in (one.student for one in self.again):
            before = self.published[student]
            if student in self.students:
                self.shelf.path(student).unlink(missing_ok=True)
            elif self.causes[student] == ["points"] and not before.broken:
                self.shelf.put(student, before.repriced(self.now[student].depends, self.session.rubric))
        parts = {part for kept in self.published.values() for part in kept.parts} or set(self.session.rubric.parts)
        changes = []
        for kept in self.session.run(self.again, self.shelf, parts, settled=False):
            before, after = self.session.record(self.published[kept.name]), self.session.record(kept)
            changes.append(change(kept.name, before, after, self.causes[kept.name]))
        return sorted(changes, key=lambda change: (-abs(change.by or 0), change.student))

    def publish(self):
        """Make the regraded results those of the class. Returns who is not graded."""
        for student in (one.student for one in self.again):
            kept = self.shelf.get(student)
            unfinished = kept is None or kept.found.waiting
            if unfinished or kept.changed(self.now[student]) or kept.broken:
                raise DownloadError(f"{student} is not regraded as things stand now: the same without --publish first.")
        for student in (one.student for one in self.again):
            os.replace(self.shelf.path(student), self.session.kept.path(student))
            self.causes[student] = []
        for student in self.published:
            self.session.publish(self.session.kept.get(student))
        return self.session.finish({student for student, causes in self.causes.items() if causes})


def change(student, before, after, causes):
    """The Change from one record to the next; a record is None where grading broke off."""
    old, new = ({check.id: check for check in made.checks} if made else {} for made in (before, after))
    changed = {}
    for id in dict.fromkeys([*old, *new]):
        first, second = (found[id] if id in found else None for found in (old, new))
        if standing(first) != standing(second):
            changed[id] = f"{describe(first)} → {describe(second)}"
    points = (None if made is None or made.ungraded else made.points for made in (before, after))
    return Change(student, *points, changed, [CAUSES[name] for name in causes] or ["you asked for it"])


def standing(check):
    return check and (check.verdict, check.points, check.max_points)


def describe(check):
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
