"""What `posterior` returns: a mean, the sum of x_0 and x_t, and a variance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..language import N_, _, english
from ..readback.forms import alike
from ..readback.predictions import read_sum
from ..readback.products import quantities
from ..readback.reading import CONFIRMED, Cases
from ..readback.weights import ROUNDING, Weights, measure
from .collecting import Case, Readers
from .found import OTHER_TIMESTEPS, RIGHT, Found, arrays, is_right, others_agree, standard, sure, told, untold

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..student import Student

POSTERIOR = "reverse.posterior"
TERMS = ("x_0", "x_t")
STEPS = ("reverse.step", "reverse.strided")  # their recorded weights are those of the posterior
BEFORE = N_("it is read where the tables of the linear schedule and the lists are right")
MOMENTS = {"the posterior mean": "mean", "the posterior variance": "variance"}
OTHERS = (*((1000, t) for t in OTHER_TIMESTEPS), (20, 999), (20, 649), (20, 249))  # (S, t), where it must hold, too


class Nobody:
    """A Student who answers nothing: with it a check only says what it asks, and what is recorded."""

    imported = True

    def DDPMScheduler(self, **settings: Any) -> Nobody:
        return self

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


def posterior(readers: Readers, found: Found) -> None:
    """The weights of the mean, and the variance, over the full list and short ones."""
    reader, own, lists = readers[POSTERIOR], standard(readers), readers["reverse.timesteps"]
    found.reads = dict.fromkeys((*TERMS, "variance"))
    cases = {ours: [case for case in reader.cases if english(case.name) == name] for name, ours in MOMENTS.items()}
    if not own or not lists.cases or not all(case.right for case in lists.cases):
        untold(found, found.reads, _(BEFORE))
        return
    asked = [case for case in recorded(readers) if case.settings["variance_type"] == "fixed_small"]
    forms = [case.forms for case in asked if case.forms is not None]
    means, variances, t, here = answers(readers.student, [(case.steps, case.asked[0][1]) for case in asked], own)
    other_means, other_variances, _rest, there = answers(readers.student, OTHERS, own)
    if means and other_means:
        one = read_sum(here, *arrays(means), TERMS, np.array([each[0][:2] for each in forms]))
        holds = others_agree(one, there, *arrays(other_means))
        told(found, "mean", one, found.reads, cases["mean"], holds, {}, [f"t = {when}" for when in t])
    else:
        found.say(_("mean: not read, it is no weighted sum of x_0 and x_t"))
    wanted = np.array([each[0][2] for each in forms]) ** 2
    spread(found, here, variances, wanted, cases["variance"], (there, other_variances))


def spread(
    found: Found,
    here: Cases,
    variances: np.ndarray,
    wanted: np.ndarray,
    cases: Sequence[Case],
    others: tuple[Cases, np.ndarray],
) -> None:
    """The formula of a variance, or that it is the logarithm of one."""
    there, other_variances = others
    if cases and all(case.right for case in cases) and alike(variances, wanted, precision(variances)).all():
        found.reads["variance"] = RIGHT
        found.say(is_right("variance"))
        return
    finite = np.isfinite(variances)
    here, variances, wanted = here.part(finite), variances[finite], wanted[finite]
    for change, source in ((np.array, "{}"), (np.exp, "log({})")):
        values = change(variances)
        one = here.read(values, precision(values), wanted)
        if (
            one
            and sure(one)
            and one.everywhere
            and there.agrees(one.expression, change(other_variances), precision(other_variances), CONFIRMED).all()
        ):
            found.reads["variance"] = source.format(one.expression.python)
            found.say(formula=f"variance == {source.format(one.expression.python)}")
            break
    else:
        found.say(_("{what}: not read", what="variance"))
    if not finite.all():
        found.say(_("it is NaN or infinite in {n} of {count} cases", n=np.sum(~finite), count=len(finite)))
    found.which(cases, _("the variance"))


def precision(values: np.ndarray) -> np.ndarray:
    return 4 * ROUNDING * np.abs(values)


def recorded(readers: Readers) -> list[Case]:
    """Cases of the steps of DDPM, without answers: their weights are those of the posterior."""
    # pyrefly: ignore[bad-argument-type]  # Nobody stands in for a Student
    asked = Readers(Nobody(), readers.rubric, readers.public)
    return [case for check in STEPS for case in asked[check].cases if "num_train_timesteps" not in case.settings]


def answers(
    student: Student, asked: Sequence[tuple[int, int]], own: tuple[np.ndarray, np.ndarray]
) -> tuple[list[Weights | None] | Literal[False], np.ndarray, list[int], Cases]:
    """(weights of means or False where one is no sum, variances, timesteps, cases) of the student's posterior.

    asked  (S, t) of each
    """
    rng, means, variances, previous, schedulers = np.random.default_rng(0), [], [], [], {}
    for S, t in asked:
        if S not in schedulers:
            schedulers[S] = student.DDPMScheduler()
            schedulers[S].set_timesteps(S)
        steps = [*np.asarray(schedulers[S].timesteps).tolist(), -1]
        image, sample = rng.standard_normal((2, 3, 2, 4, 4), dtype=np.float32)
        mean, variance, *_rest = schedulers[S].posterior(image, sample, t)
        means.append(measure(np.asarray(mean), [image, sample]))
        variances.append(float(np.asarray(variance)))
        previous.append(steps[steps.index(t) + 1])
    times = [t for _, t in asked]
    return all(means) and means, np.array(variances), times, Cases(quantities(*own, times, np.array(previous)))
