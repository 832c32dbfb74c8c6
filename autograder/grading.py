"""One submission in, one grade record out."""

import contextlib
import time
import traceback
from dataclasses import dataclass, field
from itertools import chain

from . import __version__, causes, checks, given, parsing
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
    devices   what networks were trained on
    notes     what else the grade must say
    seconds   wall time so far
    student_seconds, wall_seconds  what Budget counts; its limits hold for all stages together
    """

    results: dict = field(default_factory=dict)
    suspects: dict = field(default_factory=dict)
    imported: list = field(default_factory=list)
    stopper: str | None = None
    runs: list = field(default_factory=list)
    box: dict = field(default_factory=dict)
    devices: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    seconds: float = 0.0
    student_seconds: float = 0.0
    wall_seconds: float = 0.0


def grade(path, box, rubric, public, hidden=None, only=(), progress=lambda title: None, gpu=False):
    """Grade the submission at `path` in `box`.

    public, hidden  recorded Expectations; without hidden ones the grade is provisional
    only            parts, or single checks, to run; all by default
    progress        called with the title of each check before it runs, and with what a long one says of itself
    gpu             whether training may use a GPU that works in the box
    Raises FileNotFoundError when there is no such path, and TooWeak. What a student did never raises.
    """
    weakness = strong_enough(path, box, rubric, hidden)
    sets = {"public": public, "hidden": hidden} if hidden else {"public": public}
    entries = [entry for entry in rubric.checks.values() if not only or {entry.id, entry.part} & set(only)]
    try:
        submission, found = read(path), Found()
        for stage in checks.STAGES:
            of_stage = [entry for entry in entries if entry.part in stage]
            if of_stage:
                run(found, box, rubric, submission, sets, of_stage, progress, gpu)
        name, notes = submission.name, submission.notes
    except Refused as refused:
        name, notes = path.name, [f"Refused: {refused}."]
        found = not_run(entries, f"the submission was refused, {refused}")
        found.box = confinement(box)
    return conclude(found, rubric, name, notes + weakness, hidden and hidden.metadata["seed"])


def not_run(entries, reason):
    """Found, where there is nothing to run."""
    return Found({entry.id: result(entry, Failed(BLOCKED, f"not run: {reason}")) for entry in entries})


def conclude(found, rubric, name, notes, hidden_seed):
    """The GradeRecord of all that was found, each mistake named."""
    diagnose(found.results, found.suspects, {id: entry.section for id, entry in rubric.checks.items()})
    device = " and ".join(found.devices) or "cpu"
    return GradeRecord(
        submission=name,
        checks=list(found.results.values()),
        complete=len(found.results) == len(rubric.checks) and hidden_seed is not None,
        provisional=hidden_seed is None,
        notes=notes + found.notes,
        runs=found.runs,
        made_with={"kit_version": __version__, "device": device, **found.box, "hidden_seed": hidden_seed},
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


def run(found, box, rubric, submission, sets, entries, progress=lambda title: None, gpu=False):
    """Run the checks of one stage and add to `found`. One process answers the public cases of all checks and another
    the hidden ones: what a public case prints is shown, and must not have seen a hidden input. One that ended is
    replaced; the next stage has new ones."""
    gpu = gpu and entries[0].part in chain(*checks.ON_GPU)
    near_gpu = box.find_gpu() if gpu else None
    limits, started = rubric.limits, time.monotonic() - found.seconds
    parsing.fresh()
    folder = box.stage(given.files() | submission.files)
    results = found.results
    budget = Budget(0, limits["wall_factor"], found.student_seconds, found.wall_seconds)
    students = {name: Student(box, folder, limits, budget, near_gpu) for name in sets}
    for name, student in students.items():
        student.imported = name in found.imported
    for entry in entries:
        progress(entry.title)
        budget.seconds = limits["exact_seconds" if entry.part in checks.EXACT else "total_seconds"]
        if entry.id == checks.SMOKE:  # it comes last, and has a time of its own
            budget.seconds = limits["smoke_seconds"]
            budget.student = budget.wall = 0
        timed_out = [id for id, done in results.items() if done.part == entry.part and done.verdict == TIMED_OUT]
        reason = found.stopper
        if budget.left()[0] < 0:
            reason = reason or f"not run: the checks before it took {budget.seconds} s, all there is"
        if len(timed_out) >= limits["timeouts_per_part"]:
            reason = f"not run: {' and '.join(timed_out)} timed out"
        results[entry.id] = (
            result(entry, Failed(BLOCKED, reason))
            if reason
            else check(students, entry, sets, results, found.suspects, progress)
        )
        if results[entry.id].verdict == UNGRADED and budget.left()[1] > 0:  # a fault of this host may have passed
            for student in students.values():
                with contextlib.suppress(BoxError):
                    student.close()
            results[entry.id] = check(students, entry, sets, results, found.suspects, progress)
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
    found.devices = list(dict.fromkeys([*found.devices, *(on for s in students.values() for on in s.trained_on)]))
    found.notes = list(dict.fromkeys([*found.notes, *on_the_gpu(students.values(), near_gpu, box, gpu)]))


def on_the_gpu(students, near_gpu, box, gpu):
    """What a grade must say of a GPU that was there and did not do all that it should."""
    if gpu and not near_gpu and box.gpu_fault:
        yield f"Training was graded on the CPU: {box.gpu_fault}."
    for student in students:
        if student.faults and "cpu" in student.trained_on:
            yield f"Training was graded on the CPU, as it failed {len(student.faults)} times on {near_gpu.name}: " + (
                "; ".join(dict.fromkeys(student.faults)) + "."
            )
        elif student.faults:
            yield f"Training on {near_gpu.name} failed once and was tried again: {student.faults[0]}."


def check(students, entry, sets, results, suspects, progress):
    """Run one check on public and then on hidden cases; the first failure decides."""
    started = time.monotonic()
    failed, evidence, printed, remarks, picture = None, None, "", [], ""

    def passed(id):
        return id in results and results[id].verdict == PASSED

    for name, expectations in sets.items():
        if entry.id == checks.SMOKE and name != "public":
            continue  # one long run, on which no hidden case could shed more light
        student = students[name]
        student.facts = {}
        expect = Expect(expectations, entry.id, entry.tolerance, passed, name == "public", progress)
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
        except (BoxError, OSError) as error:  # nor must what this host has too little of
            failed = Failed(UNGRADED, f"could not be graded here, which is not your fault: {error}")
        except Exception as error:  # a fault of ours must cost no points and must not stop the other checks
            student.facts = {"traceback": traceback.format_exc()}
            told = f"the grader failed, please tell your instructor: {type(error).__name__}: {error}"
            failed = Failed(UNGRADED, told)
        output = student.printed().strip()
        if name == "public":
            printed = output
            if entry.id in suspects:
                suspect, facts = suspects[entry.id], student.facts
                suspect.cause, suspect.follows = causes.cause(entry, student, expectations, passed, failed)
                student.facts = facts
                student.printed()  # what was tried is of no interest
        elif failed:  # hidden numbers stay hidden, also those that were printed, or made the name of an exception
            told = UNTOLD.get(failed.verdict, failed.message)
            failed = Failed(failed.verdict, f"{told} (on a hidden case)")
        picture = picture or expect.picture
        if failed:
            break
        remarks = expect.remarks
    hint = "" if failed else "\n".join(remarks)
    return result(entry, failed, hint, evidence, printed, student.facts, time.monotonic() - started, picture)


def result(entry, failed, hint="", evidence=None, printed="", facts=None, seconds=0.0, picture=""):
    """The CheckResult for what a check raised, or for a pass."""
    told = (
        {"verdict": failed.verdict, "message": failed.message, "detail": failed.detail}
        if failed
        else {"verdict": PASSED}
    )
    told |= {"hint": hint, "evidence": evidence, "printed": printed, "facts": facts or {}, "seconds": seconds}
    told["picture"] = picture
    return CheckResult(entry.id, entry.part, entry.title, entry.points, section=entry.section, **told)
