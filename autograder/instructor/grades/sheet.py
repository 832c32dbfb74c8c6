"""The result: grades.csv, and the feedback that students get.

A grade without its points by hand is none: its total is left empty, its student gets no feedback yet, and whoever asks
is told how many there are.
"""

import csv
import io
from dataclasses import dataclass, field

from nbgrader.api import MissingEntry

from ...files import write
from ...intake import parsing
from ...text import shown
from ..gradebook import guide
from ..gradebook.course import ASSIGNMENT, PART, Course, quiet, update_due
from ..gradebook.filling import LIMITS, dated, made_from
from ..gradebook.filling import grades as grades_of

REPORT = "report"


@dataclass
class Grade:
    """What one student gets.

    parts    {part, or REPORT: points, None while they are not known}
    penalty  for lateness
    missing  what there are no points for yet
    notes    for staff, of the report
    """

    student: str
    parts: dict
    penalty: float = 0.0
    days_late: int = 0
    missing: list = field(default_factory=list)
    notes: list = field(default_factory=list)

    @property
    def complete(self):
        return not self.missing

    @property
    def points(self):
        """None while anything is missing."""
        return round(sum(self.parts.values()) - self.penalty, 2) if self.complete else None


def grades(folder, handed_in, rubric, roster=None):
    """A Grade for everybody, from the gradebook as it is now, with lateness reckoned anew: due date, times and
    extensions may have changed since it was filled."""
    course, made = Course(folder), []
    known = {student.id: student for student in roster.students} if roster else {}
    with course.gradebook() as gradebook:
        update_due(gradebook, rubric.late)
        for entry in handed_in:
            nothing = dict.fromkeys([*rubric.parts, REPORT], 0.0)
            if entry.waits:
                made.append(Grade(entry.student, dict.fromkeys(nothing), missing=["a hand-in"]))
                continue
            if entry.path is None:
                made.append(Grade(entry.student, nothing))
                continue
            try:
                submission = gradebook.find_submission(ASSIGNMENT, entry.student)
            except MissingEntry:
                submission = None
            if submission is None or not course.autograded(entry.student).exists():
                made.append(Grade(entry.student, dict.fromkeys(nothing), missing=["not in the gradebook"]))
                continue
            days = dated(submission, entry, known, rubric.late)
            grade = of(submission, grades_of(gradebook, entry.student), nothing, days)
            facts = made_from(course.autograded(entry.student))
            why = facts.get("waits") or (
                "something is written in other cells than asked" if "elsewhere" in facts else ""
            )
            grade.notes = [f"The report waits: {shown(why)}."] * bool(why and grade.missing)
            made.append(grade)
        gradebook.db.commit()
    return made


def of(submission, cells, parts, days):
    missing = [cell.name.removeprefix(PART) for cell in cells if cell.needs_manual_grade]
    for cell in cells:
        part = cell.name.removeprefix(PART) if cell.name.startswith(PART) else REPORT
        known = parts.get(part) is not None and not cell.needs_manual_grade
        parts[part] = parts[part] + cell.score if known else None
    penalty = sum(notebook.late_submission_penalty or 0.0 for notebook in submission.notebooks)
    return Grade(submission.student.id, parts, penalty, days, missing)


def table(made, handed_in, rubric, roster=None):
    """grades.csv as text: a row for everybody, all cells quoted and none a formula."""
    entries = {entry.student: entry for entry in handed_in}
    people = {student.id: student for student in roster.students} if roster else {}
    most = total(rubric)
    head = ["id", "last_name", "first_name", "email", "submitted", "days_late", *rubric.parts, REPORT]
    head += ["late_penalty", "points", "max_points", "complete", "notes"]
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(head)
    for grade in made:
        entry, person = entries[grade.student], people.get(grade.student)
        names = [person.last_name, person.first_name, person.email] if person else ["", "", ""]
        notes = [f"Waits for {', '.join(grade.missing)}."] if grade.missing else []
        if entry.path and not entry.time and rubric.late["policy"] != "none":
            notes.append("Nobody knows when it was handed in, so it counts as in time.")
        notes += [*grade.notes, *entry.notes] if entry.path else [entry.waits or "Nothing was handed in.", *entry.notes]
        time = entry.time.isoformat() if entry.time else ""
        row = [grade.student, *names, time, grade.days_late]
        row += [written(points) for points in grade.parts.values()]
        row += [written(grade.penalty), written(grade.points), written(most), "yes" if grade.complete else "no"]
        writer.writerow(map(harmless, [*row, " ".join(notes)]))
    return buffer.getvalue()


def total(rubric):
    """The most that can be had: the parts, and the report as its questions say."""
    return sum(check.points for check in rubric.checks.values()) + guide.points()


def written(points):
    return "" if points is None else f"{points:.2f}".rstrip("0").rstrip(".")


def harmless(cell):
    """A cell that no spreadsheet takes for a formula."""
    text = shown(str(cell), limit=None)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) or text != text.strip() else text


def feedback(folder, made, show=iter):
    """Feedback for everybody whose grade is complete; what others had before is taken away, as it is no longer true.
    Returns {student: why there is none}."""
    course, failed = Course(folder), {}
    for grade in show(made):
        page = course.feedback(grade.student)
        if not grade.complete:
            page.unlink(missing_ok=True)
        elif course.autograded(grade.student).exists():
            try:
                why = parsing.parse(__name__, "rendered", str(course.folder), grade.student, **LIMITS)
            except parsing.Unparsable as reason:
                why = str(reason)
            if why:
                failed[grade.student] = why
    return failed


@quiet()
def rendered(folder, student):
    """Write the feedback of a student, in the room of parsing.py. Returns why that failed, in one line, or ""."""
    done = Course(folder).api().generate_feedback(ASSIGNMENT, student)
    return "" if done["success"] else shown(done["error"].strip().splitlines()[-1], limit=500)


def write_grades(folder, made, handed_in, rubric, roster=None):
    """grades.csv in the folder of the class. Returns its path."""
    path = Course(folder).folder / "grades.csv"
    write(path, table(made, handed_in, rubric, roster))
    return path
