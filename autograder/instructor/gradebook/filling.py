"""Filling the gradebook: the roster, what was handed in, and the points of the grade records. Run it as often as you
like: only what changed is done again, and what was graded by hand stays."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import nbformat

from ...files import write
from ...intake import parsing, submission
from ...intake.submission import DAMAGED, Refused
from ...language import _
from ...text import readable
from ..grades.exceptions import agreed
from ..handins.contents import unread
from ..handins.notebooks import read_notebook
from . import late, rendering, restoring, scores
from .course import ASSIGNMENT, NOTEBOOK, Course, build, quiet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from nbgrader.api import Grade as CellGrade
    from nbgrader.api import Gradebook, SubmittedAssignment

    from ...rubric import Rubric
    from ..grades.exceptions import Terms
    from ..handins.collecting import HandedIn
    from ..handins.roster import Person, Roster

ERROR = re.compile(r"\s{0,9}(?:\w{1,50}\.){0,9}(\w{0,50}(?:Error|Exception|Entry): .*)")  # a line of nbgrader's log
LIMITS = {"seconds": 20, "memory_mb": 2048}  # of what nbformat and nbgrader do with one notebook, in a room of its own


@dataclass
class Filled:
    """What happened, for staff: how many were done and left alone, notes on each student, {student: why it failed}."""

    done: int = 0
    same: int = 0
    notes: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


@quiet()
def fill(
    folder: Path,
    handed_in: Sequence[HandedIn],
    rubric: Rubric,
    roster: Roster | None = None,
    db_url: str | None = None,
    show: Callable[[list[HandedIn]], Iterable[HandedIn]] = iter,
) -> Filled:
    """Bring the gradebook of a class up to date.

    folder     of the class, with results/ID/results.json
    handed_in  for everybody, as collecting.collect() gives them
    roster     for names and extensions
    db_url     of the gradebook, see course.build
    show       wraps the list of those who handed something in, to show how far it is
    Raises course.CourseError, lateness.PolicyError and tables.TableError. What a student did, or one results.json,
    never raises.
    """
    terms = agreed(folder, rubric.late, roster)
    course = build(folder, rubric, db_url)
    master, filled = course.release.read_text(encoding="utf-8"), Filled()
    known = {student.id: student for student in roster.students} if roster else {}
    with course.gradebook() as gradebook:
        enrol(gradebook, known, handed_in)
        there = {each.student.id for each in gradebook.assignment_submissions(ASSIGNMENT)}
    for entry in show([entry for entry in handed_in if entry.path]):
        now, filled.notes[entry.student] = put(course, entry, master)
        now["results"] = scores.digest(course.results(entry.student))
        before = made_from(course.autograded(entry.student)) if entry.student in there else {}
        if now.items() <= before.items():
            filled.same += 1
        elif why := autograde(course, entry.student, now["notebook"] == before.get("notebook")):
            filled.failed[entry.student] = why
        else:
            filled.done += 1
    with course.gradebook() as gradebook:
        for entry in handed_in:
            if entry.path and entry.student not in filled.failed:
                submission = gradebook.find_submission(ASSIGNMENT, entry.student)
                set_dates(submission, entry, terms[entry.student], rubric.late)
        gradebook.db.commit()
    return filled


def enrol(gradebook: Gradebook, known: Mapping[str, Person], handed_in: Iterable[HandedIn]) -> None:
    for entry in handed_in:
        student = known.get(entry.student)
        names = ("first_name", "last_name", "email", "lms_user_id")
        facts = {name: getattr(student, name) or None for name in names} if student else {}
        gradebook.update_or_create_student(entry.student, **facts)


def made_from(path: Path) -> dict[str, Any]:
    """What an autograded notebook was made from, also by formgrader's button; {} where there is none."""
    made = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"metadata": {}}
    return made["metadata"].get(restoring.MADE_FROM, {})


def put(course: Course, entry: HandedIn, master: str) -> tuple[dict[str, str | None], list[str]]:
    """Lay a student's notebook into submitted/, whatever it is. Returns (what it was made from, notes for staff).

    master  the text of the notebook that was handed out
    """
    raw, note, waits = None, _("No report.ipynb was handed in."), entry.report
    try:
        raw = submission.read(entry.path).files.get(f"{NOTEBOOK}.ipynb") if entry.path else None
    except (Refused, FileNotFoundError, *DAMAGED) as reason:
        note = _("The submission was refused, so there is no report: {why}.", why=reason)
    text, digest = None, ""
    if raw is not None:
        try:
            text, digest = parsing.parse(__name__, "restore_notebook", raw, master, **LIMITS)
        except parsing.Unparsable as why:
            waits = unread(why)
    if waits:
        note = f"{waits}."
    now: dict[str, str | None] = {"waits": None}
    notes: list[str] = []
    if not text:
        notes, now["waits"] = [note], waits
        notebook = restoring.empty(nbformat.reads(master, 4), f"*{note}*")
        notebook.metadata[restoring.WAITS] = waits
        text, digest = nbformat.writes(notebook) + "\n", restoring.digest(notebook)
    now["notebook"] = digest
    folder = course.submitted(entry.student)
    path = folder / f"{NOTEBOOK}.ipynb"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write(path, text)
    if entry.time:
        write(folder / "timestamp.txt", entry.time.isoformat() + "\n")  # with its offset, which nbgrader reads rightly
    else:
        (folder / "timestamp.txt").unlink(missing_ok=True)
    return now, notes


def autograde(course: Course, student: str, same_notebook: bool) -> str | None:
    """nbgrader's autograde for one student. Returns why it failed, or None.

    same_notebook  nbgrader asks for points by hand again whenever it autogrades; where the answers are the same, those
                   that were given stay
    """
    open_before = waiting(course, student) if same_notebook else None
    try:
        if why := parsing.parse(__name__, "run_autograde", str(course.folder), student, **LIMITS):
            return why
    except parsing.Unparsable as why:
        return str(why)
    if open_before is not None:
        with course.gradebook() as gradebook:
            for grade in grades(gradebook, student):
                if grade.manual_score is not None and grade.name not in open_before:
                    grade.needs_manual_grade = False
            gradebook.db.commit()
    return None


def waiting(course: Course, student: str) -> set[str]:
    """Names of the cells that wait for points by hand."""
    with course.gradebook() as gradebook:
        return {grade.name for grade in grades(gradebook, student) if grade.needs_manual_grade}


def grades(gradebook: Gradebook, student: str) -> list[CellGrade]:
    return [grade for notebook in gradebook.find_submission(ASSIGNMENT, student).notebooks for grade in notebook.grades]


def set_dates(submission: SubmittedAssignment, entry: HandedIn, terms: Terms, policy: Mapping[str, Any]) -> None:
    """Time and extension of a submission, and what lateness costs with them."""
    utc = None
    if entry.time:
        offset = entry.time.utcoffset()
        assert offset is not None  # it is aware
        utc = (entry.time - offset).replace(tzinfo=None)
    submission.timestamp, submission.extension = utc, terms.extension(policy) or None
    late.settle(submission, terms, policy)


# ----- in the room of parsing.py --------------------------------------------------------------------------------------


@quiet()
def restore_notebook(raw: bytes, master: str) -> tuple[str, str]:
    """(the text of the restored notebook, its digest) of bytes that a student handed in and the text of the master.
    Cells that cannot be rendered in the time that there is are cut short."""
    made = restoring.restore(read_notebook(raw), nbformat.reads(master, 4))
    rendering.affordable(restoring.of_the_student(made))
    return nbformat.writes(made) + "\n", restoring.digest(made)


@quiet()
def run_autograde(folder: str, student: str) -> str:
    """Let nbgrader autograde a student. Returns why it failed, in one line, or ""."""
    done = Course(folder).api().autograde(ASSIGNMENT, student)
    if done["success"]:
        return ""
    lines = f"{done.get('log', '')}\n{done['error']}".strip().splitlines()
    errors = [found[1] for found in map(ERROR.match, lines) if found]
    return readable((errors or lines[-1:])[0], limit=500)
