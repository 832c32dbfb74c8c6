"""The sheet of grades, grades.csv: what is in it, and its only writer.

A grade without its points by hand is none: its total is left empty. So is that of who is excused, and of whose grade is
withheld.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...files import write
from ...rubric import GRADED, REPORT
from ...text import readable
from ..authoring.course import Course
from .exceptions import EXCUSED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from typing import Any

    from ...rubric import Rubric
    from ..handins.collecting import HandedIn
    from ..handins.roster import Roster
    from .exceptions import Terms


@dataclass
class Grade:
    """What one student gets.

    parts      {part, or REPORT: points, None while they are not known}
    penalty    for lateness
    days_used  late days of the student's budget
    missing    what there are no points for yet
    notes      for staff, of the report and of what is agreed
    status     of exceptions.csv
    rate       percent of all points that lateness takes off
    told       notes for the student
    """

    student: str
    parts: dict[str, float | None]
    penalty: float = 0.0
    days_late: int = 0
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    days_used: int = 0
    status: str = ""
    rate: float = 0.0
    told: list[str] = field(default_factory=list)

    def under(self, terms: Terms, time: datetime | None, late: Mapping[str, Any]) -> Grade:
        """Itself, with days late and status as the student's terms make them.

        time  of the hand-in
        """
        self.status, self.days_late = terms.status, terms.days_late(time, late)
        self.days_used = 0 if self.status == EXCUSED else terms.days_used(self.days_late, late)
        self.rate = 0.0 if self.status == EXCUSED else terms.penalty(100.0, self.days_late, late)
        own = [f"Due {terms.due.isoformat(' ', 'minutes')}."] if terms.due else []
        self.notes += [*own, *[f"Agreed: {terms.note}"] * bool(terms.note)]
        return self

    @property
    def complete(self) -> bool:
        return self.status == EXCUSED or not self.missing

    @property
    def code(self) -> float | None:
        """Points of all parts that programs grade, which are known before the report is marked."""
        return total_of(points for part, points in self.parts.items() if part != REPORT)

    @property
    def points(self) -> float | None:
        """None while anything is missing, and with a status."""
        earned = total_of(self.parts.values())
        return None if self.status or self.missing or earned is None else round(earned - self.penalty, 2)


def total_of(points: Iterable[float | None]) -> float | None:
    """The sum, or None where one is not known."""
    several = list(points)
    known = [each for each in several if each is not None]
    return round(sum(known), 2) if len(known) == len(several) else None


def table(made: Iterable[Grade], handed_in: Iterable[HandedIn], rubric: Rubric, roster: Roster | None = None) -> str:
    """grades.csv as text: a row for everybody, all cells quoted and none a formula."""
    entries = {entry.student: entry for entry in handed_in}
    people = {student.id: student for student in roster.students} if roster else {}
    most = total(rubric)
    head = ["id", "last_name", "first_name", "email", "status", "submitted", "days_late", "late_days_used"]
    head += [*rubric.parts, "code", *[REPORT] * rubric.on(REPORT)]
    head += ["late_penalty", "points", "max_points", "complete", "notes"]
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(head)
    for grade in made:
        entry, person = entries[grade.student], people.get(grade.student)
        names = [person.last_name, person.first_name, person.email] if person else ["", "", ""]
        notes = [] if grade.complete else [f"Waits for {', '.join(grade.missing)}."]
        notes += [f"{entry.place}."] * bool(entry.digest)
        if entry.path and not entry.time and rubric.late["policy"] != "none":
            notes.append("Nobody knows when it was handed in, so it counts as in time.")
        notes += [] if entry.path else [entry.waits or "Nothing was handed in."]
        notes += [*grade.notes, *entry.notes]
        time = entry.time.isoformat() if entry.time else ""
        row = [grade.student, *names, grade.status, time, grade.days_late, grade.days_used]
        row += [written(grade.parts[part]) for part in rubric.parts]
        row += [written(grade.code), *[written(grade.parts.get(REPORT))] * rubric.on(REPORT)]
        row += [written(grade.penalty), written(grade.points), written(most), "yes" if grade.complete else "no"]
        writer.writerow(map(harmless, [*row, " ".join(notes)]))
    return buffer.getvalue()


def total(rubric: Rubric) -> float:
    """The most that can be had: the parts, and the report as its questions say."""
    return rubric.total + (report_points(rubric) if rubric.counts.get(REPORT) == GRADED else 0)


def report_points(rubric: Rubric) -> float:
    """What all questions of the report give together; nothing where there is none."""
    return sum(Course(rubric).report.values()) if rubric.on(REPORT) else 0


def written(points: float | None) -> str:
    return "" if points is None else f"{points:.2f}".rstrip("0").rstrip(".")


def harmless(cell: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = readable(str(cell), limit=None)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) or text != text.strip() else text


def write_sheet(
    folder: Path,
    made: Iterable[Grade],
    handed_in: Iterable[HandedIn],
    rubric: Rubric,
    roster: Roster | None = None,
) -> Path:
    """Write grades.csv of a class folder. Returns its path."""
    path = Path(folder) / "grades.csv"
    write(path, table(made, handed_in, rubric, roster))
    return path
