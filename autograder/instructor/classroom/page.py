"""index.html: the class on one page, for staff. It opens from a folder, without a network, and names everybody: it is
never handed to a student. What stands on it is found here; page.html.j2 lays it out, and Jinja escapes all of it."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from ...diagnosis import Mistake, catalogue
from ...files import write
from ...intake.submission import REPORT as NOTEBOOK
from ...record import PASSED, VERDICTS
from ...reports.html import STYLE, bar, template
from ...rubric import REPORT
from ..grades import lateness
from ..grades.exceptions import EXCUSED, WITHHELD
from ..grades.sheet import Grade, report_points
from ..store import Store
from .lines import Line, line, refusal
from .publishing import Row, ungraded

if TYPE_CHECKING:
    from ...rubric import Entry, Rubric
    from ..handins.collecting import ClassList
    from ..handins.roster import Roster

HERE = Path(__file__).parent
SHOWN = ".page"  # in the folder of the class
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
class Shown:
    """What a run found, kept for the commands after it that write the page anew."""

    rows: list[Row]
    outdated: list[str] = field(default_factory=list)


def show(
    folder: Path, rubric: Rubric, class_list: ClassList, roster: Roster | None, made: Iterable[Grade],
    shown: Shown | None = None,
) -> None:  # fmt: skip
    """Write index.html of a class.

    made   grades of everybody, as they are known now
    shown  what a run found just now; by default what the last one did, and no page where there was none
    """
    kept = Store(folder, Shown)
    if shown:
        kept.put(SHOWN, shown)
    elif not (shown := kept.get(SHOWN)):
        return
    grades = {grade.student: grade for grade in made}
    rows = [row for row in shown.rows if row.student in grades]
    write(folder / "index.html", render(rows, rubric, shown.outdated, class_list, roster, grades, folder))


def render(
    rows: Sequence[Row],
    rubric: Rubric,
    outdated: Container[str] = (),
    class_list: ClassList | None = None,
    roster: Roster | None = None,
    grades: Mapping[str, Grade] | None = None,
    folder: Path | None = None,
) -> str:
    """The page as text.

    rows        in the order of names
    outdated    students whose grade is of another kit, submission, points or seed than the present one
    class_list  for where every file of the download went
    roster      for names
    grades      for lateness, the report and the total
    folder      of the class, where the page will lie; for links to what was handed in
    """
    handed_in = [row for row in rows if row.verdicts and "nothing was handed in" not in row.why]
    scored = [row for row in handed_in if row.points is not None]
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    most = max((row.max_points for row in scored), default=0)
    people = roster.ids if roster else {}
    entries = {entry.student: entry for entry in class_list or ()}
    everybody = {
        id: line(row, rubric, people.get(id), entries.get(id), (grades or {}).get(id), folder)
        for row in rows
        for id in [row.student]
    }
    return template(HERE / "page.html.j2").render(
        title=title(rows, class_list),
        numbers=numbers(rows, handed_in, scored, to_mark(everybody.values()) if grades else None),
        late=lateness.in_words(rubric.late) if lateness.due(rubric.late) else "",
        due=lateness.due(rubric.late),
        class_list=class_list,
        to_settle=to_settle(class_list) if class_list is not None else [],
        most=most,
        most_report=report_points(rubric),
        bins=bins([row.points for row in scored if row.points is not None], most),
        width=WIDTH,
        height=HEIGHT,
        checks=[per_check(handed_in, entry) for entry in rubric.checks.values()],
        mistakes=mistakes(rows),
        contest=contest(rows),
        to_look_at=to_look_at(rows, outdated, class_list.waiting if class_list is not None else ()),
        parts=rubric.parts,
        graded=grades is not None,
        everybody=everybody,
        made_with=made_with(rows),
        style=Markup(STYLE + style),
        script=Markup(script),
        bar=bar,
    )


def title(rows: Sequence[Row], class_list: ClassList | None) -> str:
    strangers = sum(entry.stranger for entry in class_list or ())
    also = f" and {strangers} stranger{'s' * (strangers > 1)}" if strangers else ""
    return f"The class: {len(rows) - strangers} students{also}"


def numbers(
    rows: Sequence[Row], handed_in: Sequence[Row], scored: Sequence[Row], to_mark: int | None
) -> dict[str, int | str]:
    """What stands in large figures above all."""
    shown: dict[str, int | str] = {"handed in": len(handed_in)}
    nothing = [row for row in rows if row.verdicts and row not in handed_in]
    shown["handed in nothing"] = sum(row.status != EXCUSED for row in nothing)
    shown["not graded"] = sum(ungraded(row) for row in rows)
    for status in (EXCUSED, WITHHELD):
        if count := sum(row.status == status for row in rows):
            shown[status] = count
    if to_mark is not None:
        shown["reports to mark"] = to_mark
    if scored:
        points = [row.points for row in scored if row.points is not None]
        shown |= {"mean, for code": f"{statistics.mean(points):.1f}", "median": f"{statistics.median(points):g}"}
        shown["all points"] = sum(row.points is not None and row.points >= row.max_points for row in scored)
        shown["parts or cases missing"] = sum(not row.complete for row in scored)
    return shown


def to_mark(everybody: Iterable[Line]) -> int:
    """How many reports are there and have no points yet."""
    there = [line.grade for line in everybody if line.grade and NOTEBOOK in line.files]
    return sum(grade.status != EXCUSED and grade.parts.get(REPORT, 0) is None for grade in there)


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
    most = max([most, *scores]) or 1  # where nothing gives points, all have all of them
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


def contest(rows: Sequence[Row]) -> dict[str, list[tuple[str, float]]]:
    """{name of a number: (student, number), the least first} of those who took part."""
    names = dict.fromkeys(name for row in rows for name in row.standing)
    by = {name: [(row.student, row.standing[name]) for row in rows if name in row.standing] for name in names}
    return {name: sorted(those, key=lambda one: one[1]) for name, those in by.items()}


def to_look_at(
    rows: Sequence[Row], outdated: Container[str], waiting: Container[str] = ()
) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """{what a person should look at: {why: [(student, more about this one)]}}, most pressing first.

    waiting  students of whom nothing is known, who are told of elsewhere
    """
    found: defaultdict[str, defaultdict[str, list[tuple[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if ungraded(row) and row.student not in waiting:
            found["not graded"][row.why].append((row.student, ""))
    for row in rows:
        if row.why and not ungraded(row) and row.status != EXCUSED:
            found["nothing was run"][refusal(row) or row.why].append((row.student, ""))
    for row in rows:
        for note in row.denied:
            found["the box refused"][note].append((row.student, ""))
    for row in rows:
        for why, count in row.endings.items():
            found["unusual ends"][ENDS.get(why, why)].append((row.student, f"{count} times" if count > 1 else ""))
    usual = statistics.median([row.seconds for row in rows if row.seconds] or [0])
    slow = sorted((row for row in rows if row.seconds > max(NOTICED, SLOW * usual)), key=lambda row: -row.seconds)
    for row in slow:
        found["slow"][f"the median is {usual:.1f} s"].append((row.student, f"{row.seconds:.0f} s"))
    for row in rows:
        for id, why in row.by_hand.items():
            found["points by hand"][why.rstrip(".")].append((row.student, id))
    for row in rows:
        if row.student in outdated:
            found["graded before a change"]["`make regrade` shows what it comes to"].append((row.student, ""))
    return {what: dict(reasons) for what, reasons in found.items()}
