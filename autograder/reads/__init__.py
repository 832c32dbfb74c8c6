"""What a submission computes, read back from its answers to public cases: `python -m autograder reads`.

It stands outside of grading: the checks run with an Expect that only collects. What is right is called right and no
more, so that nobody can read here what they have not written; what cannot be read is called so. The mathematics is
that of readback/.

collecting  the answers, and what was asked
found       what was read of one thing, and how it is told
tables, timesteps, predict, steps  each reads one kind of thing
showing     all of it, for people and as data
"""

import numpy as np

from .. import given
from ..box import BoxError
from ..box.student import Budget, Student
from .collecting import collect
from .found import TABLES, Found
from .predict import PREDICTIONS, clip, prediction
from .showing import as_data, as_text
from .steps import STEPS, step
from .tables import SCHEDULES, tables
from .timesteps import timesteps

__all__ = ["as_data", "as_text", "read"]

ALL = (
    *(f"schedule.{name}" for name in SCHEDULES), "reverse.timesteps", *PREDICTIONS, "reverse.clip",
    *dict.fromkeys(check for _, sources in STEPS.values() for check in sources),
)  # fmt: skip


def read(box, submission, rubric, public):
    """[Found] of a submission. Raises BoxError for what is this host's; what a student did never raises."""
    folder = box.stage(given.files() | submission.files)
    limits = rubric.limits
    student = Student(box, folder, limits, Budget(limits["exact_seconds"], limits["wall_factor"]))
    try:
        readers = collect(student, rubric, public, ALL)
        if not student.imported:
            why = readers[ALL[0]].stopped
            return [Found(ALL[0], "scheduler.py", dict.fromkeys(TABLES), [f"not read: {why}"])]
        return [attempt(readers, *one) for one in everything()]
    finally:
        student.close()
        box.discard(folder)


def everything():
    """(check, what is read, the function that reads it)"""
    yield from ((f"schedule.{name}", f"tables of the {name} schedule", tables) for name in SCHEDULES)
    yield "reverse.timesteps", "set_timesteps", timesteps
    yield from ((check, f"predict for {kind}, not clipped", prediction) for check, kind in PREDICTIONS.items())
    yield "reverse.clip", "predict with clip_sample", clip
    for check, (variance, _) in STEPS.items():
        yield check, f"step of {f'DDPM, {variance}' if variance else 'DDIM'}, for epsilon, not clipped", step


def attempt(readers, check, what, reads):
    """The Found of one thing. Whatever the student's numbers are, there is one."""
    found = Found(check, what)
    try:
        with np.errstate(all="ignore"):
            reads(readers, found)
    except (BoxError, OSError):
        raise
    except Exception:  # numbers of student code may be anything, and silence is never wrong
        found.reads, found.lines = dict.fromkeys(found.reads), ["not read"]
    return found
