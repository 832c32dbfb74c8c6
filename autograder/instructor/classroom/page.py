"""index.html: the class on one page, for staff. It opens from a folder, without a network, and names everybody: it is
never handed to a student. What stands on it is found here; page.html.j2 lays it out, and Jinja escapes all of it."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from markupsafe import Markup

from ...diagnosis import Mistake, catalogue
from ...record import CRASHED, OVER_LIMIT, PASSED, TIMED_OUT, VERDICTS
from ...reports.html import STYLE, bar, template
from .publishing import ungraded

if TYPE_CHECKING:
    from ...rubric import Entry, Rubric
    from ..handins.collecting import ClassList
    from .publishing import Row

HERE = Path(__file__).parent
BINS, WIDTH, HEIGHT = 20, 720, 150
SLOW, NOTICED = 3, 20  # times the median, and seconds at least
ENDS = {
    "died": "ended its process",
    "output": "printed too much",
    "scratch": "wrote too much",
    "memory": "needed too much memory",
    "timed_out": "did not end in time",
    "nonsense": "sent what is no result",
}


@dataclass
class Bin:
    """Students whose points lie in one stretch of the scale, as a bar of a picture.

    start, reach  where it begins, and all of it as a text
    """

    start: float
    reach: str
    count: int
    x: float
    y: float
    width: float
    height: float


@dataclass
class Line:
    """One student in the table of all.

    words       what the filter looks for
    has_report  whether there is a report to link to
    numbers     points in all and of each part, seconds of grading
    """

    student: str
    words: str
    has_report: bool
    numbers: list[float | None]
    remarks: str


def render(
    rows: Sequence[Row], rubric: Rubric, outdated: Container[str] = (), class_list: ClassList | None = None
) -> str:
    """The page as text.

    rows        in the order of names
    outdated    students whose grade is of another kit, submission, points or seed than the present one
    class_list  for where every file of the download went
    """
    handed_in = [row for row in rows if row.verdicts and "nothing was handed in" not in row.why]
    scored = [row for row in handed_in if row.points is not None]
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    most = max((row.max_points for row in scored), default=0)
    return template(HERE / "page.html.j2").render(
        numbers=numbers(rows, handed_in, scored),
        class_list=class_list,
        to_settle=to_settle(class_list) if class_list is not None else [],
        most=most,
        bins=bins([row.points for row in scored if row.points is not None], most),
        width=WIDTH,
        height=HEIGHT,
        checks=[per_check(handed_in, entry) for entry in rubric.checks.values()],
        mistakes=mistakes(rows),
        to_look_at=to_look_at(rows, outdated),
        columns={"total": "Total", **rubric.parts, "seconds": "Seconds of grading"},
        everybody=[line(row, rubric) for row in rows],
        made_with=made_with(rows),
        style=Markup(STYLE + style),
        script=Markup(script),
        bar=bar,
        quote=quote,
    )


def numbers(rows: Sequence[Row], handed_in: Sequence[Row], scored: Sequence[Row]) -> dict[str, int | str]:
    """What stands in large figures above all."""
    shown: dict[str, int | str] = {"handed in": len(handed_in)}
    shown["nothing handed in"] = len(rows) - len(handed_in) - sum(not row.verdicts for row in rows)
    shown["not graded"] = sum(ungraded(row) for row in rows)
    if scored:
        points = [row.points for row in scored if row.points is not None]
        shown |= {"mean": f"{statistics.mean(points):.1f}", "median": f"{statistics.median(points):g}"}
        shown["all points"] = sum(row.points is not None and row.points >= row.max_points for row in scored)
        shown["parts or cases missing"] = sum(not row.complete for row in scored)
    return shown


def to_settle(class_list: ClassList) -> list[tuple[str, str, str]]:
    """(file or stranger, what it is, why) of what a person has to settle."""
    kinds = {
        "stranger": class_list.strangers,
        "not understood": class_list.unread,
        "in doubt": class_list.doubts,
    }
    return [(name, what, why) for what, several in kinds.items() for name, why in several.items()]


def made_with(rows: Iterable[Row]) -> str:
    """With what grades were made, each as often as it was."""
    kinds = Counter(
        ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in row.made_with.items() if value)
        for row in rows
        if row.made_with.get("box_tier")
    )
    return "; ".join(f"{kind} ({count} students)" for kind, count in kinds.most_common())


def bins(scores: Sequence[float], most: float) -> list[Bin]:
    """How many students have how many points, up to `most` or to what a bonus made of it; none where nobody has a
    score."""
    most = max([most, *scores])
    counts = Counter(min(int(BINS * points / most), BINS - 1) for points in scores)
    step, made = WIDTH / BINS, []
    for n in range(BINS) if scores else ():
        height = (HEIGHT - 34) * counts[n] / max(counts.values())
        start, end, last = most * n / BINS, most * (n + 1) / BINS, "]" if n == BINS - 1 else ")"
        reach = f"[{start:g}, {end:g}{last}"
        made.append(Bin(start, reach, counts[n], n * step + 2, HEIGHT - 18 - height, step - 4, height))
    return made


def per_check(rows: Sequence[Row], entry: Entry) -> tuple[Entry, int, int, dict[str, int]]:
    """(a check, how many passed it, of how many, {verdict: how many lost it so})."""
    verdicts = Counter(row.verdicts[entry.id] for row in rows if entry.id in row.verdicts)
    lost = {verdict: verdicts[verdict] for verdict in VERDICTS if verdict != PASSED and verdicts[verdict]}
    return entry, verdicts[PASSED], sum(verdicts.values()), lost


def mistakes(rows: Iterable[Row]) -> list[tuple[Mistake, list[str], list[str]]]:
    """(a known mistake, who made it, the checks where it was seen), by how many made it: what to say in the next
    lecture."""
    # {mistake: {student: checks}}
    made: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for check, id in row.mistakes.items():
            made[id][row.student].append(check)
    known, order = catalogue(), list(catalogue())
    return [
        (known[id], list(who), list(dict.fromkeys(check for checks in who.values() for check in checks)))
        for id, who in sorted(made.items(), key=lambda item: (-len(item[1]), order.index(item[0])))
    ]


def to_look_at(rows: Sequence[Row], outdated: Container[str]) -> list[tuple[str, str, str]]:
    """(student, what, facts) of what a person should look at, most pressing first."""
    lines = [(row, "not graded", row.why) for row in rows if ungraded(row)]
    lines += [(row, "nothing was run", row.why) for row in rows if row.why and not ungraded(row)]
    lines += [(row, "the box refused", ", ".join(row.denied)) for row in rows if row.denied]
    lines += [
        (row, "unusual ends", ", ".join(f"{ENDS.get(why, why)} ({count})" for why, count in row.endings.items()))
        for row in rows
        if row.endings
    ]
    usual = statistics.median([row.seconds for row in rows if row.seconds] or [0])
    slow = sorted((row for row in rows if row.seconds > max(NOTICED, SLOW * usual)), key=lambda row: -row.seconds)
    lines += [(row, "slow", f"{row.seconds:.0f} s; the median is {usual:.1f} s") for row in slow]
    lines += [
        (row, "points by hand", "; ".join(f"{id}: {why}" for id, why in row.by_hand.items()))
        for row in rows
        if row.by_hand
    ]
    lines += [
        (row, "graded before a change", "`make regrade` shows what it comes to")
        for row in rows
        if row.student in outdated
    ]
    return [(row.student, what, why) for row, what, why in lines]


def line(row: Row, rubric: Rubric) -> Line:
    lost = {id: verdict for id, verdict in row.verdicts.items() if verdict != PASSED}
    # Each ends with a semicolon, for the page's own links: some names begin like others.
    words = [f"{word};" for word in (row.student, *(f"{id}:{end}" for id, end in lost.items()), *row.mistakes.values())]
    numbers = [row.points, *(row.parts.get(part) for part in rubric.parts), row.seconds and round(row.seconds, 1)]
    return Line(row.student, " ".join([*words, remarks(row)]), bool(row.verdicts), numbers, remarks(row))


def remarks(row: Row) -> str:
    """In a few words, what is not ordinary about this student's grade."""
    counts = Counter(row.verdicts.values())
    said = [
        f"{counts[verdict]} {verdict.replace('_', ' ')}"
        for verdict in (CRASHED, TIMED_OUT, OVER_LIMIT)
        if counts[verdict]
    ]
    said += ["the box refused something"] * bool(row.denied) + ["points by hand"] * bool(row.by_hand)
    said += [] if row.complete or ungraded(row) else ["not complete"]
    why = [f"not graded: {row.why}"] if ungraded(row) else [row.why] * bool(row.why)
    told = [", ".join(why + said), *row.notes]
    return " ".join(filter(None, told))
