"""What the reporter of GitHub Classroom reads (classroom-resources/autograding-grading-reporter, src/main.js): JSON, in
base64 in the environment, as each of its own runners hands it on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ...record import PASSED

if TYPE_CHECKING:
    from ...record import GradeRecord
    from ...rubric import Rubric


def render(record: GradeRecord, rubric: Rubric) -> str:
    """Points for each check, whatever the exit status: its runners know all or nothing. Without a score there are no
    points to add up: max_score is 0 and each score too, and the status is "error"."""
    scored = not record.ungraded
    passed = all(check.verdict == PASSED for check in record.checks)
    tests = [
        {
            "name": f"{check.section} {check.title}".strip(),
            "status": "pass" if check.verdict == PASSED else "fail",
            "score": check.points if scored else 0,
            "message": check.output,
            "test_code": "",
            "filename": "",
            "line_no": 0,
            "duration": round(1000 * check.seconds),
        }
        for check in record.checks
    ]
    status = "error" if not scored else "pass" if passed else "fail"
    return json.dumps({"version": 1, "status": status, "max_score": record.max_points if scored else 0, "tests": tests})
