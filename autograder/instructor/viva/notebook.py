"""What a student answered in the report, and what the report's cells put out. Runs in the room of intake/parsing.py."""

from __future__ import annotations

import re

import nbformat
from nbgrader.utils import is_solution

from ..gradebook import restoring
from ..gradebook.course import quiet
from ..handins.notebooks import read_notebook

QUESTION = re.compile(r"\*\*(?:Question|问题) (\d+)")
KINDS = ("text/markdown", "text/plain")
LONG = 2_000  # lines of output that are looked at


@quiet()
def answers(raw: bytes, handed_out: str) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """({id of an answer: (number of the question, what was written)}, the lines that cells put out) of a notebook, and
    of the one that was handed out. Raises Unreadable, and whatever nbformat does."""
    notebook, master = read_notebook(raw), nbformat.reads(handed_out, 4)
    written = {restoring.grade_id(cell): cell.source for cell in restoring.restore(notebook, master).cells}
    found, question = {}, ""
    for cell in master.cells:
        id, asked = restoring.grade_id(cell), QUESTION.match(cell.source)
        question = asked[1] if asked else question
        if id and is_solution(cell) and written.get(id, cell.source) != cell.source:
            found[id] = question, written[id]
    lines = [line for cell in notebook.cells for made in cell.get("outputs", []) for line in put_out(made)]
    return found, lines[:LONG]


def put_out(made: nbformat.NotebookNode) -> list[str]:
    """The lines of one output."""
    if made.output_type == "stream":
        return restoring.student_text(made.text).split("\n")
    data = made.get("data", {})
    return restoring.student_text(next((data[kind] for kind in KINDS if kind in data), "")).split("\n")
