"""Points from the grade records, where nbgrader would run a notebook and look at what its cells put out.

nbgrader gives all points to a cell whose output it does not understand, so nothing is left to that: a number from a
record goes into the gradebook as it is, after it was looked at, and what has no number stays open.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

from nbformat.v4 import new_output
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import determine_grade, is_grade, is_solution
from traitlets import Unicode

from ...record import UNGRADED
from ...rubric import Rubric
from . import late
from .course import PART
from .restoring import MADE_FROM, grade_id


class RecordError(ValueError):
    """A results.json that cannot be believed, for this reason."""


@dataclass
class Part:
    """What a record says of one part: points, None where it is not graded in full; lines for staff and student."""

    points: float | None
    lines: list


def read(path):
    """{part: Part} of a results.json in Gradescope's format. Raises FileNotFoundError and RecordError."""
    try:
        results = json.loads(Path(path).read_text(encoding="utf-8"))
        provisional, scored = results["extra_data"]["provisional"], "score" in results
        parts = {}
        for test in results["tests"]:
            facts = test["extra_data"]
            points = number(facts["points"], test["max_score"])
            part = parts.setdefault(facts["part"], Part(0.0, []))
            if part.points is not None:
                unknown = provisional or (facts["verdict"] == UNGRADED and not scored)
                part.points = None if unknown else part.points + points
            told = f"\n{test['output']}".replace("\n", "\n    ").rstrip()
            verdict = facts["verdict"].replace("_", " ")
            part.lines.append(f"{points:g}/{test['max_score']:g}  {test['name']}: {verdict}{told}")
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RecordError(f"{path} is no results.json of this kit ({type(error).__name__}: {error})") from None
    if provisional:
        for part in parts.values():
            part.lines.insert(0, "Provisional: the hidden cases were not run.")
    return parts


def number(points, most):
    if isinstance(points, bool) or not (math.isfinite(points) and 0 <= points <= most):
        raise RecordError(f"{points!r} points of {most!r}")
    return float(points)


class ExternalScores(NbGraderPreprocessor):
    """The points of each part into its locked cell and the gradebook; an answer waits for points by hand, but for an
    untouched one, which gets 0."""

    results = Unicode(help="The folder with a folder for each student, and results.json in it.").tag(config=True)

    def preprocess(self, nb, resources):
        known = resources["nbgrader"]
        path = Path(self.results) / known["student"] / "results.json"
        parts = read(path) if path.exists() else {}
        nb.metadata.setdefault(MADE_FROM, {})["results"] = digest(path)
        with Gradebook(known["db_url"]) as gradebook:
            submission = gradebook.find_submission(known["assignment"], known["student"])
            notebook = next(each for each in submission.notebooks if each.name == known["notebook"])
            grades = {grade.name: grade for grade in notebook.grades}
            comments = {comment.name: comment for comment in notebook.comments}
            for cell in filter(is_grade, nb.cells):
                id = grade_id(cell)
                if is_solution(cell):
                    answer(cell, grades[id], comments[id])
                else:
                    part = parts.get(id.removeprefix(PART), Part(None, ["Not graded yet."]))
                    locked(cell, grades[id], part)
            gradebook.db.flush()
            late.settle(submission, Rubric.load().late)
            gradebook.db.commit()
        return nb, resources


def digest(path):
    """What tells a results.json from another; "" for none."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else ""


def answer(cell, grade, comment):
    grade.auto_score, _ = determine_grade(cell)
    untouched = grade.auto_score is not None
    comment.auto_comment = "No response." if untouched else None
    # As nbgrader does it: whoever gave points by hand looks again, as the answer may be another one.
    grade.needs_manual_grade = not untouched or grade.manual_score is not None


def locked(cell, grade, part):
    number(part.points or 0.0, float(cell.metadata.nbgrader["points"]))
    cell.outputs = [new_output("stream", name="stdout", text="\n".join(part.lines) + "\n")]
    if part.points is not None:
        cell.outputs.append(new_output("execute_result", data={"text/plain": repr(part.points)}, execution_count=1))
    grade.auto_score = part.points
    grade.needs_manual_grade = part.points is None and grade.manual_score is None
