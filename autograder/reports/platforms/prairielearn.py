"""PrairieLearn's results.json (docs.prairielearn.com, "External Grading", "Grading results")."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...record import CheckResult, GradeRecord
    from ...rubric import Rubric

MOST = 1_000_000  # bytes that PrairieLearn takes
LONGEST = 4000  # letters of one output, where all of them would be too many


def render(record: GradeRecord, rubric: Rubric) -> str:
    """The text of results.json: a score from 0 to 1, with every check as a test. Not gradable costs no attempt."""
    for longest in (None, LONGEST, 0):
        text = json.dumps(results(record, longest), allow_nan=False) + "\n"
        if len(text) <= MOST:  # json.dumps writes ASCII, so these are bytes
            break
    return text


def results(record: GradeRecord, longest: int | None) -> dict[str, Any]:
    """longest  how much of each output is kept; None for all, 0 for no pictures either"""
    if record.ungraded:
        return {"gradable": False, "format_errors": [record.state, *record.notes]}
    shown = [{"label": each.title, "url": png(each.picture)} for each in record.shown if each.picture]
    return {
        "gradable": True,
        "score": min(1.0, record.points / record.max_points) if record.max_points else 0.0,
        "message": " ".join([record.next, record.state, *record.notes]).strip(),
        "images": shown if longest != 0 else [],
        "tests": [test(check, longest) for check in record.checks],
    }


def test(check: CheckResult, longest: int | None) -> dict[str, Any]:
    """The entry of a check. PrairieLearn shows points only where each test has both."""
    return {
        "name": f"{check.section} {check.title}".strip(),
        "description": check.id,
        "points": check.points,
        "max_points": check.max_points,
        "message": check.in_words,
        "output": check.output[:longest],
        "images": [{"label": check.title, "url": png(check.picture)}] if check.picture and longest != 0 else [],
    }


def png(picture: str) -> str:
    return f"data:image/png;base64,{picture}"
