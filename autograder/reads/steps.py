"""What `step` of either sampler computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..language import N_, _, english
from ..readback.forms import DDIM_FORMS, DDPM_FORMS, Step, confirmed, read_step
from ..readback.products import quantities
from ..readback.reading import Cases
from ..readback.weights import measure
from .found import OF_Z, OTHER_TIMESTEPS, RIGHT, Found, arrays, is_right, no_sum, standard, told, untold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..readback.forms import Form
    from .collecting import Case, Readers

# {check: (its variance_type, "" for DDIM; the checks that it is read from)}
STEPS = {
    "reverse.step": ("fixed_small", ("reverse.step", "reverse.strided")),
    "reverse.step_large": ("fixed_large", ("reverse.step_large", "reverse.strided")),
    "ddim.eta": ("", ("ddim.deterministic", "ddim.eta", "ddim.strided")),
}
FEWEST, OTHERS = 6, 5  # steps to a previous timestep that a formula is read from, and others that it must hold in


def step(readers: Readers, found: Found) -> None:
    """The weights of a step, from the cases in which it is a plain sum; which of all cases are right."""
    variance, sources = STEPS[found.check]
    forms = DDPM_FORMS if variance else DDIM_FORMS
    found.reads = dict.fromkeys((*forms[0], "z"))
    all_cases = [
        case
        for check in sources
        for case in readers[check].cases
        if not variance or case.settings.get("variance_type") == variance
    ]
    for case in all_cases:
        if english(case.where).startswith("list"):
            case.where = _("for epsilon, not clipped, {where}", where=case.where)
    stopped = next((readers[check].stopped for check in sources if readers[check].stopped), "")
    if all_cases and not stopped and all(case.right for case in all_cases):
        found.reads = dict.fromkeys(found.reads, RIGHT)
        found.say(is_right("x_prev"))
        return
    if not all_cases:
        untold(found, found.reads, stopped)
        return
    own, lists = standard(readers), readers["reverse.timesteps"]
    before = readers["reverse.predict_epsilon"]
    if not own or before.stopped or not all(case.right for case in before.cases):
        untold(found, found.reads, _("it is read where the tables of the linear schedule and predict are right"))
        return
    if lists.stopped or not all(case.right for case in lists.cases):
        untold(found, found.reads, _("it is read where the lists of timesteps are right"))
        return
    cases = [case for case in all_cases if plain(case)]
    endless = [case for case in cases if case.got is not None and not np.isfinite(case.got).all()]
    cases = [case for case in cases if case not in endless]
    last = np.array([case.asked[0][1] == case.scheduler.listed[-1] for case in cases], bool)
    one = read_plain(cases, own, forms) if np.sum(~last) >= FEWEST else None
    if one is None:
        if stopped:
            untold(found, found.reads, stopped)
        else:
            asked = [(case.asked[0][2], case.asked[0][0], case.asked[1]["variance_noise"]) for case in cases]
            no_sum(found, found.reads, _("x_t, ε̂ and z"), [case.got for case in cases], asked)
        found.which(all_cases)
        return
    found.reads = dict.fromkeys(one.reads)
    if all(right.all() for right in one.right.values()) and all(case.right for case in cases):
        found.reads = dict.fromkeys(one.reads, RIGHT)
        found.say(_("x_prev: right in these cases"))
        found.which(all_cases)
        return
    partly: dict[str, str] = {}
    for term, reading in one.reads.items():
        if one.right[term][~last].all():
            partly[term] = "right_but_last"
        elif reading and term in one.follows:
            partly[term] = OF_Z if "sigma" in reading.expression.symbols else "right_in_some"
    others = other_steps(readers, found.check)
    holds = confirmed(one, *others) if others else dict.fromkeys(one.reads, False)
    told(found, "x_prev", one, found.reads, all_cases, holds, partly, [place(case) for case in cases])
    if endless:
        says = N_("NaN or infinite in {n} of these cases, such as {where}")
        found.say(_(says, n=len(endless), where=endless[0].where))
    if stopped:
        found.say(_("some cases were not run: {why}", why=stopped))


def place(case: Case) -> str:
    """What to call a case where a weight is shown."""
    (_rest, t, _rest), named = case.asked
    return _("t = {t} with η = {eta:g}", t=t, eta=named["eta"]) if "eta" in named else f"t = {t}"


def other_steps(readers: Readers, check: str) -> tuple[Cases, np.ndarray, np.ndarray] | None:
    """(cases, weights, errors) of steps that the checks have not, over the full list and a short one; None of few."""
    variance, _rest = STEPS[check]
    student, rng, found, asked = readers.student, np.random.default_rng(0), [], []
    for S, places in ((1000, [999 - t for t in OTHER_TIMESTEPS]), (20, (0, 7, 15))):
        kind = student.DDPMScheduler if variance else student.DDIMScheduler
        scheduler = kind(clip_sample=False, **({"variance_type": variance} if variance else {}))
        scheduler.set_timesteps(S)
        steps = np.asarray(scheduler.timesteps).tolist()
        for place, eta in zip(places, (1.0, 0.6, 0.2, 1.0), strict=False):
            output, sample, noise = rng.standard_normal((3, 3, 2, 4, 4), dtype=np.float32)
            options = {"variance_noise": noise} | ({} if variance else {"eta": eta})
            got = np.asarray(scheduler.step(output, steps[place], sample, **options))
            if np.isfinite(got).all():
                found.append(measure(got, [sample, output, noise]))
                asked.append((steps[place], steps[place + 1], eta))
    if len(found) < OTHERS:
        return None
    t, previous, eta = map(np.array, zip(*asked, strict=True))
    own = standard(readers)
    assert own is not None  # else no step was read
    return Cases(quantities(*own, t, previous, None if variance else eta)), *arrays(found)


def plain(case: Case) -> bool:
    """Whether a step is a sum of x_t, the output and z: for epsilon, not clipped, with the default tables."""
    return (
        not case.settings.get("clip_sample", True)
        and case.settings.get("prediction_type", "epsilon") == "epsilon"
        and "num_train_timesteps" not in case.settings
        and case.got is not None
        and case.got.shape == case.expected.shape
    )


def read_plain(cases: Sequence[Case], own: tuple[np.ndarray, np.ndarray], forms: Sequence[Form]) -> Step | None:
    """The Step that some cases are, or None where they are no weighted sums."""
    mine, t, previous, eta, wanted = [], [], [], [], []
    for case in cases:
        assert case.got is not None and case.forms is not None  # it is a plain step
        (output, timestep, sample), named = case.asked
        mine.append(measure(case.got, [sample, output, named["variance_noise"]]))
        following = [*case.scheduler.listed, -1]
        t.append(timestep)
        previous.append(following[following.index(timestep) + 1])
        eta.append(named.get("eta", 0.0))
        epsilon, x, z = case.forms[2]
        wanted.append([x, epsilon, z])
    if not all(mine):
        return None
    known = Cases(quantities(*own, t, np.array(previous), eta if forms is DDIM_FORMS else None))
    return read_step(known, *arrays(mine), np.array(wanted), forms)
