"""What INGInious keeps of a run (docs.inginious.org, "inginious_container_api"): result, grade in per cent, and a text
in reStructuredText, each handed over by a command in the container."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from ...language import _

if TYPE_CHECKING:
    from ...record import GradeRecord
    from ...rubric import Rubric

MEANS_SOMETHING = re.compile(r"([\\`*_|<>:])")


def render(record: GradeRecord, rubric: Rubric) -> str:
    """{"result", "grade", "text"}. A record without a score is a "crash", for which INGInious keeps the best grade of
    before."""
    lines = [f"**{plain(record.next)}**", ""] if record.next else []
    lines += [plain(record.state), "", *(f"- {plain(note)}" for note in record.notes), ""]
    lines += [".. list-table::", "", *cells([_("check"), _("points"), _("verdict"), ""])]
    for check in record.checks:
        said = " ".join((check.message, *check.formulas, check.hint))
        points = f"{check.points:g}/{check.max_points:g}"
        lines += cells([f"{check.section} {check.title}", points, check.in_words, said])
    found = {"result": "success" if record.points >= record.max_points else "failed"}
    if record.ungraded:
        return json.dumps({"result": "crash", "text": "\n".join(lines)})
    grade = 100 * record.points / record.max_points if record.max_points else 0
    return json.dumps(found | {"grade": min(100.0, round(grade, 2)), "text": "\n".join(lines)})


def cells(texts: list[str]) -> list[str]:
    """A row of a list-table."""
    first, *others = (plain(text) for text in texts)
    return [f"   * - {first}", *(f"     - {text}".rstrip() for text in others)]


def plain(text: str) -> str:
    """Text that may come from a submission, on one line and without any meaning in reStructuredText."""
    return MEANS_SOMETHING.sub(r"\\\1", " ".join(text.split()))
