"""Points from the grade records, where nbgrader would run a notebook and look at what its cells put out.

nbgrader gives all points to a cell whose output it does not understand, so nothing is left to that: a number from a
record goes into the gradebook as it is, after it was looked at, and what has no number stays open.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from nbformat.v4 import new_output
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import determine_grade, is_grade, is_solution
from traitlets import Unicode

from ...record import UNGRADED
from ...rubric import Rubric
from . import late
from .course import PART, results
from .restoring import MADE_FROM, elsewhere, grade_id

if TYPE_CHECKING:
    from typing import Any

    from nbformat import NotebookNode
    from nbgrader.api import Comment
    from nbgrader.api import Grade as CellGrade


class RecordError(ValueError):
    """A results.json that cannot be believed, for this reason."""


@dataclass
class Part:
    """What a record says of one part: points, None where they are not known; the most that its checks give; of both,
    what comes on top as a bonus, None where nothing can; lines for staff and student."""

    points: float | None = None
    most: float = 0.0
    extra: float | None = None
    lines: list[str] = field(default_factory=lambda: ["Not graded yet."])


def read(path: Path) -> dict[str, Part]:
    """The parts in a results.json in Gradescope's format. Raises FileNotFoundError and RecordError."""
    try:
        results = json.loads(Path(path).read_text(encoding="utf-8"))
        provisional, scored = results["extra_data"]["provisional"], "score" in results
        parts = {}
        for test in results["tests"]:
            facts = test["extra_data"]
            points = number(facts["points"], test["max_score"])
            part = parts.setdefault(facts["part"], Part(0.0, lines=[]))
            bonus = facts.get("bonus", False)
            part.most += 0 if bonus else test["max_score"]
            if bonus:
                part.extra = (part.extra or 0.0) + points
            if part.points is not None:
                unknown = provisional or (facts["verdict"] == UNGRADED and not scored)
                part.points = None if unknown else part.points + (0 if bonus else points)
            told = f"\n{test['output']}".replace("\n", "\n    ").rstrip()
            verdict = facts["verdict"].replace("_", " ")
            part.lines.append(f"{points:g}/{test['max_score']:g}  {test['name']}: {verdict}{told}")
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RecordError(f"{path} is no results.json of this kit ({type(error).__name__}: {error})") from None
    if provisional:
        for part in parts.values():
            part.lines.insert(0, "Provisional: the hidden cases were not run.")
    return parts


def number(points: Any, most: float) -> float:
    if isinstance(points, bool) or not (math.isfinite(points) and 0 <= points <= most):
        raise RecordError(f"{points!r} points of {most!r}")
    return float(points)


class ExternalScores(NbGraderPreprocessor):
    """The points of each part into its locked cell and the gradebook. An answer waits for points by hand. An untouched
    one gets 0, unless the student wrote something elsewhere, or the notebook could not be read."""

    folder = Unicode(help="The folder of the class.").tag(config=True)
    release = Unicode(help="nbgrader's folder of what was handed out.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        known = resources["nbgrader"]
        folder = Path(str(self.folder))
        path = results(folder, known["student"])
        parts = read(path) if path.exists() else {}
        made_from = nb.metadata.setdefault(MADE_FROM, {})
        made_from["results"] = digest(path)
        master = nbformat.read(Path(str(self.release), known["assignment"], f"{known['notebook']}.ipynb"), 4)
        if made_from.get("waits") is None and elsewhere(nb, master):
            made_from["elsewhere"] = True
        rubric = Rubric.load()
        with Gradebook(known["db_url"]) as gradebook:
            submission = gradebook.find_submission(known["assignment"], known["student"])
            notebook = next(each for each in submission.notebooks if each.name == known["notebook"])
            grades = {grade.name: grade for grade in notebook.grades}
            comments = {comment.name: comment for comment in notebook.comments}
            for cell in filter(is_grade, nb.cells):
                id = grade_id(cell)
                assert id is not None  # nbgrader has none without
                if is_solution(cell):
                    answer(cell, grades[id], comments[id], made_from.get("waits") or "elsewhere" in made_from)
                else:
                    name = id.removeprefix(PART)
                    cell.source = f"# {rubric.parts[name]}: graded by the autograder"
                    locked(cell, grades[id], parts.get(name, Part()))
            gradebook.db.flush()
            late.settle(submission, late.terms_of(submission, folder, rubric.late), rubric.late)
            gradebook.db.commit()
        return nb, resources


def digest(path: Path) -> str:
    """What tells a results.json from another; "" for none."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else ""


def answer(cell: NotebookNode, grade: CellGrade, comment: Comment, look: str | bool) -> None:
    grade.auto_score, _ = determine_grade(cell)
    if look:  # for an answer that this cell does not show
        grade.auto_score = None
    untouched = grade.auto_score is not None
    comment.auto_comment = "No response." if untouched else None
    # As nbgrader does it: whoever gave points by hand looks again, as the answer may be another one.
    grade.needs_manual_grade = not untouched or grade.manual_score is not None


def locked(cell: NotebookNode, grade: CellGrade, part: Part) -> None:
    points, lines = part.points, part.lines
    if points is not None and not math.isclose(part.most, cell.metadata.nbgrader["points"]):
        points, lines = None, ["Graded by another rubric or in part; grade it again.", *lines]
    cell.outputs = [new_output("stream", name="stdout", text="\n".join(lines) + "\n")]
    if points is not None:
        cell.outputs.append(new_output("execute_result", data={"text/plain": repr(points)}, execution_count=1))
        if part.extra is not None:
            grade.extra_credit = part.extra  # nbgrader's own word for what comes on top
    grade.auto_score = points
    grade.needs_manual_grade = points is None and grade.manual_score is None
