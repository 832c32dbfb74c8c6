"""One student in the table of the staff page: points, links to what was handed in, and what is not ordinary."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ...intake.submission import ACCEPTED
from ...record import CRASHED, OVER_LIMIT, PASSED, TIMED_OUT
from ...rubric import REPORT
from ..grades.exceptions import EXCUSED, WITHHELD
from .publishing import RESULTS, ungraded
from .running import NOTHING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...rubric import Rubric
    from ..grades.sheet import Grade
    from ..handins.collecting import HandedIn
    from ..handins.roster import Person
    from .publishing import Row


@dataclass
class Line:
    """One student in the table of all.

    name     as the roster has it, or ""
    words    what the filter looks for
    home     folder of the report, from the page on; "" where there is none
    points   for code
    grade    with lateness, report and total, where these are asked for
    numbers  {part: points}
    files    {what it is called: where it lies, from the page on} of what was handed in
    """

    row: Row
    name: str
    words: str
    home: str
    points: float | None
    grade: Grade | None
    numbers: dict[str, float | None]
    files: dict[str, str]
    remarks: str


def refusal(row: Row) -> str:
    """Why a submission was refused, or ""."""
    return row.why.partition("the submission was refused, ")[2]


def line(
    row: Row,
    rubric: Rubric,
    person: Person | None = None,
    handed_in: HandedIn | None = None,
    grade: Grade | None = None,
    folder: Path | None = None,
) -> Line:
    """folder  of the class, where the page will lie"""
    name = f"{person.first_name} {person.last_name}".strip() if person else ""
    marked = grade is not None and grade.parts.get(REPORT) is not None
    waits = [f"The report waits: {handed_in.report}."] if handed_in and handed_in.report and not marked else []
    told = remarks(row, [*waits, *(grade.notes if grade else [])])
    lost = {id: verdict for id, verdict in row.verdicts.items() if verdict != PASSED}
    # Each ends with a semicolon, for the page's own links: some names begin like others.
    words = [f"{word};" for word in (row.student, *(f"{id}:{end}" for id, end in lost.items()), *row.mistakes.values())]
    absent = row.status == EXCUSED and row.why == NOTHING  # whose 0 is none
    where = WITHHELD if row.status == WITHHELD else RESULTS
    return Line(
        row=row,
        name=name,
        words=" ".join([*words, name, row.status, told]),
        home=f"{where}/{quote(row.student, safe='')}" if row.verdicts and not absent else "",
        points=None if absent else row.points,
        grade=grade,
        numbers={part: None if absent else row.parts.get(part) for part in rubric.parts},
        files=files(handed_in, folder) if handed_in and folder else {},
        remarks=told,
    )


def files(handed_in: HandedIn, folder: Path) -> dict[str, str]:
    """{name: link from the page on} of what counts of a student, and of the folders of what else was handed in."""
    found: dict[str, Path] = {}
    if handed_in.path and handed_in.path.is_dir():
        found |= {name: handed_in.path / name for name in ACCEPTED if (handed_in.path / name).exists()}
        found = found or {path.name: path for path in handed_in.path.iterdir()}  # what is refused
    elif handed_in.path:
        found[handed_in.path.name] = handed_in.path
    for n, other in enumerate(handed_in.several, 1):
        if other.digest != handed_in.digest and other.path:
            found[f"hand-in {n}"] = other.path
    page = folder / "feedback" / f"{handed_in.student}.html"
    found |= {"feedback": page} if page.exists() else {}
    return {name: quote(path.relative_to(folder).as_posix()) for name, path in found.items()}


def remarks(row: Row, more: Sequence[str]) -> str:
    """In a few words, what is not ordinary about this student's grade; of a refusal, one sentence.

    more  notes on the report and on what is agreed
    """
    counts = Counter(row.verdicts.values())
    said = [
        f"{counts[verdict]} {verdict.replace('_', ' ')}"
        for verdict in (CRASHED, TIMED_OUT, OVER_LIMIT)
        if counts[verdict]
    ]
    said += ["the box refused something"] * bool(row.denied) + ["points by hand"] * bool(row.by_hand)
    said += [] if row.complete or ungraded(row) else ["not complete"]
    why = [f"not graded: {row.why}"] if ungraded(row) else [row.why] * bool(row.why)
    known = (refusal(row) or row.why).casefold()
    notes = [note for note in dict.fromkeys([*row.notes, *more]) if not known or known not in note.casefold()]
    first = ", ".join(why + said).rstrip(".")
    return " ".join([*[f"{first}."] * bool(first), *notes])
