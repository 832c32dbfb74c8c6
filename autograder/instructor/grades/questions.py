"""The questions of the report before anybody has marked it: what the answers in a notebook can give at most."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING

from ...intake.submission import REPORT
from ...paths import ASSIGNMENT

if TYPE_CHECKING:
    from typing import Any

ANSWERED = re.compile(r"[^\W_]")


def possible(raw: bytes) -> float:
    """The most that can be given for a notebook: nothing for a question that is left as it was handed out. All points
    for one that holds text in cells of its own, as an answer may stand there, and for one that cannot be read here."""
    points, handed_out = questions()
    try:
        cells = [(names(cell), text(cell)) for cell in json.loads(raw)["cells"]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return sum(points.values())
    if any(ANSWERED.search(words) and not handed_out.keys() & ids for ids, words in cells):
        return sum(points.values())
    said = {id: [words.replace(handed_out[id], "") for ids, words in cells if id in ids] for id in points}
    return sum(points[id] for id, several in said.items() if not several or any(map(ANSWERED.search, several)))


@cache
def questions() -> tuple[dict[str, float], dict[str, str]]:
    """({question: its points}, {id: text} of all cells) of the notebook that was handed out."""
    cells = json.loads((ASSIGNMENT / REPORT).read_text(encoding="utf-8"))["cells"]
    known = [cell["metadata"].get("nbgrader", {}) for cell in cells]
    points = {each["grade_id"]: float(each["points"]) for each in known if each.get("solution")}
    return points, {id: text(cell) for cell in cells for id in names(cell)}


def names(cell: dict[str, Any]) -> set[str]:
    """The ids of a cell: some editors lose one, some the other."""
    ids = (cell.get("id"), (cell.get("metadata") or {}).get("nbgrader", {}).get("grade_id"))
    return {id for id in ids if isinstance(id, str)}


def text(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])
