"""Who is in the class: a CSV file with a column `id`, and what else is known of each student.

nbgrader's own columns are understood (first_name, last_name, email, lms_user_id), and two more: `extension_days`, and
`submitted`, the time of the hand-in where the platform's download does not tell it (Canvas and Moodle).
"""

import csv
import re
import unicodedata
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

SAFE_ID = re.compile(r"\w[\w.@-]{0,99}")  # fit to be a folder's name everywhere, and no pattern of one


class RosterError(ValueError):
    """The roster cannot be used, for this reason."""


@dataclass(frozen=True)
class Student:
    """One line of the roster.

    lms_user_id     the number that Canvas or another platform knows the student by
    extension_days  granted beyond the due date
    submitted       time of the hand-in, where somebody wrote it down; an aware datetime
    """

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_user_id: str = ""
    extension_days: float = 0.0
    submitted: datetime | None = None


class Roster:
    """The students in the order of the file; find() knows them by what a platform calls them."""

    def __init__(self, students):
        self.students = list(students)
        self.ids = {student.id: student for student in self.students}
        # Where the roster has no numbers of a platform, the platform's may be the ids.
        numbers = "lms_user_id" if any(student.lms_user_id for student in self.students) else "id"
        self.known = {"id": {}, "number": {}, "email": {}, "name": {}}
        for student in self.students:
            first, last = student.first_name, student.last_name
            for key, names in (
                ("id", {student.id}),
                ("number", {getattr(student, numbers)}),
                ("email", {student.email, student.id}),
                ("name", {f"{last}{first}", f"{first}{last}"}),
            ):
                for name in {*map(folded, names)} - {""}:
                    self.known[key].setdefault(name, []).append(student)

    def find(self, id="", **known):
        """The one student whom these mean, or None where nobody is known or two share what is known.

        id, number, email, name  what the platform says; the first that anybody has decides. A number is lms_user_id
            where the roster has that column; a name is first and last name in either order, without punctuation
        """
        if id in self.ids:
            return self.ids[id]
        for key, name in {"id": id, **known}.items():
            if found := self.known[key].get(folded(name)):
                return found[0] if len(found) == 1 else None
        return None


def folded(name):
    """A name the way platforms write it into the names of files: without case, spaces and punctuation."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFC", name)).casefold()


def read(path):
    """The Roster of a CSV file, as Excel and others write it. Raises RosterError."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "save it as UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise RosterError(f"The roster {path} cannot be read: {reason}") from None
    head = text.partition("\n")[0]
    lines = csv.reader(text.splitlines(), delimiter=max(",;\t", key=head.count))
    names = [name.strip().lower() for name in next(lines, [])]
    if "id" not in names:
        raise RosterError(f"The roster {path} has no column `id`; its first line is: {head.strip() or '(empty)'}")
    known = {field.name for field in fields(Student)}
    students, seen = [], {}
    for number, cells in enumerate(lines, 2):
        row = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if name in known and cell.strip()}
        if not row:
            continue
        where = f"The roster {path}, line {number}"
        if not SAFE_ID.fullmatch(row.get("id", "")):
            raise RosterError(f"{where}: {row.get('id', '')!r} is no id; use letters, digits and . @ _ - only")
        if (alike := row["id"].casefold()) in seen:
            raise RosterError(f"{where}: {row['id']} is there already, in line {seen[alike]}")
        seen[alike] = number
        students.append(student(row, where))
    return Roster(students)


def student(row, where):
    try:
        if "extension_days" in row:
            row["extension_days"] = float(row["extension_days"])
        if "submitted" in row:
            row["submitted"] = aware(datetime.fromisoformat(row["submitted"]))
    except ValueError as error:
        raise RosterError(f"{where}: {error}; write a number of days, and times like 2026-11-25T23:59+01:00") from None
    return Student(**row)


def aware(time):
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone")
    return time
