"""The grading worksheet that Moodle gives for one assignment, filled with the grades of a class. A line is known by its
participant's number, which stands in the names of the files that were handed in; all other cells stay as they are, as
Moodle tells by one of them whether somebody else has graded since."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from ..grades.sheet import written
from ..handins import tables
from . import LMSError
from .feedback_files import MOODLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..grades.sheet import Grade
    from ..handins.collecting import HandedIn

GRADE = "Grade"  # the column's name, where Moodle speaks English
MOST = "maximum grade"


def fill(
    path: Path, column: str | None, made: Sequence[Grade], handed_in: Sequence[HandedIn]
) -> tuple[str, dict[str, str], list[str]]:
    """Fill the grades into a worksheet. Returns (the file as text, {participant: why no points were written}, ids that
    have points and no line in the file).

    column  of the grades; GRADE by default
    Raises LMSError and TableError.
    """
    table, wanted = tables.read(path), column or GRADE
    if wanted not in table.head:
        raise LMSError(
            f"{path}, line 1: there is no column {wanted!r}. Columns: {', '.join(table.head) or 'none'}; in another "
            "language than English say which one: COLUMN=name"
        )
    at = table.head.index(wanted)
    most = next((n for n, name in enumerate(table.head) if name.casefold() == MOST), None)
    numbers: dict[str, list[str]] = {}
    for entry in handed_in:
        if entry.platform == MOODLE and not entry.stranger:
            numbers.setdefault(entry.reference, []).append(entry.student)
    if not numbers:
        raise LMSError(f"Nothing in this class was collected from Moodle, so {path} cannot be told whose its lines are")
    grades = {grade.student: grade for grade in made}
    left, met = {}, set()
    for line, cells in table.rows:
        participant = cells[0].strip()  # Participant 1234
        students = numbers.get(participant[len(participant.rstrip(string.digits)) :], [])
        if len(students) != 1:
            left[cells[0]] = f"stands for {' and '.join(students)}" if students else "nothing was handed in"
            continue
        (student,) = students
        met.add(student)
        grade = grades[student]
        if grade.points is None:
            left[cells[0]] = f"{student}: {grade.status or 'the grade is not complete'}"
            continue
        limit = cells[most].strip().replace(",", ".") if most is not None else ""
        if limit.replace(".", "", 1).isdigit() and grade.points > float(limit):
            where = table.where(line, table.head[most or 0])
            raise LMSError(
                f"{where}: {student} has {written(grade.points)} points, and Moodle passes over what is above {limit}. "
                "Raise it there, and download the worksheet again"
            )
        cells[at] = written(grade.points)
    lost = [id for id, grade in grades.items() if grade.points is not None and id not in met]
    return table.text(), left, [id for id in lost if id in {each for ids in numbers.values() for each in ids}]
