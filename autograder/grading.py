"""One submission in, one grade record out."""

from __future__ import annotations

import contextlib
import time
import traceback
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from . import __version__, causes, checks, given, reads
from .box import BoxError
from .box.layers import is_weaker
from .diagnosis import Suspects, diagnose, hold_to_formulas
from .expect import Expect
from .intake import parsing
from .intake.submission import Refused, read
from .language import N_, _, joined, together
from .paths import ROOT
from .record import (
    BAD_OUTPUT,
    BLOCKED,
    CRASHED,
    NOT_IMPLEMENTED,
    OVER_LIMIT,
    PASSED,
    TIMED_OUT,
    UNGRADED,
    WRONG,
    CheckResult,
    Failed,
    GradeRecord,
)
from .student import Budget, Student

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from .box import Box
    from .box.proof import Gpu
    from .checks import Stage
    from .expectations import Expectations
    from .intake.submission import Submission
    from .record import Evidence
    from .rubric import Entry, Rubric

# All that a student hears of a hidden case: the verdict. Whatever else is known of it, their code could have chosen.
TOLD = {
    WRONG: N_("a result is wrong (on a hidden case)"),
    CRASHED: N_("your code raised an exception or ended its process (on a hidden case)"),
    NOT_IMPLEMENTED: N_("something is not implemented yet (on a hidden case)"),
    TIMED_OUT: N_("something took too long (on a hidden case)"),
    OVER_LIMIT: N_("your code went over a limit (on a hidden case)"),
    BAD_OUTPUT: N_("a result is not the kind of tensor or number that it must be (on a hidden case)"),
    BLOCKED: N_("not run, because of what came before (on a hidden case)"),
    UNGRADED: N_("the grader failed, please tell your instructor (on a hidden case)"),
}

NOT_HERE = N_("could not be graded here, which is not your fault: {why}")


class TooWeak(Exception):
    """This host cannot confine other people's code as the rubric demands; the text says what helps."""


@dataclass
class Found:
    """What the stages so far found: all that the next one, or the record, has to know. A stage may run anywhere.

    results   by the ids of their checks; so are `waiting` and `suspects`
    waiting   results of those whose public cases passed, and whose hidden ones are still to be run
    suspects  for the diagnosis at the end
    imported  whether scheduler.py could be imported
    stopper   why nothing more is run
    runs      facts about each boxed process that has ended
    box       what confined them: tier, what was not blocked, start method; of several boxes the weakest
    devices   what networks were trained on
    notes     what else the grade must say
    seconds   wall time so far
    student_seconds, wall_seconds  what Budget counts; its limits hold for all stages together
    exact     of these two, what the exact parts took
    """

    results: dict[str, CheckResult] = field(default_factory=dict)
    waiting: dict[str, CheckResult] = field(default_factory=dict)
    suspects: dict[str, Suspects] = field(default_factory=dict)
    imported: bool = False
    stopper: str | None = None
    runs: list[dict[str, Any]] = field(default_factory=list)
    box: dict[str, Any] = field(default_factory=dict)
    devices: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    student_seconds: float = 0.0
    wall_seconds: float = 0.0
    exact: tuple[float, float] = (0.0, 0.0)

    def passed(self, id: str) -> bool:
        """Whether a check has passed in all cases that were run so far."""
        return id in self.waiting or (id in self.results and self.results[id].verdict == PASSED)


def grade(
    path: Path,
    box: Box,
    rubric: Rubric,
    public: Expectations,
    hidden: Expectations | None = None,
    only: Collection[str] = (),
    progress: Callable[[str], object] = lambda title: None,
    gpu: bool = False,
) -> GradeRecord:
    """Grade the submission at `path` in `box`.

    public, hidden  the recorded cases; without hidden ones the grade is provisional
    only            parts, or single checks, to run; all by default
    progress        called before each check with its title, with what a long one says of itself, and before what
                    failed is read back
    gpu             whether training may use a GPU that works in the box
    Raises FileNotFoundError when there is no such path, and TooWeak. What a student did never raises.
    """
    weakness = strong_enough(path, box, rubric, hidden)
    sets = {"public": public, "hidden": hidden} if hidden else {"public": public}
    entries = [entry for entry in rubric.checks.values() if not only or {entry.id, entry.part} & set(only)]
    try:
        submission, found = read(path), Found()
        for stage in checks.STAGES:
            run(found, box, rubric, submission, sets, stage, entries, progress, gpu)
        name, notes = submission.name, submission.notes
    except Refused as refused:
        name, notes = path.name, [_("Refused: {why}.", why=refused)]
        found = not_run(entries, _("the submission was refused, {why}", why=refused))
        found.box = confinement(box)
    return conclude(found, rubric, name, notes + weakness, hidden.metadata["seed"] if hidden else None)


def not_run(entries: Iterable[Entry], reason: str) -> Found:
    """What is found where there is nothing to run."""
    return Found({entry.id: result(entry, Failed(BLOCKED, _("not run: {reason}", reason=reason))) for entry in entries})


def conclude(found: Found, rubric: Rubric, name: str, notes: list[str], hidden_seed: str | None) -> GradeRecord:
    """The grade of all that was found, each mistake named.

    name         of the submission
    hidden_seed  fingerprint of the seed of the hidden cases, where they were run
    """
    diagnose(found.results, found.suspects, {id: entry.section for id, entry in rubric.checks.items()})
    device = " and ".join(found.devices) or "cpu"
    return GradeRecord(
        submission=name,
        checks=[found.results[id] for id in checks.ALL if id in found.results],
        complete=len(found.results) == len(rubric.checks) and hidden_seed is not None,
        provisional=hidden_seed is None,
        notes=notes + found.notes,
        runs=found.runs,
        made_with={"kit_version": __version__, "device": device, **found.box, "hidden_seed": hidden_seed},
        seconds=found.seconds,
    )


def confinement(box: Box) -> dict[str, Any]:
    """What a grade says about the box that it was made in."""
    return {"box_tier": box.tier, "box_not_blocked": box.not_blocked, "start_method": box.start_method}


def strong_enough(path: Path, box: Box, rubric: Rubric, hidden: Expectations | None) -> list[str]:
    """Raise TooWeak where other people's code would run in too weak a box. Returns notes for one's own code there."""
    minimum = rubric.box["minimum_tier"]
    if not is_weaker(box.tier, minimum):
        return []
    missing = "; ".join(f"{layer}: {why}" for layer, why in box.layers.missing.items() if layer != "spare user")
    missing = missing or f"not blocked: {', '.join(box.not_blocked)}"
    if hidden and path.resolve() not in (ROOT / "solution", ROOT / "assignment"):
        raise TooWeak(
            f"Not graded: the box reaches tier {box.tier} on this host, and grading others needs {minimum}. {missing}. "
            "`python -m autograder doctor` explains it; minimum_tier in autograder/rubric.toml lowers the demand."
        )
    says = N_("The box reaches tier {tier} here: enough for your own code only (`python -m autograder doctor`).")
    return [_(says, tier=box.tier)]


@np.errstate(all="ignore")  # a student's numbers may be anything, and numpy's warnings are nothing to read
def run(
    found: Found,
    box: Box,
    rubric: Rubric,
    submission: Submission,
    sets: Mapping[str, Expectations],
    stage: Stage,
    entries: Iterable[Entry],
    progress: Callable[[str], object] = lambda title: None,
    gpu: bool = False,
) -> None:
    """Run one stage and add to `found`: of these checks, those of its parts that can still pass. The stage has a
    process of its own; one that ended is replaced.

    sets  the recorded cases: "public", and "hidden" where there are any
    """
    if stage.cases not in sets:
        return
    entries = [e for e in entries if e.part in stage.parts and (stage.cases == "public" or e.id in found.waiting)]
    if not entries:
        return
    gpu = gpu and stage.gpu
    near_gpu = box.find_gpu() if gpu else None
    limits, started, exact = rubric.limits, time.monotonic(), stage.parts == checks.EXACT
    factor, name = limits["wall_factor"], stage.seconds
    whole = name == "total_seconds"  # else it has a time of its own
    spent = (found.student_seconds, found.wall_seconds) if whole else (0, 0)
    budget = Budget(limits[name], factor, *spent)
    least = found.exact[0] + limits["hidden_seconds"] if stage.cases == "hidden" else 0
    allowed = max(limits["exact_seconds"], least)  # a call that hangs in public takes nothing from other checks
    if exact and allowed - found.exact[0] < budget.left()[0]:
        name, budget = "exact_seconds", Budget(allowed, factor, *found.exact)
    before = budget.student, budget.wall
    goes_on = stage.cases == "public" and "hidden" in sets and checks.Stage("hidden", stage.parts) in checks.STAGES
    parsing.fresh()
    with Student.at_work(box, submission.files, limits, budget, near_gpu) as student:
        student.imported = found.imported
        slow = []  # (check, part) of those that time out in these cases
        for entry in entries:
            progress(entry.title)
            timed_out = [id for id, part in slow if part == entry.part]
            reason = found.stopper
            if budget.left()[0] < 0:
                over = _("not run: the checks before it took {seconds} s, all there is", seconds=limits[name])
                reason = reason or over
            if len(timed_out) >= limits["timeouts_per_part"]:
                reason = _("not run: {checks} timed out", checks=together(timed_out))
            carries = not all(found.passed(id) for id, each in rubric.checks.items() if each.part in checks.EXACT)
            asked = student, entry, sets[stage.cases], stage.cases == "public", found, progress, carries
            made = result(entry, Failed(BLOCKED, reason)) if reason else check(*asked)
            if made.verdict == UNGRADED and budget.left()[1] > 0:  # a fault of this host may have passed
                with contextlib.suppress(BoxError):
                    student.close()
                made = check(*asked)
            if made.verdict == TIMED_OUT:
                slow.append((entry.id, entry.part))
            if stage.cases == "hidden":
                made = both(found.waiting.pop(entry.id), made)
            settled = made.verdict != PASSED or not goes_on
            (found.results if settled else found.waiting)[entry.id] = made
            if not student.imported and made.verdict != UNGRADED and not found.stopper:
                found.stopper = _("not run: scheduler.py could not be imported (see {check})", check=entry.id)
        took = budget.student - before[0], budget.wall - before[1]
        if stage.cases == "public":
            progress(_("What your code computes"))
            results = {entry.id: found.results[entry.id] for entry in entries if entry.id in found.results}
            reads.add_to(results, student, rubric, sets["public"])
            suspects = {id: suspect for id, suspect in found.suspects.items() if id in results}
            hold_to_formulas(suspects, results, sets["public"].mistakes["reads"])
    found.imported = student.imported
    found.runs += student.runs
    if not found.box or is_weaker(box.tier, found.box["box_tier"]):
        found.box = confinement(box)
    found.seconds += time.monotonic() - started
    if whole:
        found.student_seconds, found.wall_seconds = found.student_seconds + took[0], found.wall_seconds + took[1]
    if exact:
        found.exact = found.exact[0] + took[0], found.exact[1] + took[1]
    found.devices = list(dict.fromkeys([*found.devices, *student.trained_on]))
    found.notes = list(dict.fromkeys([*found.notes, *on_the_gpu(student, near_gpu, box, gpu)]))


def on_the_gpu(student: Student, near_gpu: Gpu | None, box: Box, gpu: bool) -> Iterator[str]:
    """What a grade must say of a GPU that was there and did not do all that it should."""
    if gpu and not near_gpu and box.gpu_fault:
        yield _("Training was graded on the CPU: {why}.", why=box.gpu_fault)
    if near_gpu and student.faults and "cpu" in student.trained_on:
        why = joined(_("; "), dict.fromkeys(student.faults))
        says = N_("Training was graded on the CPU, as it failed {count} times on {gpu}: {why}.")
        yield _(says, count=len(student.faults), gpu=near_gpu.name, why=why)
    elif near_gpu and student.faults:
        says = N_("Training on {gpu} failed once and was tried again: {why}.")
        yield _(says, gpu=near_gpu.name, why=student.faults[0])


def check(
    student: Student,
    entry: Entry,
    expectations: Expectations,
    public: bool,
    found: Found,
    progress: Callable[[str], object],
    carries: bool,
) -> CheckResult:
    """Run one check on public or on hidden cases.

    carries  whether any of the exact checks of this course has not passed
    """
    started = time.monotonic()
    failed = evidence = None
    student.facts = {}
    expect = Expect(expectations, entry.id, entry.tolerance, found.passed, public, progress, carries)
    try:
        if entry.part not in checks.EXACT and expectations.metadata["given"] != given.version():
            changed = _(
                "cannot be graded: a given file in assignment/ is not the kit's own; put the original back "
                "(instructors: `make skeleton record`)"
            )
            raise Failed(UNGRADED, changed)
        checks.run(entry.id, student, expect)
    except Failed as why:
        failed = why
        try:
            student.box.expect_room()  # what fails on a full disk is nobody's mistake
        except BoxError as full:
            failed = Failed(UNGRADED, _(NOT_HERE, why=full))
        if failed.verdict not in (BLOCKED, UNGRADED) and public:
            found.suspects[entry.id] = Suspects.of(expect, failed)
            evidence = expect.evidence()
    except (BoxError, OSError) as error:  # nor must what this host has too little of
        failed = Failed(UNGRADED, _(NOT_HERE, why=error))
    except Exception as error:  # a fault of ours must cost no points and must not stop the other checks
        student.facts = {"traceback": traceback.format_exc()}
        what = f"{type(error).__name__}: {error}"
        told = _("the grader failed, please tell your instructor: {what}", what=what)
        failed = Failed(UNGRADED, told)
    printed, hint = student.printed().strip(), "" if failed else "\n".join(expect.remarks)
    if failed and entry.id in found.suspects and public:
        suspect, facts = found.suspects[entry.id], student.facts
        suspect.cause, suspect.follows = causes.cause(entry, student, expectations, found.passed, failed)
        student.facts = facts
        student.printed()  # what was tried is of no interest
    made = result(entry, failed, hint, evidence, printed, student.facts, time.monotonic() - started, expect.picture)
    return replace(made, standing=expect.standing)


def both(public: CheckResult, hidden: CheckResult) -> CheckResult:
    """The result of a check whose public cases passed, with what its hidden cases came to."""
    seconds = public.seconds + hidden.seconds
    together = replace(public, facts=hidden.facts, seconds=seconds, standing=hidden.standing)
    if hidden.verdict == PASSED:
        return together
    return replace(together, verdict=hidden.verdict, message=_(TOLD[hidden.verdict]))


def result(
    entry: Entry,
    failed: Failed | None,
    hint: str = "",
    evidence: Evidence | None = None,
    printed: str = "",
    facts: dict[str, Any] | None = None,
    seconds: float = 0.0,
    picture: str = "",
) -> CheckResult:
    """The result of a check that raised `failed`, or that passed."""
    told: dict[str, Any] = (
        {"verdict": failed.verdict, "message": failed.message, "detail": failed.detail}
        if failed
        else {"verdict": PASSED}
    )
    told |= {"hint": hint, "evidence": evidence, "printed": printed, "facts": facts or {}, "seconds": seconds}
    told["picture"] = picture
    kept = {"section": entry.section, "bonus": entry.bonus, "place": failed.place if failed else ""}
    return CheckResult(entry.id, entry.part, entry.title, entry.points, **kept, **told)
