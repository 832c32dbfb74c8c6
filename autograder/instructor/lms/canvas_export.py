"""One column of a gradebook that Canvas exported, filled with the grades of a class. Nothing that a person wrote there
is lost: EX and N/A stay, and who handed in nothing, or whose grade is withheld, keeps whatever stands there. Who is
excused gets EX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..grades.exceptions import EXCUSED, WITHHELD
from ..handins import tables
from ..handins.matching import matched
from ..handins.roster import Person, Roster
from . import LMSError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ..grades.sheet import Grade
    from ..handins.collecting import HandedIn
    from ..handins.matching import Facts
    from ..handins.tables import Table

KEPT = ("EX", "N/A")


def fill(
    path: Path,
    column: str,
    made: Sequence[Grade],
    handed_in: Sequence[HandedIn],
    most: float,
    roster: Roster | None = None,
    scale: bool | None = None,
) -> tuple[str, dict[str, str], list[str]]:
    """Fill one column of a file. Returns (the file as text, {name there: why no points were written}, ids that have
    points and no line in the file).

    column  the assignment's name, with or without Canvas's number behind it
    most    points that can be had
    scale   where Canvas has other points possible: True to scale to these, False for the points as they are
    Raises LMSError and TableError.
    """
    table = tables.read(path)
    head = table.head
    if "ID" not in head or not ({"Student", "LastName"} & set(head)):
        raise LMSError(f"{path} is no gradebook of Canvas: its first line has no columns Student and ID")
    wanted = column_of(column, head, path)
    factor = scaled(table, wanted, most, scale)
    rows = {line: cells for line, cells in table.rows if cells[head.index("ID")].strip()}
    accounts = {line: account(dict(zip(head, cells, strict=True))) for line, cells in rows.items()}
    people = roster or Roster([Person(entry.student) for entry in handed_in])
    found = matched(accounts, people, {}, {})
    points = {grade.student: grade.points for grade in made}
    statuses = {grade.student: grade.status for grade in made}
    absent = {entry.student for entry in handed_in if entry.path is None}
    left, written = {}, set()
    for line, cells in rows.items():
        name, match, there = accounts[line][0], found[line], cells[wanted].strip()
        id = match.students[0] if match.students else None
        earned = points.get(id) if id else None
        if id:
            written.add(id)
        if id is None or id not in points:
            left[name] = match.note or "not in this class"
        elif there.upper() in KEPT:
            left[name] = f"{there} stays"
        elif statuses[id] == EXCUSED:
            cells[wanted] = "EX"
        elif statuses[id] == WITHHELD:
            left[name] = f"withheld; {there or 'an empty cell'} stays"
        elif earned is None:
            left[name] = "the grade is not complete"
        elif id in absent:
            left[name] = f"nothing was handed in; {there or 'an empty cell'} stays"
        else:
            cells[wanted] = f"{earned * factor:.2f}".rstrip("0").rstrip(".")
    return table.text(), left, [id for id, each in points.items() if each is not None and id not in written]


def column_of(column: str, head: list[str], path: Path) -> int:
    found = [n for n, name in enumerate(head) if name == column or name.rpartition(" (")[0] == column]
    if len(found) != 1:
        assignments = [name for name in head if name.endswith(")") and name.rpartition("(")[2][:-1].isdigit()]
        many = "more than one column" if found else "no column"
        raise LMSError(f"{path}, line 1: there is {many} {column!r}. Assignments: {', '.join(assignments) or 'none'}")
    return found[0]


def account(cells: Mapping[str, str]) -> Facts:
    """A line as an account for matching.py."""
    last, _, first = cells.get("Student", "").partition(",")
    last, first = cells.get("LastName") or last.strip(), cells.get("FirstName") or first.strip()
    name = cells.get("Student", "").strip() or f"{last}, {first}"
    known = {
        "id": cells.get("SIS User ID", "").strip(),
        "number": cells["ID"].strip(),
        "email": cells.get("SIS Login ID", "").strip(),
        "name": f"{last} {first}".strip(),
    }
    return name, name, known, True


def scaled(table: Table, wanted: int, most: float, scale: bool | None) -> float:
    """What points are multiplied by. Raises LMSError where that has to be asked."""
    for line, cells in table.rows:
        there = cells[wanted].strip().replace(",", ".")
        if cells[table.head.index("ID")].strip() or not there.replace(".", "", 1).isdigit():
            continue  # a student, or another line of Canvas's own
        possible = float(there)
        if possible != most and scale is None:
            where = table.where(line, table.head[wanted])
            raise LMSError(
                f"{where}: Canvas has {possible:g} points possible, and these grades are of {most:g}. Change it there, "
                f"or say --scale yes ({most:g} become {possible:g}) or --scale no (the points as they are)"
            )
        return possible / most if scale else 1.0
    return 1.0
