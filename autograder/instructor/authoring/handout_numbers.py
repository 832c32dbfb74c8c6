"""The numbers of the handout that a course changes: tables of checks, points of parts, totals, public cases."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING

from ...rubric import BONUS, REPORT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...rubric import Entry, Rubric

HEADING = re.compile(r"## (\d+) (.*) \([^()]*points?[^()]*\)\n")
CHECKS = re.compile(r"(?<=\| check \| title \| points \| section \|\n\|---\|---\|---\|---\|\n)(?:\|.*\n)*")
STUDY = re.compile(r"^(\| (7\.\d) \| .* \|) \S+ \|$", re.MULTILINE)
TOTAL = re.compile(r"\*\*Parts? [^*]* give [^*]* points?[^*]*\.\*\*")
PUBLIC = re.compile(r"(?s)(^### (\d\.\d) [^\n]*\n\n> [^\n]*Public: )\d+(?= )", re.MULTILINE)


def fill(text: str, rubric: Rubric, report: Mapping[str, float], cases: Mapping[str, int]) -> str:
    """The handout with the numbers of a course.

    report  {section: points by hand}
    cases   {section: public answers}
    """
    chapters: dict[str, list[Entry]] = {}
    for entry in rubric.checks.values():
        chapters.setdefault(entry.section.partition(".")[0], []).append(entry)
    kept, anchors = [], {}
    for part in re.split(r"(?m)^(?=## )", text):
        heading = HEADING.match(part)
        if heading and heading[1] in chapters:
            entries = chapters[heading[1]]
            part = CHECKS.sub(lambda _, entries=entries: "".join(map(row, entries)), part, count=1)
            part = renamed(part, heading, worth(entries), anchors)
        elif heading and report:
            on_top = ", bonus" if rubric.counts.get(REPORT) == BONUS else ""
            part = renamed(part, heading, f"{points(sum(report.values()))}, by hand{on_top}", anchors)
        kept.append(part)
    made = STUDY.sub(lambda found: f"{found[1]} {report.get(found[2], 0):g} |", "".join(kept))
    made = TOTAL.sub(lambda _: total(chapters), made)
    made = PUBLIC.sub(lambda found: f"{found[1]}{cases[found[2]]}" if found[2] in cases else found[0], made)
    for before, after in anchors.items():
        made = made.replace(f"](#{before})", f"](#{after})")
    return made


def renamed(part: str, heading: re.Match[str], worth: str, anchors: dict[str, str]) -> str:
    """A chapter under a heading with these points; how links to it change is noted in `anchors`."""
    line = f"## {heading[1]} {heading[2]} ({worth})\n"
    anchors[anchor(heading[0])] = anchor(line)
    return line + part[heading.end() :]


def anchor(line: str) -> str:
    """What a heading is called in links, on GitHub and in handout.html."""
    return re.sub(r"[^\w\- ]", "", line.lstrip("# ").rstrip("\n").lower()).replace(" ", "-")


def row(entry: Entry) -> str:
    return f"| `{entry.id}` | {entry.title} | {entry.points:g} | {entry.section} |\n"


def points(number: float) -> str:
    return f"{number:g} point{'s' * (number != 1)}"


def worth(entries: Iterable[Entry]) -> str:
    """What the checks of a part give."""
    graded, bonus = (sum(entry.points for entry in entries if entry.bonus is kind) for kind in (False, True))
    if not bonus:
        return points(graded)
    return f"{points(graded)}, and {bonus:g} as a bonus" if graded else f"{points(bonus)}, bonus"


def total(chapters: Mapping[str, list[Entry]]) -> str:
    """The sentence that says what there is to earn by programs."""
    graded = [int(number) for number, entries in chapters.items() if any(not entry.bonus for entry in entries)]
    everything = [entry for entries in chapters.values() for entry in entries]
    said = points(sum(entry.points for entry in everything if not entry.bonus))
    more = sum(entry.points for entry in everything if entry.bonus)
    bonus = f", and a bonus of {more:g} comes on top" if more else ""
    runs: list[list[int]] = []
    for number in graded:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    names = [name for run in runs for name in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run))]
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
    return f"**Parts {listed} give {said}{bonus}.**"


def public_cases(recorded: bytes, rubric: Rubric) -> dict[str, int]:
    """{section: how many answers are compared} of the recorded public cases, of checks that are on.

    recorded  the bytes of their file, of which only the names in its header are read
    """
    header = json.loads(recorded[8 : 8 + int.from_bytes(recorded[:8], "little")])
    asked = Counter(key.split("/")[0] for key in header if "/value/" in key)
    cases: Counter[str] = Counter()
    for id, entry in rubric.checks.items():
        cases[entry.section] += asked[id]
    return dict(cases)
