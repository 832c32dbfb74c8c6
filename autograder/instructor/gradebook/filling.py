"""Filling the gradebook: the roster, what was handed in, and the points of the grade records. Run it as often as you
like: only what changed is done again, and what was graded by hand stays."""

import json
import re
from dataclasses import dataclass, field
from datetime import timedelta

import nbformat

from ...files import write
from ...intake import parsing, submission
from ...intake.submission import DAMAGED, Refused
from ...text import readable
from ..handins import notebooks
from . import late, rendering, restoring, scores
from .course import ASSIGNMENT, NOTEBOOK, Course, build, quiet

ERROR = re.compile(r"\s{0,9}(?:\w{1,50}\.){0,9}(\w{0,50}(?:Error|Exception|Entry): .*)")  # a line of nbgrader's log
LIMITS = {"seconds": 20, "memory_mb": 2048}  # of what nbformat and nbgrader do with one notebook, in a room of its own


@dataclass
class Filled:
    """What happened, for staff: how many were done and left alone, {student: [notes]}, {student: why it failed}."""

    done: int = 0
    same: int = 0
    notes: dict = field(default_factory=dict)
    failed: dict = field(default_factory=dict)


@quiet()
def fill(folder, handed_in, rubric, roster=None, db_url=None, show=iter):
    """Bring the gradebook of a class up to date. Returns Filled.

    folder     of the class, with results/ID/results.json
    handed_in  a HandedIn for everybody, as collecting.collect() gives them
    roster     a Roster, for names and extensions
    db_url     of the gradebook, see course.build
    show       wraps the list of those who handed something in, to show how far it is
    Raises course.CourseError and lateness.PolicyError. What a student did, or one results.json, never raises.
    """
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
                set_dates(gradebook.find_submission(ASSIGNMENT, entry.student), entry, known, rubric.late)
        gradebook.db.commit()
    return filled


def enrol(gradebook, known, handed_in):
    for entry in handed_in:
        student = known.get(entry.student)
        names = ("first_name", "last_name", "email", "lms_user_id")
        facts = {name: getattr(student, name) or None for name in names} if student else {}
        gradebook.update_or_create_student(entry.student, **facts)


def made_from(path):
    """What an autograded notebook was made from, also by formgrader's button; {} where there is none."""
    made = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"metadata": {}}
    return made["metadata"].get(restoring.MADE_FROM, {})


def put(course, entry, master):
    """Lay a student's notebook into submitted/, whatever it is. Returns (what it was made from, notes for staff).

    master  the text of the notebook that was handed out
    """
    raw, note, waits = None, "No report.ipynb was handed in.", entry.report
    try:
        raw = submission.read(entry.path).files.get(f"{NOTEBOOK}.ipynb")
    except (Refused, FileNotFoundError, *DAMAGED) as reason:
        note = f"The submission was refused, so there is no report: {reason}."
    text = None
    if raw is not None:
        try:
            text, digest = parsing.parse(__name__, "restore_notebook", raw, master, **LIMITS)
        except parsing.Unparsable as why:
            waits = notebooks.reason(why)
    if waits:
        note = f"{waits}."
    now, notes = {"waits": None}, []
    if not text:
        notes, now = [note], {"waits": waits}
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


def autograde(course, student, same_notebook):
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


def waiting(course, student):
    """Names of the cells that wait for points by hand."""
    with course.gradebook() as gradebook:
        return {grade.name for grade in grades(gradebook, student) if grade.needs_manual_grade}


def grades(gradebook, student):
    return [grade for notebook in gradebook.find_submission(ASSIGNMENT, student).notebooks for grade in notebook.grades]


def set_dates(submission, entry, known, policy):
    """Time and extension of a submission, and what lateness costs with them. Returns the days late."""
    utc = entry.time and (entry.time - entry.time.utcoffset()).replace(tzinfo=None)
    days = known[entry.student].extension_days if entry.student in known else 0
    submission.timestamp, submission.extension = utc, timedelta(days=days) if days else None
    return late.settle(submission, policy)


# ----- in the room of parsing.py --------------------------------------------------------------------------------------


@quiet()
def restore_notebook(raw, master):
    """(the text of the restored notebook, its digest) of bytes that a student handed in and the text of the master.
    Cells that cannot be rendered in the time that there is are cut short."""
    made = restoring.restore(notebooks.read_notebook(raw), nbformat.reads(master, 4))
    rendering.affordable(restoring.of_the_student(made))
    return nbformat.writes(made) + "\n", restoring.digest(made)


@quiet()
def run_autograde(folder, student):
    """Let nbgrader autograde a student. Returns why it failed, in one line, or ""."""
    done = Course(folder).api().autograde(ASSIGNMENT, student)
    if done["success"]:
        return ""
    lines = f"{done.get('log', '')}\n{done['error']}".strip().splitlines()
    errors = [found[1] for found in map(ERROR.match, lines) if found]
    return readable((errors or lines[-1:])[0], limit=500)
