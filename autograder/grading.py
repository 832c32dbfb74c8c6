"""One submission in, one grade record out."""

import contextlib
import time
import traceback
from dataclasses import dataclass, field

from . import __version__, checks, given
from .box import BoxError
from .box.layers import TIERS
from .box.student import Budget, Student
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


@dataclass
class Found:
    """What the stages so far found: all that the next one, or the record, has to know. A stage may run anywhere.

    results   {check: CheckResult}
    suspects  {check: Suspects}, for the diagnosis at the end
    imported  the sets of cases for which scheduler.py could be imported
    stopper   why nothing more is run, or None
    runs      facts about each boxed process that has ended
    box       what confined them: tier, what was not blocked, start method; of several boxes the weakest
    seconds   wall time so far
    student_seconds, wall_seconds  what Budget counts; its limits hold for all stages together
    """

    results: dict = field(default_factory=dict)
    suspects: dict = field(default_factory=dict)
    imported: list = field(default_factory=list)
    stopper: str | None = None
    runs: list = field(default_factory=list)
    box: dict = field(default_factory=dict)
    seconds: float = 0.0
    student_seconds: float = 0.0
    wall_seconds: float = 0.0


def grade(path, box, rubric, public, hidden=None, only=(), progress=lambda title: None, gpu=None):
    """Grade the submission at `path` in `box`.

    public, hidden  recorded Expectations; without hidden ones the grade is provisional
    only            parts, or single checks, to run; all by default
    progress        called with the title of each check before it runs
    gpu             name of the GPU that training may use; without one, or without a recorded run on it, it uses the CPU
    Raises FileNotFoundError when there is no such path, and TooWeak. What a student did never raises.
    """
    weakness = strong_enough(path, box, rubric, hidden)
    sets = {"public": public, "hidden": hidden} if hidden else {"public": public}
    entries = [rubric.checks[id] for id in checks.CHECKS if not only or {id, rubric.checks[id].part} & set(only)]
    known = gpu if all(expectations.ran_on(gpu) for expectations in sets.values()) else None
    try:
        submission, found = read(path), Found()
        for stage in checks.STAGES:
            of_stage = [entry for entry in entries if entry.part in stage]
            run(found, box, rubric, submission, sets, of_stage, progress, known)
        name, notes = submission.name, submission.notes
        if gpu and not known and any(entry.part == "training" for entry in entries):
            notes.append(f"Training was graded on the CPU: no run of the reference is recorded for {gpu}.")
    except Refused as refused:
        name, notes = path.name, [f"Refused: {refused}."]
        found = not_run(entries, f"the submission was refused, {refused}")
        found.box = confinement(box)
    return conclude(found, rubric, name, notes + weakness, hidden and hidden.metadata["seed"], known)


def not_run(entries, reason):
    """Found, where there is nothing to run."""
    return Found({entry.id: result(entry, Failed(BLOCKED, f"not run: {reason}")) for entry in entries})


def conclude(found, rubric, name, notes, hidden_seed, gpu):
    """The GradeRecord of all that was found, each mistake named."""
    diagnose(found.results, found.suspects)
    return GradeRecord(
        submission=name,
        checks=list(found.results.values()),
        complete=len(found.results) == len(rubric.checks) and hidden_seed is not None,
        provisional=hidden_seed is None,
        notes=notes,
        runs=found.runs,
        made_with={"kit_version": __version__, "device": gpu or "cpu", **found.box, "hidden_seed": hidden_seed},
        seconds=found.seconds,
    )


def confinement(box):
    """What a grade says about the box that it was made in."""
    return {"box_tier": box.tier, "box_not_blocked": box.not_blocked, "start_method": box.start_method}


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


def run(found, box, rubric, submission, sets, entries, progress=lambda title: None, gpu=None):
    """Run the checks of one stage and add to `found`. One process answers the public cases of all checks and another
    the hidden ones: what a public case prints is shown, and must not have seen a hidden input. One that ended is
    replaced; the next stage has new ones."""
    limits, started = rubric.limits, time.monotonic() - found.seconds
    folder = box.stage(given.files() | submission.files)
    results = found.results
    budget = Budget(0, limits["wall_factor"], found.student_seconds, found.wall_seconds)
    students = {name: Student(box, folder, limits, budget, gpu) for name in sets}
    for name, student in students.items():
        student.imported = name in found.imported
    for entry in entries:
        progress(entry.title)
        budget.seconds = limits["exact_seconds" if entry.part in checks.EXACT else "total_seconds"]
        timed_out = [id for id, done in results.items() if done.part == entry.part and done.verdict == TIMED_OUT]
        reason = found.stopper
        if budget.left()[0] < 0:
            reason = reason or f"not run: the checks before it took {budget.seconds} s, all there is"
        if len(timed_out) >= limits["timeouts_per_part"]:
            reason = f"not run: {' and '.join(timed_out)} timed out"
        results[entry.id] = (
            result(entry, Failed(BLOCKED, reason)) if reason else check(students, entry, sets, results, found.suspects)
        )
        if results[entry.id].verdict == UNGRADED and budget.left()[1] > 0:  # a fault of this host may have passed
            for student in students.values():
                with contextlib.suppress(BoxError):
                    student.close()
            results[entry.id] = check(students, entry, sets, results, found.suspects)
        if not students["public"].imported and results[entry.id].verdict != UNGRADED and not found.stopper:
            found.stopper = f"not run: scheduler.py could not be imported (see {entry.id})"
    for student in students.values():
        student.close()
    box.discard(folder)
    found.imported = [name for name, student in students.items() if student.imported]
    found.runs += [run for student in students.values() for run in student.runs]
    found.box = max(found.box, confinement(box), key=lambda one: one.get("box_tier", ""))
    found.seconds = time.monotonic() - started
    found.student_seconds, found.wall_seconds = budget.student, budget.wall


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
            try:
                student.box.expect_room()  # what fails on a full disk is nobody's mistake
            except BoxError as full:
                failed = Failed(UNGRADED, f"could not be graded here, which is not your fault: {full}")
                break
            if failed.verdict != BLOCKED:
                suspects[entry.id] = Suspects.of(expect, found)
                evidence = expect.evidence() if expect.public else None
        except (BoxError, OSError) as error:  # nor must what this host has too little of
            failed = Failed(UNGRADED, f"could not be graded here, which is not your fault: {error}")
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
