"""report.html: one self-contained page, for a phone as for a screen, with nothing from the network and no script."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ..readback.typeset import mathml
from ..record import BLOCKED, PASSED, UNGRADED
from .pictures import picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..record import CheckResult, GradeRecord
    from ..rubric import Rubric

STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1c2024; --dim: #5f6b76; --line: #d9dee3; --card: #f6f8fa;
  --good: #0b6e4f; --bad: #b3261e; --hint: #fff4d6; --yours: #c2410c; --expected: #1d4ed8; }
@media (prefers-color-scheme: dark) { :root { --back: #14171a; --text: #e6e9ec; --dim: #9aa5b1; --line: #343a41;
  --card: #1d2126; --good: #4cc38a; --bad: #ff8a80; --hint: #3a3016; --yours: #fb923c; --expected: #8ab4ff; } }
body { margin: 0 auto; max-width: 46rem; padding: 1rem; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.3rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; display: flex; gap: 1rem; }
h2 span, .points { margin-left: auto; white-space: nowrap; }
.total { font-size: 2rem; font-weight: 700; margin: .2rem 0; }
.dim, figcaption { color: var(--dim); font-size: .85rem; }
.bar { height: .4rem; border-radius: .2rem; background: var(--line); overflow: hidden; }
.bar i { display: block; height: 100%; background: var(--good); }
.check { border: 1px solid var(--line); border-left: .3rem solid var(--bad); border-radius: .4rem; margin: .6rem 0;
  padding: .6rem .8rem; background: var(--card); } .check.passed { border-left-color: var(--good); }
.check.blocked, .check.ungraded { border-left-color: var(--dim); }
.head { display: flex; gap: .6rem; align-items: baseline; } .head b { flex: 1; font-weight: 600; }
.verdict { color: var(--bad); white-space: nowrap; }
.passed .verdict { color: var(--good); } .blocked .verdict { color: var(--dim); }
p { margin: .4rem 0; }
.hint { background: var(--hint); border-radius: .3rem; padding: .5rem .7rem; white-space: pre-line; }
.computes { border-left: .2rem solid var(--yours); padding-left: .7rem; }
math { font-size: 1.1em; }
pre { overflow: auto; max-height: 14rem; background: var(--back); border: 1px solid var(--line);
  padding: .5rem; font-size: .8rem; }
figure { margin: .6rem 0 0; } svg { width: 100%; height: auto; background: var(--back); border-radius: .3rem; }
.panels { display: flex; gap: .8rem; } .panels figure { flex: 1; }
polyline { fill: none; stroke-width: 2; } polyline.expected { stroke: var(--expected); }
polyline.yours { stroke: var(--yours); stroke-dasharray: 6 4; } line { stroke: var(--line); stroke-width: 2; }
span.expected { color: var(--expected); } span.yours { color: var(--yours); }
img.drawn { width: 100%; max-width: 26rem; image-rendering: pixelated; border-radius: .3rem; }
circle.right { fill: none; stroke: var(--good); stroke-width: 2; } path.wrong { stroke: var(--bad); stroke-width: 2.5; }
"""


def render(record: GradeRecord, rubric: Rubric) -> str:
    """The page. Everything that came from a submission is escaped."""
    parts = dict.fromkeys(check.part for check in record.checks)
    body = "".join(part(rubric, name, [check for check in record.checks if check.part == name]) for name in parts)
    notes = "".join(f'<p class="dim">{escape(note)}</p>' for note in record.notes)
    ahead = f"<p><b>{escape(record.next)}</b></p>" if record.next else ""
    made_with = {key.replace("_", " "): str(value) for key, value in record.made_with.items() if value or value == 0}
    made = ", ".join(f"{escape(key)} {escape(value)}" for key, value in made_with.items())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(record.submission)}: {record.points:g} of {record.max_points:g}</title><style>{STYLE}</style></head>
<body><header><h1>{escape(record.submission)}</h1>
<p class="total">{record.points:g} of {record.max_points:g} points</p>{bar(record.points, record.max_points)}
{ahead}<p class="dim">{escape(record.state)}</p>{notes}</header>
{body}<footer><p class="dim">Graded with: {made}</p></footer></body></html>
"""


def part(rubric: Rubric, name: str, checks: Sequence[CheckResult]) -> str:
    points, most = sum(check.points for check in checks), sum(check.max_points for check in checks)
    cards = "".join(card(check, rubric.checks[check.id].section) for check in checks)
    title = escape(rubric.parts[name])
    return f"<section><h2>{title}<span>{points:g}/{most:g}</span></h2>{bar(points, most)}{cards}</section>\n"


def bar(points: float, most: float) -> str:
    return f'<div class="bar"><i style="width:{100 * points / (most or 1):.0f}%"></i></div>'


def card(check: CheckResult, section: str) -> str:
    tone = check.verdict if check.verdict in (PASSED, BLOCKED, UNGRADED) else "failed"
    lines = [
        f'<article class="check {tone}" id="{check.id}"><div class="head"><b>{escape(check.title)}</b>'
        f'<span class="verdict">{check.verdict.replace("_", " ")}</span>'
        f'<span class="points">{check.points:g}/{check.max_points:g}</span></div>'
    ]
    if check.message:
        detail = f' <span class="dim">({escape(check.detail)})</span>' if check.detail else ""
        lines.append(f"<p>{escape(check.message)}{detail}</p>")
    if check.computes:
        lines.append(f'<div class="computes">{"".join(map(computed, check.computes))}</div>')
    if check.hint:
        lines.append(f'<p class="hint">{escape(check.hint)}</p>')
    if check.evidence:
        lines.append(picture(check.evidence))
    if check.picture:
        drawn = f"data:image/png;base64,{escape(check.picture)}"
        lines.append(f'<figure><img class="drawn" src="{drawn}" alt="digits from your sampler"></figure>')
    if check.verdict != PASSED:
        lines.append(f'<p class="dim">{check.id}, handout {section}</p>')
    if check.printed:
        lines.append(f"<details><summary class='dim'>Printed</summary><pre>{escape(check.printed)}</pre></details>")
    return "".join(lines) + "</article>\n"


def computed(line: Sequence[str]) -> str:
    """One line of what was read of the student's code: an equation, text, or both. See CheckResult.computes."""
    formula, text = line
    return f"<p>{mathml(formula) if formula else ''}{escape(text)}</p>"
