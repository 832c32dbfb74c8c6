"""A submission's answers to the public cases of the checks, right or wrong, and what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .. import checks
from ..box import BoxError
from ..expect import Expect
from ..language import _, english
from ..record import TIMED_OUT, Evidence, Failed
from ..student import ATTRIBUTES, Scheduler, Student, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..expect.answers import Answer
    from ..expectations import Expectations
    from ..rubric import Rubric

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
    forms     (4, 3) recorded weights, of a step
    """

    name: str
    where: str
    got: np.ndarray | None
    expected: np.ndarray
    right: bool
    close: bool
    scheduler: Watched
    method: str
    asked: tuple[tuple[Any, ...], dict[str, Any]]
    steps: int
    forms: np.ndarray | None = None

    @property
    def settings(self) -> dict[str, Any]:
        return self.scheduler.settings


class Watch:
    """A Student whose schedulers remember what they were asked."""

    def __init__(self, student: Student) -> None:
        self.student = student
        self.last: Watched | None = None

    def DDPMScheduler(self, **settings: Any) -> Watched:
        return Watched(self, self.student.DDPMScheduler, settings)

    def DDIMScheduler(self, **settings: Any) -> Watched:
        return Watched(self, self.student.DDIMScheduler, settings)

    def FlowMatchScheduler(self, **settings: Any) -> Watched:
        return Watched(self, self.student.FlowMatchScheduler, settings)

    def functions(self) -> Watched:
        return Watched(self, self.student.functions, {})


class Watched:
    """A scheduler that remembers its settings, the recorded list that holds now, and the last call of a method."""

    def __init__(self, watch: Watch, make: Callable[..., Scheduler], settings: dict[str, Any]) -> None:
        self.watch, self.make, self.settings = watch, make, settings
        self.scheduler, self.method = make(**settings), ""
        self.T: int = settings.get("num_train_timesteps", 1000)
        self.steps, self.listed = self.T, list(range(self.T))[::-1]
        self.asked: tuple[tuple[Any, ...], dict[str, Any]] = (), {}

    def __getattr__(self, name: str) -> Any:
        self.watch.last = self
        found = getattr(self.scheduler, name)
        return found if name in ATTRIBUTES else partial(self.called, name, found)

    def called(self, name: str, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.method, self.asked = name, (args, kwargs)
        if name == "set_timesteps":
            self.steps = args[0] if args else kwargs["num_inference_steps"]
        return method(*args, **kwargs)


class Collected(Exception):
    """All plain cases of a check have been run."""


class Reader(Expect):
    """An Expect that collects Cases, right or wrong, up to the first `settle`."""

    def __init__(self, expectations: Expectations, check: str, tolerance: float, watch: Watch) -> None:
        super().__init__(expectations, check, tolerance)
        self.watch, self.stopped = watch, ""
        self.cases: list[Case] = []

    def collect(self, compare: Callable[..., Answer], got: object, name: str, where: str, *rest: Any) -> None:
        try:
            right = compare(got, name, where, *rest).right
        except Failed:  # of another kind than it must be, but its numbers may be read
            right = False
        readable = isinstance(got, Value) and got.dtype.kind in "fiu"
        # pyrefly: ignore[bad-assignment]  # float64 of an array is one
        numbers: np.ndarray | None = np.float64(np.asarray(got)) if readable else None
        # pyrefly: ignore[bad-assignment]
        expected: np.ndarray = np.float64(self.recorded("value", name, where))
        scheduler = self.watch.last
        assert scheduler is not None  # who answered
        close = numbers is not None and numbers.shape == expected.shape and near(numbers, expected)
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

    def compare(self, *given: Any) -> None:  # pyrefly: ignore[bad-override]
        self.collect(super().compare, *given)

    def exactly(self, *given: Any) -> None:  # pyrefly: ignore[bad-override]
        self.collect(super().exactly, *given)

    # pyrefly: ignore[bad-override]
    def step(
        self,
        scheduler: Watched,
        model_output: np.ndarray,
        timestep: int,
        sample: np.ndarray,
        noise: np.ndarray,
        where: str,
        **options: Any,
    ) -> None:
        got = scheduler.step(model_output, timestep, sample, variance_noise=noise, **options)
        self.value(got, "x_prev", where, str(sample.dtype))
        self.cases[-1].forms = self.recorded("forms", "x_prev", where)

    def listed(self, scheduler: Watched) -> list[int]:  # pyrefly: ignore[bad-override]
        scheduler.listed = super().listed(scheduler)  # pyrefly: ignore[bad-argument-type]
        return scheduler.listed

    def settle(self) -> NoReturn:
        raise Collected

    def repeats(self, evidence: Evidence | None) -> bool:
        """Whether answers come out as they did when they were graded, and come out so again from another scheduler: who
        answers by chance is not read."""
        same = [
            case
            for case in self.cases
            if evidence and (case.name, english(case.where)) == (evidence.name, evidence.where)
        ]
        graded = all(case.got is not None and alike(case.got, evidence.got) for case in same if evidence)
        finite = [
            case for case in self.cases if not case.right and case.got is not None and np.isfinite(case.got).all()
        ]
        return not self.stopped and graded and (not finite or again(finite[-1]))


def again(case: Case) -> bool:
    """Whether a scheduler made anew gives the same answer; of an attribute nothing is known."""
    if not case.method or case.name == "timesteps":
        return True
    args, kwargs = case.asked
    scheduler = case.scheduler.make(**case.settings)
    if case.steps != case.scheduler.T:
        scheduler.set_timesteps(case.steps)
    answer = getattr(scheduler, case.method)(*args, **kwargs)
    return any(
        # pyrefly: ignore[bad-argument-type]  # float64 of an array is one
        isinstance(one, Value) and case.got is not None and alike(np.float64(np.asarray(one)), case.got)
        for one in (answer if isinstance(answer, tuple) else (answer,))
    )


def alike(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-4, atol=1e-6, equal_nan=True)


def near(got: np.ndarray, expected: np.ndarray) -> bool:
    """Whether an answer is the right one but for rounding: images as a whole, each entry of a table or list."""
    if expected.ndim == 1:
        return bool(np.all(np.abs(got - expected) <= CLOSE_ENTRY * np.abs(expected)))
    return bool(np.all(np.abs(got - expected) <= CLOSE * np.abs(expected).max(initial=1e-6)))


class Readers(dict[str, Reader]):
    """Readers by check; a check is run when its Reader is first asked for. What a student's code raises ends a check
    and is noted. Raises BoxError and OSError for what is this host's."""

    def __init__(self, student: Student, rubric: Rubric, public: Expectations) -> None:
        super().__init__()
        self.student, self.rubric, self.public, self.over = student, rubric, public, ""

    def __missing__(self, check: str) -> Reader:
        watch = Watch(self.student)
        reader = self[check] = Reader(self.public, check, self.rubric.checks[check].tolerance, watch)
        reader.stopped = self.over
        try:
            with np.errstate(all="ignore"):
                if not self.over:
                    # pyrefly: ignore[bad-argument-type]  # a Watch stands in for a Student
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
            reader.stopped = _("its answers cannot be compared")
        return reader
