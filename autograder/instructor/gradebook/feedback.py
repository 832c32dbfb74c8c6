"""The page that a student gets, one file for all: what was earned, the comments first, then the report question by
question, then what report.html says of the code. It needs no network and no script, and fits a phone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from markupsafe import Markup
from nbgrader.utils import is_solution

from ...language import _, spoken
from ...reports.html import STYLE, template
from ..grades.sheet import written
from . import rendering
from .course import ASSIGNMENT, NOTEBOOK
from .restoring import grade_id, is_answered, of_the_student

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from nbformat import NotebookNode

    from .course import Course

HERE = Path(__file__).parent
NAME = re.compile(r"\*\*((?:Question|问题) \d+)\b[^*]*\*\*")
HEADING = re.compile(r"(?m)^#+ +(?:\d+ +)?(.+)$")


@dataclass
class Question:
    """One question of the report, and what became of it; asked, answer, comment and beside are HTML.

    beside    what the student wrote in cells of their own after it
    answered  whether the answer says anything
    """

    id: str
    title: str
    points: float
    most: float
    asked: Markup
    answer: Markup
    comment: Markup | None
    answered: bool
    beside: list[Markup]


def render(course: Course, student: str, grade: Mapping[str, Any]) -> str:
    """The page as text.

    grade  plain data of a Grade: lines (what, points) of the sum; total, most; notes
    """
    asked = questions(course, student)
    code = course.results(student).with_name("report.html")
    body = code.read_text(encoding="utf-8") if code.exists() else ""
    return template(HERE / "feedback.html.j2").render(
        _=_,
        language=spoken(),
        student=student,
        grade=grade,
        questions=asked,
        comments=[question for question in asked if question.comment],
        number=written,
        code=Markup(body.partition("</header>")[2].rpartition("<footer>")[0]),
        style=Markup(STYLE + (HERE / "feedback.css").read_text(encoding="utf-8")),
    )


def questions(course: Course, student: str) -> list[Question]:
    """The questions of the report in order, from the notebook as it was restored, and the gradebook."""
    notebook = nbformat.read(course.autograded(student), 4)
    with course.gradebook() as gradebook:
        kept = gradebook.find_submission_notebook(NOTEBOOK, ASSIGNMENT, student)
        scores = {grade.name: (grade.score, grade.max_score) for grade in kept.grades}
        comments = {comment.name: comment.manual_comment for comment in kept.comments}
    theirs, named = of_the_student(notebook), titles(notebook)
    made: list[Question] = []
    before = ""
    for cell in notebook.cells:
        id = grade_id(cell)
        if id and is_solution(cell):
            told = comments.get(id)
            comment = shown(told) if told else None
            made.append(Question(
                id, named[id], *scores[id], shown(before), of(cell), comment, is_answered(cell), beside=[]
            ))  # fmt: skip
        elif cell.cell_type == "markdown" and cell in theirs and made:
            made[-1].beside.append(of(cell))
        elif cell.cell_type == "markdown":
            before = str(cell.source)
    return made


def titles(notebook: NotebookNode) -> dict[str, str]:
    """{id of a question: its name and the heading above it}, of a notebook as it was handed out."""
    theirs, named = of_the_student(notebook), {}
    before, heading = "", ""
    for cell in notebook.cells:
        id = grade_id(cell)
        if id and is_solution(cell):
            name = NAME.search(before)
            named[id] = ", ".join(filter(None, [name[1] if name else id, heading]))
        elif cell.cell_type == "markdown" and cell not in theirs:
            before = str(cell.source)
            heading = found[-1] if (found := HEADING.findall(before)) else heading
    return named


def of(cell: NotebookNode) -> Markup:
    return Markup(rendering.html(str(cell.source), cell.get("attachments"), draw=True))


def shown(text: str) -> Markup:
    return Markup(rendering.html(text, draw=True))
