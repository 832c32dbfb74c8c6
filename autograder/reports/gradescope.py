"""results.json in Gradescope's format (gradescope-autograders.readthedocs.io, "Output format")."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..language import _
from ..record import PASSED
from . import markdown

if TYPE_CHECKING:
    from ..record import CheckResult, GradeRecord
    from ..rubric import Rubric


def render(record: GradeRecord, rubric: Rubric) -> str:
    """The text of results.json. A record with an ungraded check carries no score at all: a platform that sums up the
    rest would turn a fault of ours into points lost."""
    scored = not record.ungraded
    results = {
        "score": record.points,
        "max_score": record.max_points,
        "execution_time": round(record.seconds, 3),
        "output": markdown.head(record),
        "output_format": "md",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": rubric.gradescope["visibility"],
        "stdout_visibility": "hidden",
        "tests": [test(number, check, scored) for number, check in enumerate(record.checks, 1)],
        "extra_data": {
            "complete": record.complete,
            "provisional": record.provisional,
            "points": record.points,
            **record.made_with,
            "runs": record.runs,
        },
    }
    standing = {name: number for check in record.checks for name, number in check.standing.items()}
    if standing:
        names = {name: _("Frechet distance, {steps}", steps=_(name)) for name in standing}
        told = [{"name": names[name], "value": standing[name], "order": "asc"} for name in standing]
        results["leaderboard"] = told
    if not scored:
        del results["score"]
    return json.dumps(results, indent=1, allow_nan=False) + "\n"


def test(number: int, check: CheckResult, scored: bool) -> dict[str, Any]:
    """The entry of a check, numbered from 1."""
    entry: dict[str, Any] = {
        "number": str(number),
        "name": check.title,
        "score": check.points,
        "max_score": check.max_points,
        "status": "passed" if check.verdict == PASSED else "failed",
        "output": check.output,
        "extra_data": {
            "id": check.id,
            "part": check.part,
            "verdict": check.verdict,
            "mistake": check.mistake,
            **({"reads": check.reads} if check.reads else {}),
            "points": check.points,
            **({"bonus": True} if check.bonus else {}),
            "seconds": round(check.seconds, 3),
            **({"facts": check.facts} if check.facts else {}),
        },
    }
    if not scored:
        del entry["score"]
    return entry
