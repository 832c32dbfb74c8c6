"""What the student's own scheduler gives in a case that can be reckoned in the head, or nearly: before it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....record import Failed
from .. import measures
from ..question import Question, Table, number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....student import Student
    from ..desk import Desk

TITLE = "Before it runs"
T, S = 1000, 7


def asked(desk: Desk) -> Iterator[Question]:
    """Questions whose checks this student passes, in the order of the draw."""
    several = [
        (timesteps, ("reverse.timesteps", "reverse.previous_timestep")),
        (last_step, ("reverse.strided",)),
        (eta, ("ddim.eta", "ddim.strided")),
        (clip, ("reverse.clip", "reverse.predict_epsilon")),
        (schedules, ("schedule.linear", "schedule.scaled_linear", "schedule.cosine")),
        (velocity, ("forward.get_velocity",)),
    ]
    desk.draw(TITLE).shuffle(several)
    for question, needs in several:
        if desk.lab.passed(*needs):
            try:
                with desk.lab.at_work() as student:
                    yield question(student)
            except (Failed, TypeError, ValueError, IndexError, KeyError):  # what comes out of the box may be anything
                continue


def timesteps(student: Student) -> Question:
    scheduler = student.DDPMScheduler()
    scheduler.set_timesteps(S)
    found = [int(t) for t in np.asarray(scheduler.timesteps)]
    before = [int(scheduler.previous_timestep(t)) for t in (found[0], found[-1])]
    ask = (
        f"set_timesteps({S}) with T = {T}, which {S} does not divide: which are the first two timesteps of your list, "
        "and the last one? What does previous_timestep return for the first and for the last?"
    )
    answer = [
        f"The list is {', '.join(map(str, found))}. previous_timestep({found[0]}) is {before[0]}, and "
        f"previous_timestep({found[-1]}) is {number(before[1])}: the step from {found[-1]} goes to the clean image. "
        f"({T}//{S} is {T // S}, so t − T//S would give {found[0] - T // S}.)"
    ]
    return Question(TITLE, [ask], answer, "3.1")


def last_step(student: Student) -> Question:
    found = {}
    for kind in ("fixed_small", "fixed_large"):
        found[kind] = dict(measures.ddpm(student, kind))
    rows = [
        [where, *map(number, weights), number(found["fixed_large"][where][2])]
        for where, weights in found["fixed_small"].items()
    ]
    small, large = (list(each.values()) for each in found.values())
    ask = (
        "One step of yours is a weighted sum of x_t, ε̂ and z. Over a list of 10, which of the three weights is 0 in "
        "the last step (t = 99), and with which variance_type do you have to see to it yourself? Which of the two "
        "makes more noise at t = 499?"
    )
    answer = [
        f"That of z ({number(small[-1][2])}). With fixed_small it is 0 by itself, as β̃ is 0 there; with fixed_large a "
        f"line of one's own has to say it. At t = 499 fixed_large makes more, {number(large[1][2])} where fixed_small "
        f"makes {number(small[1][2])}.",
        Table(["", "of x_t", "of ε̂", "of z, fixed_small", "of z, fixed_large"], rows),
    ]
    return Question(TITLE, [ask], answer, "3.7")


def eta(student: Student) -> Question:
    scheduler = measures.short(student.DDIMScheduler(clip_sample=False))
    table = np.asarray(scheduler.alphas_cumprod)
    now, before = float(table[499]), float(table[399])
    rows = []
    for value in (0.0, 0.5, 1.0):
        rng = np.random.default_rng(0)
        output, sample, noise = measures.normal(rng, 3)
        x_prev = scheduler.step(output, 499, sample, eta=value, variance_noise=noise)
        of_x, of_e, of_z = measures.weights(x_prev, sample, output, noise)
        direction = of_e + of_x * np.sqrt(1 - now)  # what is left of it beside x0_hat
        rows.append([f"η = {value:g}", number(direction), number(of_z), number(direction**2 + of_z**2)])
    ask = (
        "In DDIM's step from t = 499 to 399 in a list of 10: what happens to the weight of ε̂, beside x̂0, when η grows "
        "from 0 to 1? What do its square and that of z's weight add up to?"
    )
    answer = [
        f"New noise replaces predicted noise. The squares always add up to 1 − ᾱ_prev = {number(1 - before)}, the "
        "variance that the noise should have at the previous timestep.",
        Table(["", "weight of ε̂", "weight of z", "their squares, added"], rows),
    ]
    return Question(TITLE, [ask], answer, "4.2")


def clip(student: Student) -> Question:
    sample, output = (np.full((1, 1, 2, 2), value, np.float32) for value in (0.5, -0.5))
    pairs = {}
    for clipped in (False, True):
        x0, epsilon = student.DDPMScheduler(clip_sample=clipped).predict(output, 999, sample)
        pairs[clipped] = number(float(x0.flat[0])), number(float(epsilon.flat[0]))
    ask = (
        "At t = 999, x_t is 0.5 everywhere, and the network says ε̂ = −0.5. About how large is x̂0 before it is clipped? "
        "What does your predict return with clip_sample: is ε̂ still what the network said, and why?"
    )
    answer = [
        f"Before the clip x̂0 is {pairs[False][0]}, as √ᾱ_999 is tiny. With clip_sample predict returns x̂0 = "
        f"{pairs[True][0]} and ε̂ = {pairs[True][1]}, not {pairs[False][1]}: it is derived again, so that the pair "
        "still makes up x_t."
    ]
    return Question(TITLE, [ask], answer, "3.5")


def schedules(student: Student) -> Question:
    names = ("linear", "scaled_linear", "cosine")
    middle = {name: float(np.asarray(student.DDPMScheduler(beta_schedule=name).alphas_cumprod)[499]) for name in names}
    ordered = sorted(middle, key=lambda name: middle[name])
    ask = (
        f"Your tables of ᾱ hold {', '.join(number(middle[name]) for name in ordered)} at t = 499, for your three "
        "schedules. Which is which, and in which of them is the image lost first?"
    )
    told = ", ".join(f"{name} {number(middle[name])}" for name in ordered)
    answer = [f"{told}. The smaller ᾱ is, the less is left of the image half-way: {ordered[0]} loses it first."]
    return Question(TITLE, [ask], answer, "1.3")


def velocity(student: Student) -> Question:
    measure = measures.of_check("forward.get_velocity")
    assert measure is not None  # it has weights
    table = measure.table(dict(measure.rows(student)))
    if table is None:
        raise ValueError("no weights")
    ask = (
        "At which end of the schedule is v nearly ε, and at which nearly −x_0? So what does a network for v have to "
        "say about an image that is all noise?"
    )
    answer = [
        "Near t = 0 it is nearly ε, near t = 999 nearly −x_0: of pure noise it has to guess the image, and its best "
        "guess is the mean of all images. These are the weights in your v:",
        table,
    ]
    return Question(TITLE, [ask], answer, "2.3")
