"""Filling the gradebook: the roster, what was handed in, and the points of the grade records. Run it as often as you
like: only what changed is done again, and what was graded by hand stays."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import timedelta

import nbformat

from ... import submission
from ...files import write
from ...submission import DAMAGED, Refused
from . import late, restoring
from .course import ASSIGNMENT, NOTEBOOK, build

DONE = ".filled.json"  # {student: digest of what the gradebook was filled from}


@dataclass
class Filled:
    """What happened, for staff: how many were done and left alone, {student: [notes]}, {student: why it failed}."""

    done: int = 0
    same: int = 0
    notes: dict = field(default_factory=dict)
    failed: dict = field(default_factory=dict)


def fill(folder, handed_in, rubric, roster=None, db_url=None, show=iter):
    """Bring the gradebook of a class up to date. Returns Filled.

    folder     of the class, with results/ID/results.json
    handed_in  a HandedIn for everybody, as collecting.collect() gives them
    roster     a Roster, for names and extensions
    db_url     of the gradebook, see course.build
    show       wraps the list of those who handed something in, to show how far it is
    Raises course.CourseError and late.PolicyError. What a student did, or one results.json, never raises.
    """
    course = build(folder, rubric, db_url)
    master = nbformat.read(course.source, 4)
    before = json.loads((course.root / DONE).read_text(encoding="utf-8")) if (course.root / DONE).exists() else {}
    filled, now, api = Filled(), {}, course.api()
    known = {student.id: student for student in roster.students} if roster else {}
    with course.gradebook() as gradebook:
        enrol(gradebook, known, handed_in)
    for entry in show([entry for entry in handed_in if entry.path]):
        notebook, notes = put(course, entry, master)
        filled.notes[entry.student] = notes
        digest = digest_of(course, entry, notebook)
        if digest == before.get(entry.student) and course.autograded(entry.student).exists():
            filled.same += 1
            now[entry.student] = digest
            continue
        why = autograde(course, api, entry.student, same_notebook=before.get(entry.student, "").startswith(digest[:16]))
        if why:
            filled.failed[entry.student] = why
        else:
            filled.done += 1
            now[entry.student] = digest
        write(course.root / DONE, json.dumps(before | now))
    with course.gradebook() as gradebook:
        for entry in handed_in:
            if entry.path and entry.student not in filled.failed:
                dated(gradebook.find_submission(ASSIGNMENT, entry.student), entry, known, rubric.late)
        gradebook.db.commit()
    write(course.root / DONE, json.dumps(now))
    return filled


def enrol(gradebook, known, handed_in):
    for entry in handed_in:
        student = known.get(entry.student)
        names = ("first_name", "last_name", "email", "lms_user_id")
        facts = {name: getattr(student, name) or None for name in names} if student else {}
        gradebook.update_or_create_student(entry.student, **facts)


def put(course, entry, master):
    """Lay a student's notebook into submitted/, whatever it is. Returns (its text, notes for staff)."""
    raw, note = None, "No report.ipynb was handed in."
    try:
        raw = submission.read(entry.path).files.get(f"{NOTEBOOK}.ipynb")
    except (Refused, FileNotFoundError, *DAMAGED) as reason:
        note = f"The submission was refused, so there is no report: {reason}."
    notebook = None
    if raw is not None:
        try:
            notebook = restoring.restored(nbformat.reads(raw.decode("utf-8"), 4), master)
        except Exception as error:  # students find ways to break a notebook that no list of exceptions foresees
            told = submission.shown(str(error) or type(error).__name__).splitlines()[0]
            note = f"report.ipynb cannot be read as a notebook: {told}."
    notes = [] if notebook else [note]
    text = nbformat.writes(notebook or restoring.empty(master, f"*{note}*")) + "\n"
    folder = course.submitted(entry.student)
    path = folder / f"{NOTEBOOK}.ipynb"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write(path, text)
    if entry.time:
        write(folder / "timestamp.txt", entry.time.isoformat() + "\n")  # with its offset, which nbgrader reads rightly
    else:
        (folder / "timestamp.txt").unlink(missing_ok=True)
    return text, notes


def digest_of(course, entry, notebook):
    """What a student's cells depend on: 16 characters for the notebook, then the rest."""
    results = course.results(entry.student)
    rest = [results.read_bytes() if results.exists() else b"", course.source.read_bytes()]
    parts = (notebook.encode() + rest[1], b"\0".join(rest))
    return "".join(hashlib.sha256(part).hexdigest()[:16] for part in parts)


def autograde(course, api, student, same_notebook):
    """nbgrader's autograde for one student. Returns why it failed, or None.

    same_notebook  nbgrader asks for points by hand again whenever it autogrades; where the answers are the same, those
                   that were given stay
    """
    open_before = waiting(course, student) if same_notebook else None
    done = api.autograde(ASSIGNMENT, student)
    if not done["success"]:
        errors = re.findall(r"(?m)^(?:\w+\.)*(\w*(?:Error|Exception|Entry): .*)", done.get("log", "") + done["error"])
        return errors[0] if errors else done["error"].strip().splitlines()[-1]
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


def dated(submission, entry, known, policy):
    """Time and extension of a submission, and what lateness costs with them."""
    utc = entry.time and (entry.time - entry.time.utcoffset()).replace(tzinfo=None)
    days = known[entry.student].extension_days if entry.student in known else 0
    submission.timestamp, submission.extension = utc, timedelta(days=days) if days else None
    late.settle(submission, policy)
