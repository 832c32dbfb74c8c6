"""What `step` of flow matching computes: a sum of x_t and the output, or of the two estimates made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..language import N_, _
from ..readback.predictions import Sum, read_sum
from ..readback.products import levels
from ..readback.reading import Cases
from ..readback.weights import measure
from .found import OTHER_TIMESTEPS, RIGHT, Found, arrays, is_right, no_sum, others_agree, sure, told, untold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .collecting import Case, Readers

EULER, SOURCES = "flow.step", ("flow.step", "flow.strided")
BEFORE = {
    "flow.predict": N_("it is read where predict is right"),
    "reverse.timesteps": N_("it is read where the lists of timesteps are right"),
}
FORMS = (("x_t", "output"), ("x0_hat", "epsilon_hat"))


def euler(readers: Readers, found: Found) -> None:
    """The weights of a step, from the cases without clipping; which of all cases are right."""
    found.reads = dict.fromkeys(FORMS[0])
    cases = [case for check in SOURCES for case in readers[check].cases]
    stopped = next((readers[check].stopped for check in SOURCES if readers[check].stopped), "")
    if cases and not stopped and all(case.right for case in cases):
        found.reads = dict.fromkeys(FORMS[0], RIGHT)
        found.say(is_right("x_prev"))
        return
    for check, why in BEFORE.items():
        if readers[check].stopped or not all(case.right for case in readers[check].cases):
            untold(found, FORMS[0], _(why))
            return
    plain = [case for case in cases if not case.settings.get("clip_sample", True) and finite(case)]
    if len(plain) < len(cases) / 2:
        untold(found, FORMS[0], stopped)
        return
    answers = [case.got for case in plain]
    terms = [(case.asked[0][2], case.asked[0][0]) for case in plain]
    measured = [measure(got, pair) for got, pair in zip(answers, terms, strict=True) if got is not None]
    if not all(measured):
        no_sum(found, FORMS[0], _("x_t and the output"), answers, terms)
        found.which(cases)
        return
    t = [case.asked[0][1] for case in plain]
    following = [[*case.scheduler.listed, -1] for case in plain]
    previous = [after[after.index(when) + 1] for when, after in zip(t, following, strict=True)]
    here = Cases(levels(t, 1000, previous))
    sums = [as_form(form, here, *arrays(measured)) for form in FORMS]
    one = min(sums, key=difficulty)
    found.reads = dict.fromkeys(one.reads)
    other = others(readers, FORMS[sums.index(one)])
    told(found, "x_prev", one, found.reads, cases, others_agree(one, *other), {}, [f"t = {when}" for when in t])


def finite(case: Case) -> bool:
    return case.got is not None and case.got.shape == case.expected.shape and bool(np.isfinite(case.got).all())


def as_form(form: Sequence[str], cases: Cases, weights: np.ndarray, errors: np.ndarray) -> Sum:
    """The Sum of the terms of a form, of weights (K, 2) of x_t and the output."""
    right = np.stack([np.ones(len(weights)), -cases.quantities["s - s_prev"]], axis=1)
    if form == FORMS[1]:
        (weights, errors), (right, _rest) = (
            of_estimates(cases, *pair) for pair in ((weights, errors), (right, 0 * right))
        )
    return read_sum(cases, weights, errors, form, right)


def of_estimates(cases: Cases, weights: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(weights, errors) of x0_hat and epsilon_hat, from those of x_t = (1 - s) x0_hat + s epsilon_hat and the output,
    which is epsilon_hat - x0_hat."""
    s = cases.quantities["s"]
    (x, v), (dx, dv) = weights.T, errors.T
    return np.stack([x * (1 - s) - v, x * s + v], axis=1), np.stack([dx * (1 - s) + dv, dx * s + dv], axis=1)


def difficulty(one: Sum) -> tuple[int, float]:
    """(how many weights were not read, how unusual those are that were)"""
    readings = [one.reads[term] for term in one.reads if not one.right[term].all()]
    known = [reading for reading in readings if reading and sure(reading)]
    return len(readings) - len(known), sum(reading.cost for reading in known)


def others(readers: Readers, form: Sequence[str]) -> tuple[Cases, np.ndarray, np.ndarray]:
    """(cases, weights, errors) of steps that the checks have not, over the full list and a short one."""
    rng, found, t, previous = np.random.default_rng(0), [], [], []
    for S, places in ((1000, [999 - when for when in OTHER_TIMESTEPS]), (20, (1, 7, 15))):
        scheduler = readers.student.FlowMatchScheduler(clip_sample=False)
        scheduler.set_timesteps(S)
        steps = np.asarray(scheduler.timesteps).tolist()
        for place in places:
            output, sample = rng.standard_normal((2, 3, 2, 4, 4), dtype=np.float32)
            found.append(measure(np.asarray(scheduler.step(output, steps[place], sample)), [sample, output]))
            t.append(steps[place])
            previous.append(steps[place + 1])
    cases = Cases(levels(t, 1000, previous))
    weights, errors = arrays(found)
    return (cases, *(of_estimates(cases, weights, errors) if form == FORMS[1] else (weights, errors)))
