"""What a check holds against what: a student's answers beside the recorded ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..box.inside.wire import Other
from ..language import N_, _, english
from ..record import BAD_OUTPUT, Evidence, Failed
from ..student import Scheduler, Value
from ..which import settings
from .answers import Answer, Step
from .inputs import Inputs

if TYPE_CHECKING:
    from ..expectations import Expectations

SMALL = 1e-6  # what counts as zero beside images; a variance of 0 must not demand exact zeros


class Comparison(Inputs):
    """The answers of one check so far.

    carries  whether samples of infer.py may be right with another scheduler than the student's: some check of that one
             was lost, or not run

    Values are collected; `settle` raises Failed for wrong ones.
    """

    def __init__(
        self,
        expectations: Expectations,
        check: str,
        tolerance: float,
        passed: Callable[[str], bool] = lambda check: True,
        public: bool = True,
        tell: Callable[[str], object] = lambda text: None,
        carries: bool = False,
    ) -> None:
        super().__init__(expectations, check)
        self.tolerance, self.passed, self.public, self.tell, self.carries = tolerance, passed, public, tell, carries
        self.answers: list[Answer] = []  # every Answer so far
        self.wrong: list[Answer] = []  # those that differ, and are not carried forward
        self.settled = False  # whether the check ended with wrong values, and not with something else
        self.remarks: list[str] = []  # what else is worth telling, whatever the verdict
        self.standing: dict[str, float] = {}  # numbers of a contest, the less the better
        self.picture = ""  # what the student's work drew, for the report: a PNG, in base64

    def value(self, got: object, name: str, where: str, dtype: str | None = None) -> Answer:
        """Compare a tensor with the recorded one.

        Errors are relative to the largest expected element.

        name   what it is, for every reader
        where  for which case, for readers of public cases only; the two together name one value of the check
        """
        return self.compare(got, name, where, dtype, lambda expected: np.abs(expected).max(initial=SMALL))

    def table(self, got: object, name: str, where: str) -> None:
        """Compare a float32 table with the recorded one. Errors are relative element by element: small ones matter."""
        self.compare(got, name, where, "float32", lambda expected: np.maximum(np.abs(expected), SMALL**2))

    def pair(self, got: object, method: str) -> None:
        """Raise Failed unless a method returned two things."""
        if not (isinstance(got, tuple) and len(got) == 2):
            says = N_("{method} must return two tensors, `return a, b`; got {kind}")
            raise Failed(BAD_OUTPUT, _(says, method=method, kind=kind_of(got)))

    def exactly(self, got: object, name: str, where: str) -> Answer:
        """Compare integers: an int64 tensor or a Python int."""
        expected = self.recorded("value", name, where)
        if expected.ndim:
            self.tensor(got, expected.shape, name, "int64", where)
        elif type(got) is not int:
            says = N_("{name} must be an int of Python, got {kind}; int(...) makes one")
            raise Failed(BAD_OUTPUT, _(says, name=name, kind=kind_of(got)), where)
        return self.note(Answer(name, where, got, expected, scale=1.0, tolerance=self.tolerance))

    def compare(
        self,
        got: object,
        name: str,
        where: str,
        dtype: str | None,
        scale: Callable[[np.ndarray], np.ndarray | np.floating],
    ) -> Answer:
        expected = self.recorded("value", name, where)
        self.tensor(got, expected.shape, name, dtype or str(expected.dtype), where)
        return self.note(Answer(name, where, got, expected, scale(expected), self.tolerance))

    def measured(self, got: float, name: str, where: str, below: float | None = None) -> None:
        """Compare a number that the grader measured itself. Its error is relative.

        below  how far it may be below the recorded one, where that is another share than above
        """
        self.near(got, self.recorded("value", name, where), name, where, self.tolerance, below)

    def near(
        self,
        got: float,
        expected: np.ndarray | float,
        name: str,
        where: str,
        tolerance: float,
        below: float | None = None,
    ) -> Answer:
        """The same for a number with an expected value that is not recorded."""
        scale = np.abs(expected) * (below / tolerance if below and got < expected else 1)
        answer = Answer(name, where, np.float64(got), expected, scale, tolerance)
        answer.complaint = N_("{name} is too far from the reference's")
        return self.note(answer)

    def live(self, compare: Callable[[], object]) -> None:
        """Call `compare`, which holds what the student's work does beside what the reference does on this very machine:
        nothing of it can be recorded."""
        compare()

    def tensor(
        self, got: object, shape: tuple[int, ...], name: str, dtype: str | None = None, where: str = ""
    ) -> np.ndarray:
        """`got` in float64 for use in a law: an array, or a numpy number for a 0-d tensor. Raises Failed unless it is a
        tensor of this shape (and dtype)."""
        if not isinstance(got, Value):
            told = _("{name} must be a torch.Tensor, got {kind}", name=name, kind=kind_of(got))
            raise Failed(BAD_OUTPUT, told, where)
        if got.shape != shape:
            told = _("{name} must have shape {shape}, got {got}", name=name, shape=shape, got=got.shape)
            raise Failed(BAD_OUTPUT, told, where)
        if dtype and got.torch_dtype != dtype:
            told = _("{name} must have dtype {dtype}, got {got}", name=name, dtype=dtype, got=got.torch_dtype)
            raise Failed(BAD_OUTPUT, told, where)
        return np.float64(np.asarray(got))  # pyrefly: ignore[bad-return]

    def note(self, answer: Answer) -> Answer:
        self.answers.append(answer)
        if not answer.right:
            self.wrong.append(answer)
        return answer

    def step(
        self,
        scheduler: Scheduler,
        model_output: np.ndarray,
        timestep: int,
        sample: np.ndarray,
        noise: np.ndarray,
        where: str,
        **options,
    ) -> Answer:
        """Call `scheduler.step` with the noise given and compare x_prev. The Answer knows the Step, for `carried`."""
        got = scheduler.step(model_output, timestep, sample, variance_noise=noise, **options)
        answer = self.value(got, "x_prev", where, str(sample.dtype))
        predict = partial(scheduler.predict, model_output, timestep, sample)
        answer.step = Step(self.recorded("forms", "x_prev", where), predict, sample, noise)
        return answer

    def settle(self) -> None:
        """Raise Failed for wrong values, unless the steps are right for the student's own predict."""
        if not self.answers:
            raise RuntimeError(f"{self.check} compared nothing")
        if self.wrong and self.carried():
            self.wrong.clear()
        if self.wrong:
            self.settled = True
            shown = self.worst()
            if self.public and shown.told:
                self.remark(shown.told)
            raise shown.failed()

    def evidence(self) -> Evidence | None:
        """The wrong answer that `settle` told of, for a picture; None where something else went wrong."""
        if not self.wrong:
            return None
        worst = self.worst()
        cases = [(english(answer.where), answer.right) for answer in self.answers if answer.name == worst.name]
        return Evidence(worst.name, english(worst.where), worst.got, worst.expected, cases)

    def worst(self) -> Answer:
        """The case to show. Of the first thing that is wrong, with the settings of its first wrong case (the plainest
        come first), the one that is farthest off; none that is wrong only because of the student's `predict`."""
        faults = self.faults()
        first = settings(faults[0].where)
        alike = [a for a in faults if a.name == faults[0].name and settings(a.where) == first]
        return max(alike, key=lambda answer: answer.error)

    def faults(self) -> list[Answer]:
        """The wrong answers that no other part of the student's work explains, if there are any, else all."""
        return [answer for answer in self.wrong if not (answer.step and answer.carried())] or self.wrong

    def carried(self) -> bool:
        """Whether every answer of this check is right given what other parts of the student's work, also wrong, do,
        and enough of them are telling: of samples one, which shows the student's work at work; of steps half."""
        telling = sum(answer.telling() for answer in self.answers if answer.carried())
        steps = any(answer.step for answer in self.answers)
        needed = len(self.answers) / 2 if steps else 1
        return all(answer.carried() for answer in self.answers) and telling >= needed

    def remark(self, text: str) -> None:
        """Something worth telling beside the verdict, once."""
        if text not in self.remarks:
            self.remarks.append(text)


def kind_of(value: object) -> str:
    """How a wrong result is called in a message."""
    if value is None:
        return _("None (is a return missing?)")
    if isinstance(value, Value):
        return _("a tensor of shape {shape}", shape=value.shape) if value.shape else _("a 0-d tensor")
    if isinstance(value, tuple):
        return _("a tuple of {count}", count=len(value))
    if isinstance(value, Other):
        library, _rest, name = value.type.rpartition(".")
        if name == "ndarray":
            return _("a numpy array (torch.from_numpy makes a tensor of one)")
        if library in ("numpy", ""):
            return _("a numpy {name}", name=name) if library else _("a {name}", name=name)
        return _("an object of class {name} (return the tensors bare)", name=name)
    return _("an int") if type(value) is int else _("a {name}", name=type(value).__name__)
