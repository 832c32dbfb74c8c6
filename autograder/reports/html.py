"""report.html: one self-contained page, for a phone as for a screen, with nothing from the network and no script. It is
laid out in report.html.j2 and report.css; Jinja escapes everything that came from a submission."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from ..language import N_, _, spoken
from ..readback.typeset import mathml
from ..record import BLOCKED, PASSED, UNGRADED, tally
from .pictures import picture

if TYPE_CHECKING:
    from ..record import CheckResult, GradeRecord
    from ..rubric import Rubric

HERE = Path(__file__).parent
MADE_WITH = {  # what GradeRecord.made_with holds
    "kit_version": N_("kit version"),
    "device": N_("device"),
    "box_tier": N_("box tier"),
    "box_not_blocked": N_("box not blocked"),
    "start_method": N_("start method"),
    "hidden_seed": N_("hidden seed"),
}
STYLE = (HERE / "report.css").read_text(encoding="utf-8")


def template(file: Path) -> Template:
    """A page of the kit's, which escapes whatever is put into it."""
    folder = FileSystemLoader(file.parent)
    pages = Environment(loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return pages.get_template(file.name)


def render(record: GradeRecord, rubric: Rubric) -> str:
    """The page."""
    parts: dict[str, list[CheckResult]] = {}
    for check in record.checks:
        parts.setdefault(check.part, []).append(check)
    made_with = [f"{_(MADE_WITH[key])} {value}" for key, value in record.made_with.items() if value or value == 0]
    return template(HERE / "report.html.j2").render(
        _=_,
        language=spoken(),
        record=record,
        rubric=rubric,
        parts=parts,
        made_with=made_with,
        style=Markup(STYLE),
        bar=bar,
        tone=tone,
        tally=tally,
        mathml=lambda formula: Markup(mathml(formula)),
        picture=lambda evidence: Markup(picture(evidence)),
    )


def bar(points: float, most: float) -> Markup:
    return Markup('<div class="bar"><i style="width:{:.0f}%"></i></div>').format(min(100, 100 * points / (most or 1)))


def tone(check: CheckResult) -> str:
    return check.verdict if check.verdict in (PASSED, BLOCKED, UNGRADED) else "failed"
