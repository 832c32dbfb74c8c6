"""class/viva/<student>.html: five questions and their answers, for an assistant. It opens without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from ...readback.typeset import mathml
from ...record import PASSED
from ...reports.html import STYLE, template
from ...text import readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .desk import Desk
    from .question import Question

HERE = Path(__file__).parent
SHOWN = 6  # checks that are named


def render(desk: Desk, questions: Sequence[Question]) -> str:
    """The page of one student."""
    return template(HERE / "page.html.j2").render(
        student=desk.student,
        standing=standing(desk),
        questions=questions,
        faults=[readable(fault, limit=300) for fault in desk.faults],
        kind=lambda part: type(part).__name__,
        mathml=lambda formula: Markup(mathml(formula)),
        code=marked,
        style=Markup(STYLE + (HERE / "page.css").read_text(encoding="utf-8")),
    )


def standing(desk: Desk) -> str:
    """In a few words, where this student stands."""
    record = desk.record or desk.lab.record
    lost = [check.id for check in record.checks if check.verdict != PASSED]
    which = "" if desk.record else " in the exact parts, public cases"
    few = f"{', '.join(lost[:SHOWN])}{' ...' if len(lost) > SHOWN else ''}"
    return f"{record.points:g} of {record.max_points:g} points{which}; {f'not passed: {few}' if lost else 'all pass'}."


def marked(text: str) -> Markup:
    """Text with what stands between backticks as code."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:  # one of them is the student's own
        return Markup("{}").format(text)
    return Markup("").join(Markup("<code>{}</code>").format(piece) if n % 2 else Markup("{}").format(piece)
                           for n, piece in enumerate(pieces))  # fmt: skip
