"""What goes back to platforms, of each student who has feedback (lms/feedback_files.py packs it)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat

from ..grades.exceptions import WITHHELD
from ..grades.sheet import written
from ..lms import feedback_files
from .course import ASSIGNMENT, NOTEBOOK, Course
from .feedback import titles
from .results import summary

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path
    from typing import Any

    from ...rubric import Rubric
    from ..grades.sheet import Grade
    from ..handins.collecting import HandedIn
    from ..lms.feedback_files import Packed


def pack(
    folder: Path, made: Iterable[Grade], handed_in: Iterable[HandedIn], rubric: Rubric, failed: Collection[str] = ()
) -> list[Packed]:
    """Write the zips of a class.

    failed  students whose feedback could not be made: what an earlier run left is not theirs any more
    """
    course = Course(folder)
    grades = {grade.student: grade for grade in made if grade.complete and grade.status != WITHHELD}
    asked = titles(nbformat.read(course.release, 4))

    def page(student: str) -> bytes | None:
        path = course.page(student)
        return path.read_bytes() if student in grades and student not in failed and path.exists() else None

    def results(student: str) -> bytes | None:
        path = course.results(student)
        if student not in grades or grades[student].points is None or not path.exists():
            return None
        told = summary(grades[student], rubric)
        parts = [
            f"{what} {written(points)}" + f" of {written(most)}" * bool(most) for what, points, most in told["lines"]
        ]
        lines = [f"**{written(told['total'])} of {written(told['most'])} points**: {', '.join(parts)}", *told["notes"]]
        report = questions(course, student, asked)
        return feedback_files.gradescope_results(path.read_text(encoding="utf-8"), grades[student], lines, report)

    content = {feedback_files.CANVAS: page, feedback_files.MOODLE: page, feedback_files.GRADESCOPE: results}
    return feedback_files.pack(folder, handed_in, content)


def questions(course: Course, student: str, asked: dict[str, str]) -> list[dict[str, Any]]:
    """The questions of a student's report, in their order, as marked: nothing in them is the student's.

    asked  their names, by id
    """
    with course.gradebook() as gradebook:
        kept = gradebook.find_submission_notebook(NOTEBOOK, ASSIGNMENT, student)
        scores = {grade.name: (grade.score, grade.max_score) for grade in kept.grades}
        comments = {comment.name: comment.comment or "" for comment in kept.comments}
    return [
        {"name": name, "score": scores[id][0], "max_score": scores[id][1], "output": comments.get(id, "")}
        for id, name in asked.items()
        if id in scores
    ]
