"""exceptions.csv in the folder of a class: what is agreed with single students. Each column but the first may be left
out, and each cell left empty:

    student      the id
    due          the student's own due date; a day alone ends when that of all does
    extra_days   late days on top of days_in_all of rubric.toml
    used_days    late days used up before this homework
    status       excused: no grade, which is no 0; withheld: graded, and nothing of it shown to the student
    note         for staff
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..handins import tables
from ..handins.roster import DAYS, clean
from ..handins.tables import TableError
from . import lateness

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from typing import Any

    from ..handins.collecting import ClassList
    from ..handins.roster import Roster

FILE = "exceptions.csv"
COLUMNS = ("student", "due", "extra_days", "used_days", "status", "note")
EXCUSED, WITHHELD = STATUSES = ("excused", "withheld")


@dataclass(frozen=True)
class Terms:
    """What holds for one student.

    extension_days  of the calendar beyond the due date, as the roster says; 0 with a due date of one's own
    due             the student's own, aware
    extra_days      late days on top of those of all; used_days of them were used up before
    status          EXCUSED, WITHHELD or ""
    """

    extension_days: float = 0.0
    due: datetime | None = None
    extra_days: int = 0
    used_days: int = 0
    status: str = ""
    note: str = ""

    def table(self, late: Mapping[str, Any]) -> dict[str, Any]:
        """[late] of rubric.toml as it holds for this student."""
        days = max(0, late.get("days_in_all", 0) + self.extra_days - self.used_days)
        return {**late, "days_in_all": days, "due": self.due.isoformat() if self.due else late.get("due")}

    def days_late(self, time: datetime | None, late: Mapping[str, Any]) -> int:
        return lateness.days_late(time, self.extension_days, self.table(late))

    def days_used(self, days: int, late: Mapping[str, Any]) -> int:
        return lateness.days_used(days, self.table(late))

    def penalty(self, points: float, days: int, late: Mapping[str, Any]) -> float:
        return lateness.penalty(points, days, self.table(late))

    def extension(self, late: Mapping[str, Any]) -> timedelta:
        """How much later than all others this student is due, by the clock on the wall."""
        of_all = lateness.due(late)
        return self.due - of_all if self.due and of_all else timedelta(days=self.extension_days)


class Agreed(dict[str, Terms]):
    """{student: Terms}; who is not named has the terms of all."""

    def __missing__(self, student: str) -> Terms:
        return Terms()


def agreed(
    folder: Path, late: Mapping[str, Any], roster: Roster | None = None, known: Collection[str] | None = None
) -> Agreed:
    """What holds for the students of a class.

    late    [late] of rubric.toml
    roster  for extensions
    known   ids that a row may name; None for any
    Raises PolicyError and TableError.
    """
    lateness.due(late)
    made = Agreed()
    for student in roster.students if roster else ():
        if student.extension_days:
            made[student.id] = Terms(student.extension_days)
    lines: dict[str, int] = {}
    for line, where, row in rows(Path(folder, FILE)):
        id = row.pop("student", "")
        if not id:
            raise TableError(f"{where('student')}: whom does this line mean?")
        if known is not None and id not in known:
            alike = "".join(f"; is it {name}?" for name in difflib.get_close_matches(id, known, 1))
            raise TableError(f"{where('student')}: nobody in the class has the id {id!r}{alike}")
        if id in lines:
            raise TableError(f"{where('student')}: {id} is there already, in line {lines[id]}; write it into one line")
        lines[id] = line
        made[id] = terms(row, made[id].extension_days, late, where)
    return made


def of_class(folder: Path, late: Mapping[str, Any], class_list: ClassList, roster: Roster | None) -> Agreed:
    """What holds for the students of a class; who is excused waits for nothing. Raises PolicyError and TableError."""
    made = agreed(folder, late, roster, roster.ids if roster else [entry.student for entry in class_list])
    for entry in class_list:
        if made[entry.student].status == EXCUSED:
            entry.waits = ""
    return made


def rows(path: Path) -> Iterator[tuple[int, Callable[[str], str], dict[str, str]]]:
    """(line, what tells where a column of it is, {column: what is written there}); none where there is no file."""
    if not path.exists():
        return
    table = tables.read(path, comments=True)
    head = [name.lower() for name in table.head]
    for name in head:
        if name not in (*COLUMNS, ""):
            raise TableError(f"{table.where(1, name)}: nobody knows what it means; known are {', '.join(COLUMNS)}")
    for line, cells in table.rows:
        row = {name: clean(cell) for name, cell in zip(head, cells, strict=True) if clean(cell)}
        if "" in row:
            raise TableError(f"{table.where(line)}: {row['']!r} stands in a column without a name")
        yield line, partial(table.where, line), row


def terms(row: Mapping[str, str], extension_days: float, late: Mapping[str, Any], where: Callable[[str], str]) -> Terms:
    """What one line says. Raises TableError."""
    due = own_due(row["due"], late, where("due")) if "due" in row else None
    days = {}
    for name in ("extra_days", "used_days"):
        days[name] = whole(row.get(name, "0"), where(name))
        if days[name] and late["policy"] != "budget":
            told = 'late days are counted with policy = "budget" in rubric.toml only; write a date into due'
            raise TableError(f"{where(name)}: {told}")
    status = row.get("status", "").lower()
    if status not in (*STATUSES, ""):
        raise TableError(f"{where('status')}: {status!r} is none of {', '.join(STATUSES)}")
    return Terms(0.0 if due else extension_days, due, **days, status=status, note=row.get("note", ""))


def own_due(text: str, late: Mapping[str, Any], where: str) -> datetime:
    """A student's own due date. Raises TableError."""
    of_all = lateness.due(late)
    if of_all is None:
        raise TableError(f"{where}: [late] of rubric.toml has no due date that this could differ from")
    try:
        if len(text) <= len("2026-12-01"):
            own = datetime.combine(date.fromisoformat(text), of_all.timetz())
        else:
            own = lateness.clock(text, lateness.time_zone(late))
    except ValueError as error:
        why = "that is no date" if len(text) <= len("2026-12-01") else error
        raise TableError(
            f"{where}: {text!r}, and {why}; write it like {of_all.isoformat()}, or the day alone"
        ) from None
    if own <= of_all:
        raise TableError(f"{where}: {text} is not later than {of_all.isoformat()}, when all others are due")
    return own


def whole(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= DAYS):
        raise TableError(f"{where}: {text!r} is no whole number from 0 to {DAYS}")
    return int(text)
