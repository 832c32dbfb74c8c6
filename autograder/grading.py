"""One submission in, one grade record out."""

import time
import traceback

from . import __version__, checks, given
from .box.layers import TIERS
from .box.student import Student
from .diagnosis import Suspects, diagnose
from .expected import Expect
from .paths import ROOT
from .record import (
    BAD_OUTPUT,
    BLOCKED,
    CRASHED,
    NOT_IMPLEMENTED,
    PASSED,
    TIMED_OUT,
    UNGRADED,
    CheckResult,
    Failed,
    GradeRecord,
)
from .submission import Refused, read

# What a student hears of a hidden case when the rest of it came from the student's own code.
UNTOLD = {
    CRASHED: "your code raised an exception or ended its process",
    NOT_IMPLEMENTED: "something is not implemented yet",
    BAD_OUTPUT: "a result is not the kind of tensor or number that it must be",
}


class TooWeak(Exception):
    """This host cannot confine other people's code as the rubric demands; the text says what helps."""


def grade(path, box, rubric, public, hidden=None, only=(), progress=lambda title: None, gpu=None):
    """Grade the submission at `path` in `box`.

    public, hidden  recorded Expectations; without hidden ones the grade is provisional
    only            parts, or single checks, to run; all by default
    progress        called with the title of each check before it runs
    gpu             name of the GPU that training may use; without one, or without a recorded run on it, it uses the CPU
    Raises FileNotFoundError when there is no such path, and TooWeak. What a student did never raises.
    """
    started = time.monotonic()
    weakness = strong_enough(path, box, rubric, hidden)
    sets = {"public": public, "hidden": hidden} if hidden else {"public": public}
    entries = [rubric.checks[id] for id in checks.CHECKS if not only or {id, rubric.checks[id].part} & set(only)]
    unknown = gpu and not all(expectations.ran_on(gpu) for expectations in sets.values())
    try:
        submission = read(path)
        results, runs = run(box, rubric, submission, sets, entries, progress, None if unknown else gpu)
        name, notes = submission.name, submission.notes
        if unknown and any(entry.part == "training" for entry in entries):
            notes.append(f"Training was graded on the CPU: no run of the reference is recorded for {gpu}.")
    except Refused as refused:
        name, notes, runs = path.name, [f"Refused: {refused}."], []
        results = [
            result(entry, Failed(BLOCKED, f"not run: the submission was refused, {refused}")) for entry in entries
        ]
    return GradeRecord(
        submission=name,
        checks=results,
        complete=len(entries) == len(rubric.checks) and hidden is not None,
        provisional=hidden is None,
        notes=notes + weakness,
        runs=runs,
        made_with={
            "kit_version": __version__,
            "device": "cpu" if unknown else gpu or "cpu",
            "box_tier": box.tier,
            "box_not_blocked": box.not_blocked,
            "start_method": box.start_method,
            "hidden_seed": hidden.metadata["seed"] if hidden else None,
        },
        seconds=time.monotonic() - started,
    )


def strong_enough(path, box, rubric, hidden):
    """Raise TooWeak where other people's code would run in too weak a box. Returns notes for one's own code there."""
    minimum = rubric.box["minimum_tier"]
    if TIERS.index(box.tier) <= TIERS.index(minimum):
        return []
    missing = "; ".join(f"{layer}: {why}" for layer, why in box.layers.missing.items() if layer != "spare user")
    missing = missing or f"not blocked: {', '.join(box.not_blocked)}"
    if hidden and path.resolve() not in (ROOT / "solution", ROOT / "assignment"):
        raise TooWeak(
            f"Not graded: the box reaches tier {box.tier} on this host, and grading others needs {minimum}. {missing}. "
            "`python -m autograder doctor` explains it; minimum_tier in autograder/rubric.toml lowers the demand."
        )
    return [f"The box reaches tier {box.tier} here: enough for your own code only (`python -m autograder doctor`)."]


def run(box, rubric, submission, sets, entries, progress, gpu):
    """Results of the checks, and facts about each boxed process. One process answers the public cases of all checks and
    another the hidden ones: what a public case prints is shown, and must not have seen a hidden input. One that ended
    is replaced."""
    limits, started = rubric.limits, time.monotonic()
    folder = box.stage(given.files() | submission.files)
    results, suspects = {}, {}
    stopper = None  # why nothing more is run
    students = {name: Student(box, folder, limits, gpu=gpu) for name in sets}
    for entry in entries:
        progress(entry.title)
        seconds = limits["exact_seconds" if entry.part in checks.EXACT else "total_seconds"]
        for student in students.values():
            student.until = started + seconds
        timed_out = [id for id, done in results.items() if done.part == entry.part and done.verdict == TIMED_OUT]
        reason = stopper
        if time.monotonic() > started + seconds:
            reason = reason or f"not run: the checks before it took {seconds} s, all there is"
        if len(timed_out) >= limits["timeouts_per_part"]:
            reason = f"not run: {' and '.join(timed_out)} timed out"
        results[entry.id] = (
            result(entry, Failed(BLOCKED, reason)) if reason else check(students, entry, sets, results, suspects)
        )
        if not students["public"].imported and results[entry.id].verdict != UNGRADED and not stopper:
            stopper = f"not run: scheduler.py could not be imported (see {entry.id})"
    for student in students.values():
        student.close()
    box.discard(folder)
    diagnose(results, suspects)
    return list(results.values()), [run for student in students.values() for run in student.runs]


def check(students, entry, sets, results, suspects):
    """Run one check on public and then on hidden cases; the first failure decides."""
    started = time.monotonic()
    failed, evidence, printed, remarks = None, None, "", []

    def passed(id):
        return id in results and results[id].verdict == PASSED

    for name, expectations in sets.items():
        student = students[name]
        student.facts = {}
        expect = Expect(expectations, entry.id, entry.tolerance, passed, name == "public", entry.gpu_tolerance)
        try:
            if entry.part not in checks.EXACT and expectations.metadata["given"] != given.version():
                changed = "unet.py or train.py in assignment/ is not the kit's own; put the original back"
                raise Failed(UNGRADED, f"cannot be graded: {changed} (instructors: `make skeleton record`)")
            checks.run(entry.id, student, expect)
        except Failed as found:
            failed = found
            if failed.verdict != BLOCKED:
                suspects[entry.id] = Suspects.of(expect, found)
                evidence = expect.evidence() if expect.public else None
        except Exception as error:  # a fault of ours must cost no points and must not stop the other checks
            student.facts = {"traceback": traceback.format_exc()}
            told = f"the grader failed, please tell your instructor: {type(error).__name__}: {error}"
            failed = Failed(UNGRADED, told)
        output = student.printed().strip()
        if name == "public":
            printed = output
        elif failed:  # hidden numbers stay hidden, also those that were printed, or made the name of an exception
            told = UNTOLD.get(failed.verdict, failed.message)
            failed = Failed(failed.verdict, f"{told} (on a hidden case)")
        if failed:
            break
        remarks = expect.remarks
    hint = "" if failed else "\n".join(remarks)
    return result(entry, failed, hint, evidence, printed, student.facts, time.monotonic() - started)


def result(entry, failed, hint="", evidence=None, printed="", facts=None, seconds=0.0):
    """The CheckResult for what a check raised, or for a pass."""
    told = (
        {"verdict": failed.verdict, "message": failed.message, "detail": failed.detail}
        if failed
        else {"verdict": PASSED}
    )
    told |= {"hint": hint, "evidence": evidence, "printed": printed, "facts": facts or {}, "seconds": seconds}
    return CheckResult(entry.id, entry.part, entry.title, entry.points, **told)
