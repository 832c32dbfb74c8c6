"""Grades before the report is marked: what programs graded, which is complete only where there is no report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...rubric import REPORT
from ..grades.exceptions import EXCUSED
from ..grades.sheet import Grade

if TYPE_CHECKING:
    from ...rubric import Rubric
    from ..grades.exceptions import Agreed
    from ..handins.collecting import HandedIn
    from .publishing import Row


def grades(rows: Iterable[Row], class_list: Iterable[HandedIn], rubric: Rubric, terms: Agreed) -> list[Grade]:
    """What everybody in the class has so far."""
    found = {row.student: row for row in rows}
    made = []
    for handed_in in class_list:
        row, own = found[handed_in.student], terms[handed_in.student]
        nothing = handed_in.path is None and not handed_in.waits
        none = 0.0 if nothing and own.status != EXCUSED else None  # points of what was not graded
        known = {} if row.points is None or (nothing and none is None) else row.parts
        parts = {part: known.get(part, none) for part in rubric.parts}
        if rubric.on(REPORT):
            parts[REPORT] = none
        missing = [part for part, points in parts.items() if points is None and not (part == REPORT and nothing)]
        if handed_in.waits:
            missing = ["a hand-in"]
        grade = Grade(handed_in.student, parts, missing=missing)
        made.append(grade.under(own, handed_in.time, rubric.late))
    return made
