"""index.html: the class on one page, for staff. It opens from a folder, without a network, and names everybody: it is
never handed to a student."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ...diagnosis import catalogue
from ...record import CRASHED, OVER_LIMIT, PASSED, TIMED_OUT, VERDICTS
from ...reports.html import STYLE, bar
from .publishing import ungraded

if TYPE_CHECKING:
    from ...rubric import Rubric
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


def render(
    rows: Sequence[Row], rubric: Rubric, outdated: Container[str] = (), class_list: ClassList | None = None
) -> str:
    """The page as text. Everything that came from a submission is escaped.

    rows        in the order of names
    outdated    students whose grade is of another kit, submission, points or seed than the present one
    class_list  for where every file of the download went
    """
    handed_in = [row for row in rows if row.verdicts and "nothing was handed in" not in row.why]
    scored = [row for row in handed_in if row.points is not None]
    sections = {
        "files": ("Hand-ins", hand_ins(class_list)),
        "distribution": ("Distribution", distribution(scored)),
        "checks": ("Points per check", per_check(handed_in, rubric)),
        "mistakes": ("The mistakes this class made", mistakes(rows)),
        "look": ("To look at", attention(rows, outdated)),
        "everybody": ("Students", students(rows, rubric)),
    }
    links = "".join(f'<a href="#{id}">{title}</a>' for id, (title, _) in sections.items())
    body = "".join(f'<section id="{id}"><h2>{title}</h2>{text}</section>\n' for id, (title, text) in sections.items())
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>The class: {len(rows)} students</title><style>{STYLE}{style}</style></head>
<body><header><h1>The class: {len(rows)} students</h1>{numbers(rows, handed_in, scored)}<nav>{links}</nav></header>
{body}<footer><p class="dim">For staff only. Graded with: {escape(made_with(rows))}</p></footer>
<script>{script}</script></body></html>
"""


def numbers(rows: Sequence[Row], handed_in: Sequence[Row], scored: Sequence[Row]) -> str:
    shown: dict[str, int | str] = {"handed in": len(handed_in)}
    shown["nothing handed in"] = len(rows) - len(handed_in) - sum(not row.verdicts for row in rows)
    shown["not graded"] = sum(ungraded(row) for row in rows)
    if scored:
        points = [row.points for row in scored if row.points is not None]
        shown |= {"mean": f"{statistics.mean(points):.1f}", "median": f"{statistics.median(points):g}"}
        shown["all points"] = sum(row.points == row.max_points for row in scored)
        shown["parts or cases missing"] = sum(not row.complete for row in scored)
    return (
        '<div class="numbers">'
        + "".join(f"<span><b>{value}</b>{name}</span>" for name, value in shown.items())
        + "</div>"
    )


def hand_ins(class_list: ClassList | None) -> str:
    """Where every file of the download went, and what a person has to settle."""
    if class_list is None:
        return ""
    lines = [("stranger", name, why) for name, why in class_list.strangers.items()]
    lines += [("not understood", file, why) for file, why in class_list.unread.items()]
    lines += [("in doubt", name, why) for name, why in class_list.doubts.items()]
    cells = "".join(
        f"<tr><td>{escape(name)}</td><td>{what}</td><td class='remarks'>{escape(why)}</td></tr>"
        for what, name, why in lines
    )
    head = "<tr><th>File or stranger</th><th>What</th><th>Why</th></tr>"
    counts = ", ".join(f"{number} {'' if what[0] == 'n' else 'of '}{what}" for what, number in class_list.files.items())
    said = f"<p>Of {sum(class_list.files.values())} files in the last download: {counts}.</p>"
    if class_list.waiting:
        said += f"<p>Nothing is known of {escape(', '.join(class_list.waiting))}: they wait, and have no grade.</p>"
    return said + (
        f'<div class="scroll"><table><thead>{head}</thead><tbody>{cells}</tbody></table></div>' if cells else ""
    )


def made_with(rows: Iterable[Row]) -> str:
    """With what grades were made, each as often as it was."""
    kinds = Counter(
        ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in row.made_with.items() if value)
        for row in rows
        if row.made_with.get("box_tier")
    )
    return "; ".join(f"{kind} ({count} students)" for kind, count in kinds.most_common())


def distribution(rows: Sequence[Row]) -> str:
    """How many students have how many points. Each of these has a score."""
    if not rows:
        return "<p>Nobody has a score yet.</p>"
    most = max(row.max_points for row in rows)
    scores = [row.points for row in rows if row.points is not None]
    counts = Counter(min(int(BINS * points / most), BINS - 1) for points in scores)
    highest, step = max(counts.values()), WIDTH / BINS
    bars, labels = [], []
    for n in range(BINS):
        size = (HEIGHT - 34) * counts[n] / highest
        last = "]" if n == BINS - 1 else ")"
        reach = f"[{most * n / BINS:g}, {most * (n + 1) / BINS:g}{last} points: {counts[n]} students"
        x, y = n * step + 2, HEIGHT - 18 - size
        bars.append(f'<rect class="bin" x="{x:.1f}" y="{y:.1f}" width="{step - 4:.1f}" height="{size:.1f}">')
        bars.append(f"<title>{reach}</title></rect>")
        if counts[n]:
            labels.append(f'<text x="{x + step / 2 - 2:.1f}" y="{y - 4:.1f}">{counts[n]}</text>')
        if n % 2 == 0:
            labels.append(f'<text x="{x + 4:.1f}" y="{HEIGHT - 3}">{most * n / BINS:g}</text>')
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="how many students have how many points">'
        f"{''.join(bars)}{''.join(labels)}</svg><figcaption>Students by points, of {most:g}; those who handed in "
        "nothing, or have no score, are left out.</figcaption></figure>"
    )


def per_check(rows: Sequence[Row], rubric: Rubric) -> str:
    """For each check, how many got it, and how the others lost it."""
    lines = []
    for id, entry in rubric.checks.items():
        verdicts = Counter(row.verdicts[id] for row in rows if id in row.verdicts)
        total = sum(verdicts.values())
        lost = ", ".join(
            f'<button data-filter="{id}:{verdict};">{verdicts[verdict]} {verdict.replace("_", " ")}</button>'
            for verdict in VERDICTS
            if verdict != PASSED and verdicts[verdict]
        )
        share = f"{100 * verdicts[PASSED] / total:.0f} %" if total else "-"
        lines.append(
            f"<tr><td>{escape(entry.title)}<br><span class='dim'>{id}, handout {entry.section}</span></td>"
            f'<td class="number">{entry.points:g}</td><td class="share">{bar(verdicts[PASSED], total)}</td>'
            f'<td class="number">{share}</td><td>{lost}</td></tr>'
        )
    head = '<tr><th>Check</th><th class="number">Points</th><th>Passed</th><th class="number"></th><th>Others</th></tr>'
    return (
        f'<div class="scroll"><table class="plain"><thead>{head}</thead><tbody>{"".join(lines)}</tbody></table></div>'
    )


def mistakes(rows: Iterable[Row]) -> str:
    """The known mistakes, by how many made them: what to say in the next lecture."""
    # {mistake: {student: checks}}
    made: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for check, id in row.mistakes.items():
            made[id][row.student].append(check)
    known, order = catalogue(), list(catalogue())
    cards = []
    for id, who in sorted(made.items(), key=lambda item: (-len(item[1]), order.index(item[0]))):
        names = ", ".join(link(student) for student in who)
        seen = list(dict.fromkeys(check for checks in who.values() for check in checks))
        seen = ", ".join(seen[:4]) + (f" and {len(seen) - 4} more" if len(seen) > 4 else "")
        count = f"{len(who)} student{'s' * (len(who) > 1)}"
        cards.append(
            f'<article class="mistake" id="{id}"><div class="head"><b>{escape(known[id].did)}</b>'
            f'<button data-filter="{id};">{count}</button></div><p>{escape(known[id].effect)}</p>'
            f'<p class="dim">{id}, handout {known[id].section}; seen in {seen}</p>'
            f"<details><summary class='dim'>who</summary><p>{names}</p></details></article>"
        )
    return "".join(cards) or "<p>None was recognised.</p>"


def attention(rows: Sequence[Row], outdated: Container[str]) -> str:
    """What a person should look at, most pressing first."""
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
    old = [
        (row, "graded before a change", "`make regrade` shows what it comes to")
        for row in rows
        if row.student in outdated
    ]
    cells = "".join(
        f"<tr><td>{link(row.student)}</td><td>{what}</td><td class='remarks'>{escape(why)}</td></tr>"
        for row, what, why in lines + old
    )
    head = "<tr><th>Student</th><th>What</th><th>Facts</th></tr>"
    return (
        f'<div class="scroll"><table><thead>{head}</thead><tbody>{cells}</tbody></table></div>'
        if cells
        else "<p>Nothing.</p>"
    )


def students(rows: Iterable[Row], rubric: Rubric) -> str:
    """The table of all, to be sorted and filtered by page.js."""
    columns = {"total": "Total", **rubric.parts, "seconds": "Seconds of grading"}
    head = '<th aria-sort="ascending"><button>student</button></th>'
    for name, title in columns.items():
        head += f'<th class="number" title="{escape(title)}"><button>{escape(name)}</button></th>'
    body = "".join(student(row, rubric) for row in rows)
    return (
        '<div class="filter"><label for="filter">Filter</label><input id="filter" type="search" placeholder="a name, a '
        'check such as ddim.eta, check:verdict, a mistake, a remark; several words narrow it down">'
        '<span class="dim" id="count"></span></div><div class="scroll"><table id="students"><thead><tr>'
        f"{head}<th>remarks</th></tr></thead><tbody>{body}</tbody></table></div>"
    )


def student(row: Row, rubric: Rubric) -> str:
    lost = {id: verdict for id, verdict in row.verdicts.items() if verdict != PASSED}
    # Each ends with a semicolon, for the page's own links: some names begin like others.
    words = [f"{word};" for word in (row.student, *(f"{id}:{end}" for id, end in lost.items()), *row.mistakes.values())]
    words.append(remarks(row))
    numbers = [row.points, *(row.parts.get(part) for part in rubric.parts), row.seconds and round(row.seconds, 1)]
    cells = "".join(f'<td class="number">{"" if number is None else f"{number:g}"}</td>' for number in numbers)
    name = link(row.student) if row.verdicts else escape(row.student)
    said = f'<td class="remarks">{escape(remarks(row))}</td>'
    return f'<tr data-words="{escape(" ".join(words))}"><td>{name}</td>{cells}{said}</tr>\n'


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


def link(student: str) -> str:
    return f'<a href="results/{quote(student, safe="")}/report.html">{escape(student)}</a>'
