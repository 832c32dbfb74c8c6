"""Why a check fails, found out by trying: it is run again, on its public cases, with one thing about the student's work
mended. A cause is told only where the check then passes.

Two things are mended as earlier checks have recorded them: the tables of the default schedule, and the list of
timesteps. The third is the order of the arguments of a method. Nothing of this gives points: it tells where to look.
"""

from itertools import permutations

import numpy as np

from . import checks
from .expected import Expect
from .record import BAD_OUTPUT, CRASHED, WRONG, Failed

TABLES, LIST = "schedule.linear", "reverse.timesteps"  # the checks that record them
WHAT = {TABLES: "the linear schedule", LIST: "the list of timesteps"}
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
}


class Trial(Expect):
    """An Expect that ends at the first wrong answer, and mends the list of timesteps where it is asked to."""

    def __init__(self, *arguments, mend):
        super().__init__(*arguments)
        self.mend = mend

    def note(self, answer):
        super().note(answer)
        if not answer.carried():
            raise answer.failed()

    def listed(self, scheduler):
        steps = super().listed(scheduler)
        if LIST in self.mend:
            scheduler.put("timesteps", np.array(steps))
        return steps


class Mended:
    """A Student whose schedulers get the right tables, or other orders of arguments."""

    def __init__(self, student, expectations, mend=(), reorder=None):
        self.student, self.expectations, self.mend, self.reorder = student, expectations, mend, reorder
        self.generator = student.generator

    def DDPMScheduler(self, **settings):
        return self.mended(self.student.DDPMScheduler(**settings), settings)

    def DDIMScheduler(self, **settings):
        return self.mended(self.student.DDIMScheduler(**settings), settings)

    def mended(self, scheduler, settings):
        if TABLES in self.mend and not settings.keys() & OTHER_TABLES:
            for name in ("betas", "alphas", "alphas_cumprod"):
                table = self.expectations.tensors[f"{TABLES}/value/{name} of the linear schedule with T = 1000"]
                scheduler.put(name, table)
        return Reordered(scheduler, *self.reorder) if self.reorder else scheduler


class Reordered:
    """A scheduler one method of which gets its first arguments in another order."""

    def __init__(self, scheduler, method, order):
        self.scheduler, self.method, self.order = scheduler, method, order

    def __getattr__(self, name):
        call = getattr(self.scheduler, name)
        if name != self.method:
            return call
        return lambda *args, **kwargs: call(*(args[i] for i in self.order), *args[len(self.order) :], **kwargs)


def cause(entry, student, expectations, passed, expect, failed):
    """(sentence, ids of the checks that it follows from) for a check that failed on public cases; ("", []) if unknown.

    entry   of the rubric
    expect  the Expect of the run that failed, with the answers until then
    failed  what ended it
    """
    if failed.verdict not in (WRONG, CRASHED, BAD_OUTPUT) or entry.part not in checks.EXACT or entry.part == "schedule":
        return "", []

    def passes(mend=(), reorder=None):
        trial = Trial(expectations, entry.id, entry.tolerance, passed, True, mend=mend)
        try:
            checks.run(entry.id, Mended(student, expectations, mend, reorder), trial)
        except (Failed, TypeError, IndexError):
            return False
        return True

    wrong = [id for id in (TABLES, LIST) if id != entry.id and not passed(id)]
    for mend in dict.fromkeys([*((id,) for id in wrong), tuple(wrong)]) if wrong else ():
        if passes(mend):
            what = " and ".join(f"{WHAT[id]} of the handout" for id in mend)
            return f"With {what} in the place of yours, this check passes.", list(mend)
    if not failed.types and any(answer.right for answer in expect.answers):
        return "", []
    method, names = ORDERS.get(entry.id, (None, ()))
    for order in list(permutations(range(len(names))))[1:]:
        if passes(reorder=(method, order)):
            yours = ", ".join(names[i] for i in order)
            told = f"With its arguments in the order {method}({yours}) this check passes"
            return f"{told}; the handout has {method}({', '.join(names)}).", []
    return "", []
