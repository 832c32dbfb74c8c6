"""The marking guide, where the grader looks: below each question, on formgrader's page and nowhere else.

It is put in when formgrader renders a submission and is never written to a file. Feedback is rendered by the same class
of nbconvert, also from formgrader's own button, so both ends look: the guide is shown only to what asks as formgrader
asks, and no feedback is made of a notebook that holds a line of it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import nbformat
from nbformat.v4 import new_markdown_cell
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_solution

from ...paths import ROOT
from ...rubric import Rubric
from ..authoring.course import NOTEBOOK, Course
from .rendering import OURS
from .restoring import grade_id

if TYPE_CHECKING:
    from typing import Any

    from nbformat import NotebookNode

MARK = "For staff only"


@cache
def guide() -> dict[str, str]:
    """{id of an answer: sample answer, marking guide and common wrong answer, as Markdown}."""
    text = (ROOT / "solution" / NOTEBOOK).read_text(encoding="utf-8")
    notebook = nbformat.reads(Course(Rubric.load()).notebook(text), 4)
    answers = [(grade_id(cell), cell.source) for cell in notebook.cells if is_solution(cell)]
    return {id: "\n".join(source.splitlines()[1:-1]) for id, source in answers if id}


@cache
def lines() -> set[str]:
    """What may stand in no feedback: every line of the guide that is long enough to be told from a student's words."""
    found = {line.strip() for text in guide().values() for line in text.splitlines()}
    return {line for line in found if len(line) > 25} | {MARK}


class ShowGuide(NbGraderPreprocessor):
    """Before formgrader renders a submission."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        if "submission_id" not in resources or "nbgrader" in resources:  # not formgrader's page
            return nb, resources
        cells = []
        for cell in nb.cells:
            id = grade_id(cell)
            if is_solution(cell) and id in guide():
                box = f'<div class="alert alert-warning"><b>{MARK}.</b>\n\n{guide()[id]}\n\n</div>'
                cells.append(new_markdown_cell(box, metadata={OURS: True}))
            cells.append(cell)
        nb.cells = cells
        return nb, resources


class RefuseGuide(NbGraderPreprocessor):
    """Last before feedback is rendered. A student who wrote such a line would have to know the guide."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        text = "\n".join(str(cell) for cell in nb.cells)
        shown = [line for line in lines() if line in text or re.sub(r"\\", r"\\\\", line) in text]
        if shown:
            raise RuntimeError(f"This would tell students a line of the marking guide: {shown[0][:60]}")
        return nb, resources
