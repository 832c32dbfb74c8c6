"""A submission's answers to the public cases of the checks, right or wrong, and what was asked."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from .. import checks
from ..box import BoxError
from ..expect import Expect
from ..record import TIMED_OUT, Failed
from ..student import ATTRIBUTES, Value

CLOSE, CLOSE_ENTRY = 1e-3, 1e-5  # what is so near to the right values is not written out, whatever is wrong with it


@dataclass(eq=False)
class Case:
    """One answer, and what was asked.

    got       float64, None where it is no array of numbers
    right     whether it passes
    close     whether its numbers at least are near the right ones
    method    that was called last, or ""
    asked     its arguments, by position and by name
    steps     S of the list that holds
    forms     (3, 3) recorded weights, of a step
    """

    name: str
    where: str
    got: np.ndarray | None
    expected: np.ndarray
    right: bool
    close: bool
    scheduler: object
    method: str
    asked: tuple
    steps: int
    forms: np.ndarray | None = None

    @property
    def settings(self):
        return self.scheduler.settings


class Watch:
    """A Student whose schedulers remember what they were asked."""

    def __init__(self, student):
        self.student, self.last = student, None

    def DDPMScheduler(self, **settings):
        return Watched(self, self.student.DDPMScheduler, settings)

    def DDIMScheduler(self, **settings):
        return Watched(self, self.student.DDIMScheduler, settings)


class Watched:
    """A scheduler that remembers its settings, the recorded list that holds now, and the last call of a method."""

    def __init__(self, watch, make, settings):
        self.watch, self.make, self.settings = watch, make, settings
        self.scheduler, self.method = make(**settings), ""
        self.T = settings.get("num_train_timesteps", 1000)
        self.steps, self.asked, self.listed = self.T, ((), {}), list(range(self.T))[::-1]

    def __getattr__(self, name):
        self.watch.last = self
        found = getattr(self.scheduler, name)
        return found if name in ATTRIBUTES else partial(self.called, name, found)

    def called(self, name, method, *args, **kwargs):
        self.method, self.asked = name, (args, kwargs)
        if name == "set_timesteps":
            self.steps = args[0] if args else kwargs["num_inference_steps"]
        return method(*args, **kwargs)


class Collected(Exception):
    """All plain cases of a check have been run."""


class Reader(Expect):
    """An Expect that collects Cases, right or wrong, up to the first `settle`."""

    def __init__(self, expectations, check, tolerance, watch):
        super().__init__(expectations, check, tolerance)
        self.watch, self.cases, self.stopped = watch, [], ""

    def collect(self, compare, got, name, where, *rest):
        try:
            right = compare(got, name, where, *rest).right
        except Failed:  # of another kind than it must be, but its numbers may be read
            right = False
        readable = isinstance(got, Value) and got.dtype.kind in "fiu"
        numbers = np.float64(np.asarray(got)) if readable else None
        expected = np.float64(self.recorded("value", name, where))
        scheduler = self.watch.last
        close = bool(readable and numbers.shape == expected.shape and near(numbers, expected))
        self.cases.append(
            Case(
                name,
                where,
                numbers,
                expected,
                right,
                close,
                scheduler,
                scheduler.method,
                scheduler.asked,
                scheduler.steps,
            )
        )

    def compare(self, *given):
        self.collect(super().compare, *given)

    def exactly(self, *given):
        self.collect(super().exactly, *given)

    def step(self, scheduler, model_output, timestep, sample, noise, where, **options):
        got = scheduler.step(model_output, timestep, sample, variance_noise=noise, **options)
        self.value(got, "x_prev", where, str(sample.dtype))
        self.cases[-1].forms = self.recorded("forms", "x_prev", where)

    def listed(self, scheduler):
        scheduler.listed = super().listed(scheduler)
        return scheduler.listed

    def settle(self):
        raise Collected

    def repeats(self, evidence):
        """Whether answers come out as they did when they were graded, and come out so again from another scheduler: who
        answers by chance is not read."""
        same = [case for case in self.cases if evidence and (case.name, case.where) == (evidence.name, evidence.where)]
        graded = all(case.got is not None and alike(case.got, evidence.got) for case in same)
        finite = [
            case for case in self.cases if not case.right and case.got is not None and np.isfinite(case.got).all()
        ]
        return not self.stopped and graded and (not finite or again(finite[-1]))


def again(case):
    """Whether a scheduler made anew gives the same answer; of an attribute nothing is known."""
    if not case.method or case.name == "timesteps":
        return True
    args, kwargs = case.asked
    scheduler = case.scheduler.make(**case.settings)
    if case.steps != case.scheduler.T:
        scheduler.set_timesteps(case.steps)
    answer = getattr(scheduler, case.method)(*args, **kwargs)
    return any(
        isinstance(one, Value) and alike(np.float64(np.asarray(one)), case.got)
        for one in (answer if isinstance(answer, tuple) else (answer,))
    )


def alike(one, other):
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-4, atol=1e-6, equal_nan=True)


def near(got, expected):
    """Whether an answer is the right one but for rounding: images as a whole, each entry of a table or list."""
    if expected.ndim == 1:
        return bool(np.all(np.abs(got - expected) <= CLOSE_ENTRY * np.abs(expected)))
    return bool(np.all(np.abs(got - expected) <= CLOSE * np.abs(expected).max(initial=1e-6)))


class Readers(dict):
    """{check: Reader}; a check is run when its Reader is first asked for. What a student's code raises ends a check and
    is noted. Raises BoxError and OSError for what is this host's."""

    def __init__(self, student, rubric, public):
        super().__init__()
        self.student, self.rubric, self.public, self.over = student, rubric, public, ""

    def __missing__(self, check):
        watch = Watch(self.student)
        reader = self[check] = Reader(self.public, check, self.rubric.checks[check].tolerance, watch)
        reader.stopped = self.over
        try:
            with np.errstate(all="ignore"):
                if not self.over:
                    checks.run(check, watch, reader)
        except Collected:
            pass
        except Failed as failed:
            reader.stopped = failed.message
            if not self.student.imported or failed.verdict == TIMED_OUT:  # the rest would only take as long
                self.over = failed.message
        except (BoxError, OSError):
            raise
        except Exception:  # an answer that nobody thought of
            reader.stopped = "its answers cannot be compared"
        return reader
