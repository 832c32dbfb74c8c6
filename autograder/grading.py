"""One submission in, one grade record out."""

import time
import traceback

from . import __version__, checks
from .box import TIER, BoxError
from .box.student import Student
from .expected import Expect
from .record import BLOCKED, CRASHED, PASSED, TIMED_OUT, UNGRADED, CheckResult, Failed, GradeRecord
from .submission import Refused, read


def grade(path, box, rubric, public, hidden=None, only=(), progress=lambda title: None):
    """Grade the submission at `path` in `box`.

    public, hidden  recorded Expectations; without hidden ones the grade is provisional
    only            parts to run; all by default
    progress        called with the title of each check before it runs
    Raises FileNotFoundError when there is no such path. What a student did never raises.
    """
    started = time.monotonic()
    sets = {"public": public, "hidden": hidden} if hidden else {"public": public}
    entries = [rubric.checks[id] for id in checks.CHECKS if not only or rubric.checks[id].part in only]
    try:
        submission = read(path)
        results = run(box, rubric, submission, sets, entries, progress)
        name, notes = submission.name, submission.notes
    except Refused as refused:
        name, notes = path.name, [f"Refused: {refused}."]
        results = [
            result(entry, Failed(BLOCKED, f"not run: the submission was refused, {refused}")) for entry in entries
        ]
    return GradeRecord(
        submission=name,
        checks=results,
        complete=len(entries) == len(rubric.checks) and hidden is not None,
        provisional=hidden is None,
        notes=notes,
        made_with={
            "kit_version": __version__,
            "device": "cpu",
            "box_tier": TIER,
            "start_method": box.start_method,
            "hidden_seed": hidden.metadata["seed"] if hidden else None,
        },
        seconds=time.monotonic() - started,
    )


def run(box, rubric, submission, sets, entries, progress):
    """Results of the checks, part by part, each part in a boxed process of its own."""
    limits = rubric.limits
    folder = box.stage(submission.files)
    budget = time.monotonic() + limits["exact_seconds"]
    results = {}
    stopper = None  # why nothing more is run: in this part, or at all
    try:
        probe(box, folder, limits)
    except Failed as failed:
        results[entries[0].id] = result(entries[0], failed)
        stopper = f"not run: scheduler.py could not be imported (see {entries[0].id})"
    except BoxError as error:
        return [result(entry, Failed(UNGRADED, f"the grader failed: {error}")) for entry in entries]
    for part in dict.fromkeys(entry.part for entry in entries):
        student = Student(box, folder, limits)
        timed_out = []
        for entry in (entry for entry in entries if entry.part == part and entry.id not in results):
            progress(entry.title)
            if not stopper and time.monotonic() > budget:
                stopper = f"not run: the checks before it used up the {limits['exact_seconds']} s of this submission"
            if not stopper and len(timed_out) >= limits["timeouts_per_part"]:
                reason = f"not run: {' and '.join(timed_out)} timed out"
            else:
                reason = stopper
            results[entry.id] = (
                result(entry, Failed(BLOCKED, reason)) if reason else check(student, entry, sets, results)
            )
            if results[entry.id].verdict == TIMED_OUT:
                timed_out.append(entry.id)
        student.close()
    return [results[entry.id] for entry in entries]


def probe(box, folder, limits):
    """Import scheduler.py once, in a process of its own. Raises Failed when that is not possible."""
    student = Student(box, folder, limits)
    try:
        student.load()
    finally:
        student.close()


def check(student, entry, sets, results):
    """Run one check on public and then on hidden cases; the first failure decides."""
    started = time.monotonic()

    def passed(id):
        return id in results and results[id].verdict == PASSED

    failed = None
    for name, expectations in sets.items():
        expect = Expect(expectations, entry.id, entry.tolerance, passed)
        try:
            checks.CHECKS[entry.id](student, expect)
            expect.settle()
        except Failed as found:
            failed = found if name == "public" else Failed(found.verdict, f"{found.message} (on a hidden case)")
        except Exception as error:  # a fault of ours must cost no points and must not stop the other checks
            student.facts = {"traceback": traceback.format_exc()}
            failed = Failed(
                UNGRADED, f"the grader failed, please tell your instructor: {type(error).__name__}: {error}"
            )
        if failed:
            break
    return result(entry, failed, student, time.monotonic() - started)


def result(entry, failed, student=None, seconds=0.0):
    """The CheckResult for what a check raised, or for a pass."""
    verdict, message = (failed.verdict, failed.message) if failed else (PASSED, "")
    if failed and failed.detail:
        message += f": {failed.detail}" if verdict == CRASHED else f" ({failed.detail})"
    printed = student.process.printed() if student and student.process else ""
    facts = student.facts if student else {}
    return CheckResult(entry.id, entry.part, entry.title, entry.points, verdict, message, None, printed, seconds, facts)
