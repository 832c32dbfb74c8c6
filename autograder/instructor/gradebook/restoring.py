"""What a student handed in, as it may be shown and graded: the notebook that was handed out, with the student's answers
and own cells put back.

Every cell that nbgrader knows is there once, in its place and as it was handed out, whatever became of it. Of a student
come text, plain output and pictures, and no metadata; how text is shown, so that nothing in it acts, is told in
rendering.py. Doing it twice changes nothing.
"""

from __future__ import annotations

import ast
import base64
import binascii
import copy
import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_solution
from traitlets import Unicode

from ...intake.handin import STUBS
from ...text import readable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from nbformat import NotebookNode

MADE_FROM = "made_from"  # in the metadata of an autograded notebook: digests of what it was made from
WAITS = "report_waits"  # in that of one that stands for none: why the real one cannot be marked, or ""
LONG = 20_000  # characters of a cell that nobody takes for a comment

MAX_CELLS = 1_000
MAX_TEXT = 100_000  # characters of a cell or an output
ANSWERED = re.compile(r"[^\W_]")


def restore(notebook: NotebookNode, master: NotebookNode) -> NotebookNode:
    """The notebook `master` with what counts of a student's `notebook`, both of version 4. Raises ValueError for one
    that is too long."""
    if len(notebook.cells) > MAX_CELLS:
        raise ValueError(f"it has {len(notebook.cells)} cells; {MAX_CELLS} is the most that is shown")
    known = {id: cell for cell in master.cells if (id := grade_id(cell))}
    mine, others, previous = {}, {}, None
    for cell in notebook.cells:
        id = handed_out_id(cell, known)
        if id is None:
            others.setdefault(previous, []).append(own(cell))
            continue
        original = known[id]
        if id not in mine:
            previous, mine[id] = id, cell
            if not is_solution(original) and words(cell) != words(original):  # somebody wrote into the question
                others.setdefault(id, []).append(own(cell))
        elif is_solution(original) and not is_answered(mine[id], original.source):
            mine[id] = cell  # of several copies the first that says something
        elif is_answered(cell, original.source):
            others.setdefault(previous, []).append(own(cell))
    cells = others.pop(None, [])
    for id, original in known.items():
        cell = copy.deepcopy(original)
        if is_solution(original) and id in mine:
            answer(cell, mine[id], stub=original.source)
        cells += [cell, *others.get(id, [])]
    for number, cell in enumerate(cells):
        cell["id"] = f"c{number}"
    made = copy.deepcopy(master)
    made.cells = cells
    return made


def of_the_student(made: NotebookNode) -> list[NotebookNode]:
    """The cells of a restored notebook in which a student's text stands."""
    return [cell for cell in made.cells if is_solution(cell) or grade_id(cell) is None]


def handed_out_id(cell: NotebookNode, known: Mapping[str, NotebookNode]) -> str | None:
    """The id of the handed-out cell that a student's cell is. Some editors lose the metadata, but not the id of the
    cell itself."""
    return next((id for id in (grade_id(cell), cell.get("id")) if id in known), None)


def words(cell: NotebookNode) -> str:
    return " ".join(str(cell.source).split())


def is_answered(cell: NotebookNode, stub: str = "") -> bool:
    """Whether more stands in a cell than what is handed out, in any language."""
    source = str(cell.source)
    for given in (stub, *STUBS.values()):
        source = source.replace(given, "")
    return bool(ANSWERED.search(source) or cell.get("attachments"))


def elsewhere(notebook: NotebookNode, master: NotebookNode) -> bool:
    """Whether a restored notebook holds text of the student's in a cell that nobody asked for: an answer that stands in
    the wrong place, perhaps."""
    seen = {words(each) for cell in master.cells for each in (cell, own(cell))}
    seen |= {words(cell) for cell in notebook.cells if grade_id(cell)}
    return any(not grade_id(cell) and words(cell) not in seen and says(cell) for cell in notebook.cells)


def says(cell: NotebookNode) -> bool:
    """Whether a cell holds words: also one of code that is nothing but comments, or no Python."""
    source = str(cell.source)
    if cell.cell_type != "code":
        return bool(ANSWERED.search(source) or cell.get("attachments"))
    source = re.sub(r"(?m)^[ \t]*[%!].*$", "", source)
    try:
        body = ast.parse(source).body if len(source) < LONG else []
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    texts = all(isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant) for each in body)
    return texts and bool(ANSWERED.search(source))


def empty(master: NotebookNode, note: str) -> NotebookNode:
    """The notebook for a student of whom there is none, with the reason on top."""
    return restore(nbformat.v4.new_notebook(cells=[new_markdown_cell(note)]), master)


def digest(notebook: NotebookNode) -> str:
    """What tells a restored notebook from another."""
    return hashlib.sha256(json.dumps(notebook.cells, sort_keys=True).encode()).hexdigest()[:16]


def grade_id(cell: NotebookNode) -> str | None:
    entry = cell.get("metadata", {}).get("nbgrader")
    id = entry.get("grade_id") if isinstance(entry, dict) else None
    return id if isinstance(id, str) else None


def answer(cell: NotebookNode, student: NotebookNode, stub: str) -> None:
    """Put a student's text into an answer cell; one that says nothing is the untouched one, which nbgrader gives 0."""
    text(cell, student)
    if not is_answered(cell, stub):
        cell.source = stub


def own(cell: NotebookNode) -> NotebookNode:
    """A cell of the student's own, or a copy: code, text, plain output and pictures stay."""
    if cell.cell_type != "code":
        return text(new_markdown_cell(), cell)
    return new_code_cell(student_text(cell.source), outputs=list(filter(None, map(output, cell.get("outputs", [])))))


def output(made: NotebookNode) -> NotebookNode | None:
    """An output with nothing in it but plain text or a picture; None for any other."""
    if made.output_type == "stream":
        return new_output("stream", name="stdout", text=student_text(made.text))
    if made.output_type == "error":
        return new_output("stream", name="stdout", text=student_text(f"{made.ename}: {made.evalue}"))
    data = made.get("data", {})
    found = pictures(data) or {"text/plain": student_text(data.get("text/plain", ""))}
    return new_output("display_data", data=found) if any(found.values()) else None


def text(cell: NotebookNode, student: NotebookNode) -> NotebookNode:
    """Give a cell the student's text, and the pictures that were pasted into it."""
    pasted = {name: pictures(data) for name, data in (student.get("attachments") or {}).items()}
    pasted = {name: data for name, data in pasted.items() if data and re.fullmatch(r"[\w.-]+", name)}
    if pasted:
        cell.attachments = pasted
    cell.source = student_text(student.source)
    return cell


def student_text(text: object) -> str:
    """A student's text, fit to be read anywhere and not longer than anybody reads."""
    return readable(str(text), limit=MAX_TEXT, lines=True)


def pictures(data: Mapping[str, Any]) -> dict[str, str]:
    """The pictures in a dictionary of representations, with their base64 written anew."""
    found = {}
    for kind in ("image/png", "image/jpeg"):
        try:
            if kind in data:
                found[kind] = base64.b64encode(base64.b64decode(data[kind], validate=False)).decode()
        except (binascii.Error, TypeError, ValueError):
            continue
    return found


class RestoreCells(NbGraderPreprocessor):
    """restore() where nbgrader sanitizes, so for whatever came into submitted/."""

    release = Unicode(help="nbgrader's folder of what was handed out, with checksums.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        known = resources["nbgrader"]
        path = Path(str(self.release), known["assignment"], f"{known['notebook']}.ipynb")
        made = restore(nb, nbformat.read(path, 4))
        made.metadata[MADE_FROM] = {"notebook": digest(made), "waits": nb.metadata.get(WAITS)}
        return made, resources
