"""The sheet of grades, grades.csv: what is in it, and its only writer.

A grade without its points by hand is none: its total is left empty.
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

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...rubric import Rubric
    from ..handins.collecting import HandedIn
    from ..handins.roster import Roster


@dataclass
class Grade:
    """What one student gets.

    parts    {part, or REPORT: points, None while they are not known}
    penalty  for lateness
    missing  what there are no points for yet
    notes    for staff, of the report
    """

    student: str
    parts: dict[str, float | None]
    penalty: float = 0.0
    days_late: int = 0
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return not self.missing

    @property
    def points(self) -> float | None:
        """None while anything is missing."""
        if not self.complete:
            return None
        return round(sum(self.parts.values()) - self.penalty, 2)  # pyrefly: ignore[no-matching-overload]


def table(made: Iterable[Grade], handed_in: Iterable[HandedIn], rubric: Rubric, roster: Roster | None = None) -> str:
    """grades.csv as text: a row for everybody, all cells quoted and none a formula."""
    entries = {entry.student: entry for entry in handed_in}
    people = {student.id: student for student in roster.students} if roster else {}
    most = total(rubric)
    head = [
        "id",
        "last_name",
        "first_name",
        "email",
        "submitted",
        "days_late",
        *rubric.parts,
        *[REPORT] * rubric.on(REPORT),
    ]
    head += ["late_penalty", "points", "max_points", "complete", "notes"]
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(head)
    for grade in made:
        entry, person = entries[grade.student], people.get(grade.student)
        names = [person.last_name, person.first_name, person.email] if person else ["", "", ""]
        notes = [f"Waits for {', '.join(grade.missing)}."] if grade.missing else []
        if entry.path and not entry.time and rubric.late["policy"] != "none":
            notes.append("Nobody knows when it was handed in, so it counts as in time.")
        notes += [*grade.notes, *entry.notes] if entry.path else [entry.waits or "Nothing was handed in.", *entry.notes]
        time = entry.time.isoformat() if entry.time else ""
        row = [grade.student, *names, time, grade.days_late]
        row += [written(points) for points in grade.parts.values()]
        row += [written(grade.penalty), written(grade.points), written(most), "yes" if grade.complete else "no"]
        writer.writerow(map(harmless, [*row, " ".join(notes)]))
    return buffer.getvalue()


def total(rubric: Rubric) -> float:
    """The most that can be had: the parts, and the report as its questions say."""
    return rubric.total + (sum(Course(rubric).report.values()) if rubric.counts.get(REPORT) == GRADED else 0)


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
