"""What a submission computes, read back from its answers to public cases: as part of a grade, and as a command of its
own, `python -m autograder reads`.

The checks run once more, with an Expect that only collects. What is right is called right and no more, so that nobody
can read here what they have not written; what cannot be read is called so. Nothing here decides about points. The
mathematics is that of readback/.

collecting  the answers, and what was asked
found       what was read of one thing, and how it is told
path        where samples lie between image and noise
tables, forward, timesteps, predict, posterior, steps, euler, guidance, loss, program  each reads one kind of thing
showing     all of it, for people and as data
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..box import Box, BoxError
from ..language import _
from ..record import BAD_OUTPUT, TIMED_OUT, WRONG, CheckResult, Evidence
from ..student import Budget, Student
from .collecting import Readers
from .euler import EULER, SOURCES, euler
from .forward import FORWARD, forward
from .found import TABLES, Found, not_read
from .guidance import GUIDED, guidance
from .loss import LOSSES, loss
from .posterior import POSTERIOR, posterior
from .predict import CLIPS, PREDICTIONS, clip, prediction
from .program import PROGRAM, program
from .showing import as_data, as_text
from .steps import STEPS, step
from .tables import SCHEDULES, tables
from .timesteps import timesteps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..expectations import Expectations
    from ..intake.submission import Submission
    from ..rubric import Rubric

__all__ = ["add_to", "as_data", "as_text", "of_failed", "read"]

SECONDS = 5  # of the student's time, for the answers that a grade's reading takes


def read(box: Box, submission: Submission, rubric: Rubric, public: Expectations) -> list[Found]:
    """What is found of a submission. Raises BoxError for what is this host's; what a student did never raises."""
    limits = rubric.limits
    budget = Budget(limits["exact_seconds"], limits["wall_factor"])
    with Student.at_work(box, submission.files, limits, budget) as student:
        readers = Readers(student, rubric, public)
        why = readers["schedule.linear"].stopped
        if not student.imported:
            found = Found("schedule.linear", "scheduler.py", dict.fromkeys(TABLES))
            found.say(not_read(why))
            return [found]
        there = [one for one in everything() if one[0] in rubric.checks]
        there = [one for one in there if one[0] != PROGRAM or "infer.py" in submission.files]
        return [attempt(readers, *one) for one in there]


def add_to(results: Mapping[str, CheckResult], student: Student, rubric: Rubric, public: Expectations) -> None:
    """Give the failed among the results of public cases what was read of them.

    results  by check; their `reads` and `computes` are filled in
    student  whose code they are of. Its time and its output are left as they were
    Nothing raises, and nothing is read of a submission that is slow, or that answers otherwise than it did.
    """
    wrong = {id: result.evidence for id, result in results.items() if result.verdict in (WRONG, BAD_OUTPUT)}
    if not wrong or any(result.verdict == TIMED_OUT for result in results.values()):
        return
    budget, (left, _rest) = student.budget, student.budget.left()
    student.budget = Budget(min(SECONDS, left), rubric.limits["wall_factor"])
    try:
        for found, failed in of_failed(student, rubric, public, wrong):
            for id in failed:
                results[id].reads = results[id].reads or found.reads
            if first := next((results[id] for id in failed if not results[id].computes), None):
                heading = _(
                    "What your code computes, {what} (the right one stands in handout {section}):",
                    what=found.what,
                    section=first.section,
                )
                several = [["", _("It is {what}.", what=each)] for each in found.cases if len(sources(found.check)) > 1]
                first.computes = [["", heading], *map(list, found.lines), *several]
    except Exception:  # these are only words, and a host that fails here may grade all the same
        pass
    finally:
        student.budget = budget
        student.printed()


def of_failed(
    student: Student, rubric: Rubric, public: Expectations, wrong: Mapping[str, Evidence | None]
) -> Iterator[tuple[Found, list[str]]]:
    """Yield (Found, the failed checks that it tells of) of what was read and is not as it should be.

    wrong  by check, of those that failed on public cases
    Raises BoxError and OSError for what is this host's.
    """
    readers = Readers(student, rubric, public)
    for check, what, reads in everything():
        mine = [id for id in sources(check) if id in wrong]
        failed = [id for id in mine if id == PROGRAM or readers[id].repeats(wrong[id])]
        if failed:
            found = attempt(readers, check, what, reads)
        else:
            failed = [id for id in mine if not readers[id].stopped]
            found = by_chance(check, what) if failed else None
        if found and found.telling and not readers.over:
            yield found, failed


def by_chance(check: str, what: str) -> Found:
    """The Found of answers that do not come out again."""
    found = Found(check, what)
    found.say(_("the same call, made again, gives another answer: it depends on chance, or on the calls before it"))
    found.notable = True
    return found


def sources(check: str) -> tuple[str, ...]:
    """The checks whose answers tell of a thing that is called after one of them."""
    if check == EULER:
        return SOURCES
    return STEPS[check][1] if check in STEPS else (check,)


def everything() -> Iterator[tuple[str, str, Callable[[Readers, Found], None]]]:
    """(check, what is read, the function that reads it)"""
    yield from ((f"schedule.{name}", _("tables of the {name} schedule", name=name), tables) for name in SCHEDULES)
    yield from ((check, method, forward) for check, (method, _) in FORWARD.items())
    yield "reverse.timesteps", "set_timesteps", timesteps
    for check, kind in PREDICTIONS.items():
        yield check, _("predict for {kind}, not clipped", kind=kind), prediction
    yield from ((check, _("predict with clip_sample"), clip) for check in CLIPS)
    yield POSTERIOR, "posterior", posterior
    for check, (variance, _rest) in STEPS.items():
        of = _("DDPM, {variance}", variance=variance) if variance else "DDIM"
        yield check, _("step of {sampler}, for epsilon, not clipped", sampler=of), step
    yield EULER, _("step of flow matching, not clipped"), euler
    yield GUIDED, _("guided, w being its scale"), guidance
    yield from ((check, _("loss for {kind}", kind=kind), loss) for check, kind in LOSSES.items())
    yield PROGRAM, _("infer.py, with a scheduler of the grader's in place of yours"), program


def attempt(readers: Readers, check: str, what: str, reads: Callable[[Readers, Found], None]) -> Found:
    """The Found of one thing. Whatever the student's numbers are, there is one."""
    found = Found(check, what)
    try:
        with np.errstate(all="ignore"):
            reads(readers, found)
    except (BoxError, OSError):
        raise
    except Exception:  # numbers of student code may be anything, and silence is never wrong
        found = Found(check, what, dict.fromkeys(found.reads))
        found.say(not_read(""))
    return found
