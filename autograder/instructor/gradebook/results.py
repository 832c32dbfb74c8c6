"""The result in nbgrader's gradebook: grades, and the feedback that students get.

A student whose grade is not complete, or withheld, gets no feedback yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbgrader.api import MissingEntry

from ...files import write
from ...intake import parsing
from ...language import N_, _
from ...rubric import REPORT, Rubric
from ...text import readable
from ..grades import attempts
from ..grades.exceptions import EXCUSED, WITHHELD, agreed
from ..grades.sheet import Grade, report_points, total
from .course import ASSIGNMENT, PART, Course, quiet, update_due
from .feedback import render
from .filling import LIMITS, made_from, set_dates
from .filling import grades as grades_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from typing import Any

    from nbgrader.api import Grade as CellGrade
    from nbgrader.api import Gradebook, SubmittedAssignment

    from ..grades.exceptions import Terms
    from ..handins.collecting import HandedIn
    from ..handins.roster import Roster


def grades(folder: Path, handed_in: Iterable[HandedIn], rubric: Rubric, roster: Roster | None = None) -> list[Grade]:
    """A grade for everybody, from the gradebook as it is now, with lateness reckoned anew: due date, times and what is
    agreed with students may have changed since it was filled."""
    course, made = Course(folder), []
    terms = agreed(folder, rubric.late, roster)
    with course.gradebook() as gradebook:
        update_due(gradebook, rubric.late)
        for entry in handed_in:
            grade = grade_in(gradebook, course, entry, terms[entry.student], rubric)
            grade.told = attempts.note(entry, rubric.late)
            made.append(grade.under(terms[entry.student], entry.time, rubric.late))
        gradebook.db.commit()
    return made


def grade_in(gradebook: Gradebook, course: Course, entry: HandedIn, terms: Terms, rubric: Rubric) -> Grade:
    """The points of one student, and what lateness takes off."""
    unknown: dict[str, float | None] = dict.fromkeys([*rubric.parts, *[REPORT] * rubric.on(REPORT)])
    nothing: dict[str, float | None] = dict.fromkeys(unknown, 0.0)
    if entry.waits:
        return Grade(entry.student, unknown, missing=["a hand-in"])
    if entry.path is None:
        return Grade(entry.student, unknown if terms.status == EXCUSED else nothing)
    try:
        submission = gradebook.find_submission(ASSIGNMENT, entry.student)
    except MissingEntry:
        submission = None
    if submission is None or not course.autograded(entry.student).exists():
        return Grade(entry.student, unknown, missing=["not in the gradebook"])
    set_dates(submission, entry, terms, rubric.late)
    grade = grade_of(submission, grades_of(gradebook, entry.student), nothing)
    facts = made_from(course.autograded(entry.student))
    why = facts.get("waits") or ("something is written in other cells than asked" if "elsewhere" in facts else "")
    grade.notes = [f"The report waits: {readable(why)}."] * bool(why and grade.missing)
    return grade


def grade_of(submission: SubmittedAssignment, cells: Sequence[CellGrade], parts: dict[str, float | None]) -> Grade:
    missing = []
    for cell in cells:
        name = cell.name.removeprefix(PART)
        part = name if cell.name.startswith(PART) else REPORT
        if part not in parts:  # the rubric has dropped it since the gradebook was made
            continue
        missing += [name] * cell.needs_manual_grade
        known = parts.get(part) is not None and not cell.needs_manual_grade
        parts[part] = parts[part] + cell.score if known else None
    penalty = sum(notebook.late_submission_penalty or 0.0 for notebook in submission.notebooks)
    return Grade(submission.student.id, parts, penalty, missing=missing)


def feedback(
    folder: Path,
    made: list[Grade],
    show: Callable[[list[Grade]], Iterable[Grade]] = iter,
    rubric: Rubric | None = None,
) -> dict[str, str]:
    """Feedback for everybody whose grade is complete and not withheld; what others had before is taken away, as it is
    no longer true, or not theirs to see.
    Returns {student: why there is none}."""
    course, rubric, failed = Course(folder), rubric or Rubric.load(), {}
    for grade in show(made):
        if grade.missing or grade.status == WITHHELD:
            course.feedback(grade.student).unlink(missing_ok=True)
            course.page(grade.student).unlink(missing_ok=True)
        elif course.autograded(grade.student).exists():
            told = summary(grade, rubric)
            try:
                why = parsing.parse(__name__, "write_feedback", str(course.folder), grade.student, told, **LIMITS)
            except parsing.Unparsable as reason:
                why = str(reason)
            if why:
                failed[grade.student] = why
    return failed


def summary(grade: Grade, rubric: Rubric) -> dict[str, Any]:
    """What feedback.py says of a grade, as plain data. Whoever is excused has no points that count."""
    code, report = grade.code or 0.0, grade.parts.get(REPORT) or 0.0
    lines = [(_("code"), code, rubric.total), *[(_("report"), report, report_points(rubric))] * rubric.on(REPORT)]
    says = N_("{n} days late") if grade.days_late > 1 else N_("{n} day late")
    days = _(says, n=grade.days_late)
    if grade.days_used:
        days = _("{days}, {n} of your late days used", days=days, n=grade.days_used)
    lines += [(days, -grade.penalty, 0.0)] * bool(grade.days_late)
    notes = [_("You are excused: these points do not count.")] * (grade.status == EXCUSED)
    earned = round(code + report - grade.penalty, 2)
    return {"lines": lines, "total": earned, "most": total(rubric), "notes": notes + grade.told}


@quiet()
def write_feedback(folder: str, student: str, grade: dict[str, Any]) -> str:
    """Write the feedback of a student, in the room of parsing.py. Returns why that failed, in one line, or ""."""
    course = Course(folder)
    done = course.api().generate_feedback(ASSIGNMENT, student)
    if not done["success"]:
        return readable(done["error"].strip().splitlines()[-1], limit=500)
    write(course.page(student), render(course, student, grade))
    return ""
