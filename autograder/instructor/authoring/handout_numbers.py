"""The numbers of the handout that a course changes: tables of checks, points of parts, totals, public cases."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING

from ...rubric import BONUS, REPORT
from .wording import WORDINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...rubric import Entry, Rubric
    from .wording import Run, Wording

ROW = re.compile(r"^\| `([a-z_]+\.[a-z_]+)` \| (.*?) \| ", re.MULTILINE)  # a check, what it is called
STUDY = re.compile(r"^(\| (7\.\d) \| .* \|) \S+ \|$", re.MULTILINE)


def fill(text: str, rubric: Rubric, report: Mapping[str, float], cases: Mapping[str, int], lang: str = "en") -> str:
    """The handout with the numbers of a course.

    report  {section: points by hand}
    cases   {section: public answers}
    lang    in which it is written
    """
    say = WORDINGS[lang]
    checks = re.compile(rf"(?<={re.escape(say.table)}\n\|---\|---\|---\|---\|\n)(?:\|.*\n)*")
    chapters: dict[str, list[Entry]] = {}
    for entry in rubric.checks.values():
        chapters.setdefault(entry.section.partition(".")[0], []).append(entry)
    called, kept, anchors = dict(ROW.findall(text)), [], {}

    def row(entry: Entry) -> str:
        title = say.title(entry, called.get(entry.id, entry.title))
        return f"| `{entry.id}` | {title} | {entry.points:g} | {entry.section} |\n"

    for part in re.split(r"(?m)^(?=## )", text):
        heading = say.heading.match(part)
        if heading and heading[1] in chapters:
            entries = chapters[heading[1]]
            part = checks.sub(lambda _, entries=entries: "".join(map(row, entries)), part, count=1)
            part = renamed(part, heading, say.chapter(heading[1], heading[2], say.worth(*sums(entries))), anchors)
        elif heading and report:
            worth = say.by_hand(sum(report.values()), rubric.counts.get(REPORT) == BONUS)
            part = renamed(part, heading, say.chapter(heading[1], heading[2], worth), anchors)
        kept.append(part)
    made = STUDY.sub(lambda found: f"{found[1]} {report.get(found[2], 0):g} |", "".join(kept))
    made = say.total.sub(lambda _: total(chapters, say), made)
    made = say.public.sub(lambda found: f"{found[1]}{cases[found[2]]}" if found[2] in cases else found[0], made)
    for before, after in anchors.items():
        made = made.replace(f"](#{before})", f"](#{after})")
    return made


def renamed(part: str, heading: re.Match[str], line: str, anchors: dict[str, str]) -> str:
    """A chapter under another heading; how links to it change is noted in `anchors`."""
    anchors[anchor(heading[0])] = anchor(line)
    return line + part[heading.end() :]


def anchor(line: str) -> str:
    """What a heading is called in links, on GitHub and in handout.html."""
    return re.sub(r"[^\w\- ]", "", line.lstrip("# ").rstrip("\n").lower()).replace(" ", "-")


def sums(entries: Iterable[Entry]) -> tuple[float, float]:
    """What these checks give, and as a bonus."""
    graded, bonus = (sum(entry.points for entry in entries if entry.bonus is kind) for kind in (False, True))
    return graded, bonus


def total(chapters: Mapping[str, list[Entry]], say: Wording) -> str:
    """The sentence that says what there is to earn by programs."""
    graded = [int(number) for number, entries in chapters.items() if any(not entry.bonus for entry in entries)]
    runs: list[Run] = []
    for number in graded:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = runs[-1][0], number
        else:
            runs.append((number, number))
    return say.sentence(runs, *sums([entry for entries in chapters.values() for entry in entries]))


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
