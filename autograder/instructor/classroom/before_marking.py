"""Grades before the report is marked: what programs graded, which is complete only where there is no report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...rubric import REPORT
from ..grades import lateness
from ..grades.sheet import Grade

if TYPE_CHECKING:
    from ...rubric import Rubric
    from ..handins.collecting import HandedIn
    from ..handins.roster import Roster
    from .publishing import Row


def grades(rows: Iterable[Row], class_list: Iterable[HandedIn], rubric: Rubric, roster: Roster | None) -> list[Grade]:
    """What everybody in the class has so far.

    roster  for extensions
    """
    found = {row.student: row for row in rows}
    extensions = {student.id: student.extension_days for student in roster.students} if roster else {}
    made = []
    for handed_in in class_list:
        row = found[handed_in.student]
        nothing = handed_in.path is None and not handed_in.waits
        parts = {
            part: None if row.points is None else row.parts.get(part, 0.0 if nothing else None) for part in rubric.parts
        }
        if rubric.on(REPORT):
            parts[REPORT] = 0.0 if nothing else None
        missing = [part for part, points in parts.items() if points is None]
        if handed_in.waits:
            missing = ["a hand-in"]
        grade = Grade(handed_in.student, parts, missing=missing)
        grade.days_late = lateness.days_late(handed_in.time, extensions.get(handed_in.student, 0), rubric.late)
        if grade.points is not None:
            grade.penalty = lateness.penalty(grade.points, grade.days_late, rubric.late)
        made.append(grade)
    return made
