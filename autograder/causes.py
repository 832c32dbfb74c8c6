"""Why a check fails, found out by trying: it is run again, on its public cases, with one thing about the student's work
mended. A cause is told only where the check then passes.

Two things are mended as earlier checks have recorded them: the tables of the default schedule, and the list of
timesteps. A step of DDPM may also be right for a wrong posterior, and a method for another order of its arguments.
Nothing of this gives points: it tells where to look.
"""

from __future__ import annotations

from functools import partial
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checks
from .expect import Expect
from .expect.answers import difference
from .language import N_, _, together
from .record import BAD_OUTPUT, CRASHED, WRONG

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from .expect.answers import Answer
    from .expectations import Expectations
    from .record import Failed
    from .rubric import Entry
    from .student import Scheduler, Student

TABLES, LIST = "schedule.linear", "reverse.timesteps"  # the checks that record them
POSTERIOR, STEPS = "reverse.posterior", ("reverse.step", "reverse.step_large", "reverse.strided")
WHAT = {
    TABLES: N_("with the linear schedule of the handout in the place of yours"),
    LIST: N_("with the list of timesteps of the handout in the place of yours"),
    POSTERIOR: N_("given what your own posterior returns"),
}
OTHER_TABLES = {"num_train_timesteps", "beta_schedule", "beta_start", "beta_end"}
ORDERS = {
    "forward.add_noise": ("add_noise", ("original_samples", "noise", "timesteps")),
    "forward.get_velocity": ("get_velocity", ("sample", "noise", "timesteps")),
    "reverse.predict_epsilon": ("predict", ("model_output", "timestep", "sample")),
    "reverse.predict_v": ("predict", ("model_output", "timestep", "sample")),
    "reverse.posterior": ("posterior", ("original_samples", "sample", "timestep")),
    **dict.fromkeys(
        ("reverse.step", "reverse.step_large", "reverse.strided", "ddim.deterministic", "ddim.eta", "ddim.strided"),
        ("step", ("model_output", "timestep", "sample")),
    ),
    "flow.add_noise": ("add_noise", ("original_samples", "noise", "timesteps")),
    "flow.get_velocity": ("get_velocity", ("sample", "noise", "timesteps")),
    "flow.predict": ("predict", ("model_output", "timestep", "sample")),
    **dict.fromkeys(("flow.step", "flow.strided"), ("step", ("model_output", "timestep", "sample"))),
}


class Trial(Expect):
    """An Expect that ends at the first wrong answer, and mends the list of timesteps where it is asked to.

    mend  which of TABLES, LIST and POSTERIOR are mended
    """

    def __init__(self, *arguments: Any, mend: Collection[str]) -> None:
        super().__init__(*arguments)
        self.mend, self.stepping = mend, False

    def value(self, got: object, name: str, where: str, dtype: str | None = None) -> Answer:
        answer = super().value(got, name, where, dtype)
        if POSTERIOR not in self.mend:  # where single steps follow from it, so does the end of a run
            self.unless_wrong(answer)
        return answer

    # pyrefly: ignore[bad-override]  # nobody looks at the answer
    def exactly(self, got: object, name: str, where: str) -> None:
        self.unless_wrong(super().exactly(got, name, where))

    # pyrefly: ignore[bad-override]  # nobody looks at the answer
    def step(
        self,
        scheduler: Scheduler,
        model_output: np.ndarray,
        timestep: int,
        sample: np.ndarray,
        noise: np.ndarray,
        where: str,
        **options: Any,
    ) -> None:
        self.stepping = True
        answer = super().step(scheduler, model_output, timestep, sample, noise, where, **options)
        self.stepping = False
        if not (POSTERIOR in self.mend and self.by_posterior(answer, scheduler, timestep)):
            self.unless_wrong(answer)

    def unless_wrong(self, answer: Answer) -> None:
        if not (self.stepping or answer.right or answer.carried()):
            raise answer.failed()

    def by_posterior(self, answer: Answer, scheduler: Scheduler, timestep: int) -> bool:
        """Whether a step of DDPM is what the student's own posterior makes it, with the right variance or theirs."""
        assert answer.step is not None
        own, step = answer.step.terms, answer.step
        if own is None:
            return False
        mean, variance = scheduler.posterior(np.float32(own["x0"].reshape(step.sample.shape)), step.sample, timestep)
        rest = answer.got - np.float64(np.asarray(mean))
        for weight in (step.forms[0][2], np.sqrt(np.abs(float(variance)))):
            far = difference(rest, weight * np.float64(step.noise)).max()
            if far <= answer.tolerance * np.abs(answer.got).max():
                return True
        return False

    def settle(self) -> None:
        """Every answer has been looked at where it came."""

    def listed(self, scheduler: Scheduler) -> list[int]:
        steps = super().listed(scheduler)
        if LIST in self.mend:
            scheduler.put("timesteps", np.array(steps))
        return steps


class Mended:
    """A Student whose schedulers get the right tables, or other orders of arguments.

    mend     as of a Trial
    reorder  a method, and which of the arguments of a call it gets first, second and so on
    """

    def __init__(
        self,
        student: Student,
        expectations: Expectations,
        mend: Collection[str] = (),
        reorder: tuple[str, tuple[int, ...]] | None = None,
    ) -> None:
        self.student, self.expectations, self.mend, self.reorder = student, expectations, mend, reorder
        self.generator = student.generator

    def DDPMScheduler(self, **settings: Any) -> Scheduler | Reordered:
        return self.mended(self.student.DDPMScheduler(**settings), settings)

    def DDIMScheduler(self, **settings: Any) -> Scheduler | Reordered:
        return self.mended(self.student.DDIMScheduler(**settings), settings)

    def FlowMatchScheduler(self, **settings: Any) -> Scheduler | Reordered:
        return self.mended(self.student.FlowMatchScheduler(**settings), settings)

    def mended(self, scheduler: Scheduler, settings: dict[str, Any]) -> Scheduler | Reordered:
        if TABLES in self.mend and not settings.keys() & OTHER_TABLES:
            for name in ("betas", "alphas", "alphas_cumprod"):
                table = self.expectations.tensors[f"{TABLES}/value/{name} of the linear schedule with T = 1000"]
                scheduler.put(name, table)
        return Reordered(scheduler, *self.reorder) if self.reorder else scheduler


class Reordered:
    """A scheduler one method of which gets its first arguments in another order."""

    def __init__(self, scheduler: Scheduler, method: str, order: tuple[int, ...]) -> None:
        self.scheduler, self.method, self.order = scheduler, method, order

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.scheduler, name)
        return partial(self.called, call) if name == self.method else call

    def called(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if len(args) >= len(self.order):  # those given by name have no order
            args = *(args[i] for i in self.order), *args[len(self.order) :]
        return call(*args, **kwargs)

    def on_cuda(self, name: str, *args: Any, **kwargs: Any) -> str:
        call = partial(self.scheduler.on_cuda, name)
        return self.called(call, *args, **kwargs) if name == self.method else call(*args, **kwargs)


def cause(
    entry: Entry, student: Student, expectations: Expectations, passed: Callable[[str], bool], failed: Failed
) -> tuple[str, list[str]]:
    """(sentence, ids of the checks that it follows from) for a check that failed on public cases; ("", []) if unknown.

    passed  says of the id of a check whether it passed
    failed  what ended the run that failed
    """
    if failed.verdict not in (WRONG, CRASHED, BAD_OUTPUT) or entry.part not in checks.EXACT or entry.part == "schedule":
        return "", []

    def passes(mend: Collection[str] = (), reorder: tuple[str, tuple[int, ...]] | None = None) -> bool:
        trial = Trial(expectations, entry.id, entry.tolerance, passed, True, mend=mend)
        try:
            # pyrefly: ignore[bad-argument-type]  # a Mended stands in for a Student
            checks.run(entry.id, Mended(student, expectations, mend, reorder), trial)
        except Exception:  # what student code answers may be anything, and this is only for words
            return False
        return True

    without = {TABLES, POSTERIOR} if entry.part == "flow" else set() if entry.id in STEPS else {POSTERIOR}
    wrong = [id for id in (TABLES, LIST, POSTERIOR) if id not in (entry.id, *without) and not passed(id)]
    for mend in dict.fromkeys([*((id,) for id in wrong), tuple(wrong)]) if wrong else ():
        if passes(mend):
            what = together(_(WHAT[id]) for id in mend)
            return _("{what}, this check passes.", what=what[0].upper() + what[1:]), list(mend)
    method, names = ORDERS.get(entry.id, ("", ()))
    for order in list(permutations(range(len(names))))[1:]:
        if passes(reorder=(method, order)):
            yours = ", ".join(names[i] for i in order)
            says = N_("With its arguments in the order {yours} this check passes; the handout has {form}.")
            forms = {"yours": f"{method}({yours})", "form": f"{method}({', '.join(names)})"}
            return _(says, **forms), []
    return "", []
