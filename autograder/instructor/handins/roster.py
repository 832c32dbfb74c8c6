"""Who is in the class: a CSV file with a column `id`, and what else is known of each student.

nbgrader's own columns are understood (first_name, last_name, email, lms_user_id), and two more: `extension_days`, and
`submitted`, the time of the hand-in where the platform's download does not tell it (all but Gradescope).
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING

from . import tables
from .tables import TableError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Any

LONGEST = 200  # bytes of an id: names of files end at 255
DAYS = 3_650


class RosterError(TableError):
    """The roster cannot be used, for this reason."""


@dataclass(frozen=True)
class Person:
    """One line of the roster.

    lms_user_id     the number that Canvas or another platform knows the student by
    extension_days  granted beyond the due date
    submitted       aware time of the hand-in, where somebody wrote it down
    """

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_user_id: str = ""
    extension_days: float = 0.0
    submitted: datetime | None = None


class Roster:
    """The students in the order of the file."""

    def __init__(self, students: Iterable[Person]) -> None:
        self.students = list(students)
        self.ids = {student.id: student for student in self.students}


def is_id(text: str) -> bool:
    """Whether a text can be an id: fit to be the name of a folder everywhere, in any script, and no pattern of one."""
    kinds = [unicodedata.category(letter)[0] for letter in text]
    fit = all(kind in "LMN" or letter in "_.@-" for letter, kind in zip(text, kinds, strict=True))
    return fit and text[:1] not in ("", ".", "@", "-") and kinds[0] != "M" and len(text.encode()) <= LONGEST


def fit(label: str) -> str:
    """A stranger's name as the name of a folder."""
    name = "".join(letter if is_id(f"a{letter}") else "_" for letter in label).lstrip(".@-_")[:50]
    return name if is_id(name) else "unnamed"


def folded(name: str) -> str:
    """A name the way platforms write it into the names of files: without case, spaces and punctuation, but with the
    marks that many scripts write vowels with."""
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(letter for letter in text if unicodedata.category(letter)[0] in "LMN")


def read(path: Path) -> Roster:
    """The roster in a CSV file, as Excel and others write it. Raises RosterError."""
    try:
        table = tables.read(path)
    except TableError as error:
        raise RosterError(f"The roster {error}") from None
    names = [name.lower() for name in table.head]
    if "id" not in names:
        first = table.delimiter.join(table.head) or "(empty)"
        raise RosterError(f"The roster {path} has no column `id`; its first line is: {first}")
    known = {field.name for field in fields(Person)}
    students, lines = [], {"id": {}, "lms_user_id": {}}
    for line, cells in table.rows:
        row = {name: clean(cell) for name, cell in zip(names, cells, strict=True) if name in known and clean(cell)}
        if not row:
            continue
        where = f"The roster {table.where(line)}"
        if not is_id(row.get("id", "")):
            raise RosterError(f"{where}, column id: {row.get('id', '')!r} is no id; letters, digits and . @ _ - only")
        for column, seen in lines.items():
            alike = row.get(column, "").casefold()
            if alike and alike in seen:
                raise RosterError(f"{where}, column {column}: {row[column]} is there already, in line {seen[alike]}")
            seen[alike] = line
        students.append(student(row, where))
    return Roster(students)


def clean(cell: str) -> str:
    """One line of text: a line separator within a name is a space, and a mark and its letter are one character."""
    return unicodedata.normalize("NFC", " ".join(cell.split()))


def student(row: dict[str, Any], where: str) -> Person:
    if "email" in row and not re.fullmatch(r"\S+@\S+", row["email"]):
        raise RosterError(f"{where}, column email: {row['email']!r} has no @; is a cell missing, or a quotation mark?")
    try:
        if "extension_days" in row:
            row["extension_days"] = days(row["extension_days"])
    except ValueError as error:
        raise RosterError(f"{where}, column extension_days: {error}; write a number of days") from None
    try:
        if "submitted" in row:
            row["submitted"] = aware(datetime.fromisoformat(row["submitted"]))
    except ValueError as error:
        raise RosterError(f"{where}, column submitted: {error}; write times like 2026-11-25T23:59+01:00") from None
    return Person(**row)


def days(text: str) -> float:
    number = float(text.replace(",", "."))
    if not (math.isfinite(number) and 0 <= number <= DAYS):
        raise ValueError(f"{text} is not between 0 and {DAYS}")
    return number


def aware(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone")
    return time
