"""summary.md: the grade on half a page, for the summary of a CI run and for platforms that show Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..language import _

if TYPE_CHECKING:
    from ..record import GradeRecord
    from ..rubric import Rubric

MEANS_SOMETHING = re.compile(r"([\\`*_\[\]#|~$:@])")  # in the middle of a line


def render(record: GradeRecord, rubric: Rubric) -> str:
    """The text of summary.md: the total, then a table with a row per check."""
    name = plain(record.submission)
    total = _("{name}: {record.points:g} of {record.max_points:g} points", name=name, record=record)
    lines = [f"## {total}", "", head(record), ""]
    names = " | ".join((_("handout"), _("check"), _("points"), _("verdict")))
    lines += [f"| {names} | |", "|---|---|---:|---|---|"]
    for check in record.checks:
        cells = (rubric.checks[check.id].section, check.title, f"{check.points:g}/{check.max_points:g}")
        cells += (check.in_words, " ".join((check.message, *check.formulas, check.hint)))
        lines.append(f"| {' | '.join(map(plain, cells))} |")
    return "\n".join(lines) + "\n"


def head(record: GradeRecord) -> str:
    """What to do next, how far this grade is the last word, and the notes about what was handed in."""
    ahead = [f"**{plain(record.next)}**", ""] if record.next else []
    return "\n".join([*ahead, plain(record.state), *(f"\n- {plain(note)}" for note in record.notes)])


def plain(text: str) -> str:
    """Text that may come from a submission, on one line and without any meaning as Markdown or HTML."""
    text = MEANS_SOMETHING.sub(r"\\\1", " ".join(text.split()))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
