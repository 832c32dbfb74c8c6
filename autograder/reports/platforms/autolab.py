"""What Autolab reads at the end of an autograder's output (docs.autolabproject.com, "Guide for Lab Authors" and
"Formatted Feedback"): a line that lays the checks out, then the autoresult with the points of each part."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ...record import PASSED, UNGRADED

if TYPE_CHECKING:
    from ...record import GradeRecord
    from ...rubric import Rubric


def render(record: GradeRecord, rubric: Rubric) -> str:
    """Two lines, or three. The names of the parts are those of the problems of the lab in Autolab."""
    stages: dict[str, dict[str, Any]] = {}
    points: dict[str, float] = {}
    for check in record.checks:
        entry: dict[str, Any] = {"passed": check.verdict == PASSED}
        if check.verdict not in (PASSED, UNGRADED):
            entry["hint"] = " ".join((check.message, *check.formulas, check.hint)).strip()
        name = rubric.parts[check.part]
        stages.setdefault(name, {})[f"{check.section} {check.title}".strip()] = entry
        points[name] = points.get(name, 0) + check.points
    presentation = json.dumps({"_presentation": "semantic", "stages": list(stages), **stages})
    if record.ungraded:
        return f"{record.state}\n{presentation}\n{not_graded(rubric)}"
    return f"{presentation}\n{json.dumps({'scores': points, 'scoreboard': [record.points]})}\n"


def not_graded(rubric: Rubric) -> str:
    """The autoresult of a grade without a score. Autolab turns a missing one into zeros; null it leaves open."""
    return json.dumps({"scores": dict.fromkeys(rubric.parts.values())}) + "\n"
