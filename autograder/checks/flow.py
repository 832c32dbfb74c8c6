"""Part 8.1: flow matching. The straight path, what a velocity says, Euler's step, and the loss of 5.1 on this path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..language import _
from ..student import Scheduler, Student, strided
from .cases import batch, float64, shape_of_images, some_of, timesteps_of
from .forward import laws_of_a_batch, values_of_a_batch
from .laws import MEAN, SD
from .loss import compare_losses
from .reverse import STRIDES, both

if TYPE_CHECKING:
    from ..expect import Expect

SPANS = ((1, 50), (50, 400), (400, 700), (700, 998), (999, 1000))  # where clipping is tested


def check_add_noise(student: Student, expect: Expect) -> None:
    forward(student, expect, "add_noise")


def check_get_velocity(student: Student, expect: Expect) -> None:
    forward(student, expect, "get_velocity")


def forward(student: Student, expect: Expect, method: str) -> None:
    scheduler = student.FlowMatchScheduler()
    inputs, first = values_of_a_batch(expect, scheduler, method)
    T = expect.integer(30, 90)
    other = student.FlowMatchScheduler(num_train_timesteps=T)
    where = _("for a batch of images, with T = {T}", T=T)
    expect.value(getattr(other, method)(*batch(expect, T)), method, where)
    if expect.laws():
        laws_of_a_batch(expect, scheduler, method, inputs, first)


def check_predict(student: Student, expect: Expect) -> None:
    """Both estimates without clipping, from t = 0 to T - 1, where the sample is nothing but noise."""
    scheduler, shape = student.FlowMatchScheduler(clip_sample=False), shape_of_images(expect)
    for t in timesteps_of(expect, 1000):
        output, sample = expect.normal(2, *shape)
        both(expect, scheduler.predict(output, t, sample), _("at t = {t}", t=t))
    output, sample = expect.normal(2, *shape)
    first = scheduler.predict(output, 600, sample)
    both(expect, first, _("at t = {t}", t=600))
    both(expect, scheduler.predict(*float64(output), 600, *float64(sample)), _("in float64 at t = {t}", t=600))
    T = expect.integer(30, 90)
    other = student.FlowMatchScheduler(num_train_timesteps=T, clip_sample=False)
    both(expect, other.predict(output, T // 2, sample), _("with T = {T}", T=T))
    if not expect.laws():
        return

    t = np.full(len(sample), 600)
    again = scheduler.predict(strided(output), np.array(600), strided(sample))
    expect.pair(again, "predict")
    for got, before, name in zip(again, first, ("x0_hat", "epsilon_hat"), strict=True):
        expect.same(got, before, _("{name} differs for a 0-d timestep and non-contiguous inputs", name=name))
    if expect.passed("flow.add_noise") and expect.passed("flow.get_velocity"):
        for method, must, name in (("add_noise", sample, "x_t"), ("get_velocity", output, _("the velocity"))):
            back = expect.tensor(getattr(scheduler, method)(*again, t), sample.shape, name)
            near = np.abs(back - must).max() < 1e-3 * np.abs(must).max()
            expect.law(near, _("x0_hat and epsilon_hat do not give {name} back", name=name))
    expect.untouched(scheduler, "predict", output, 600, sample)
    expect.on_cuda(scheduler, "predict", output, 600, sample)


def check_clip(student: Student, expect: Expect) -> None:
    """x0_hat is clipped, and epsilon_hat follows it, as in 3.5."""
    scheduler, shape = student.FlowMatchScheduler(), shape_of_images(expect)
    for span in SPANS:
        t = expect.integer(*span)
        output, sample = expect.normal(2, *shape)
        both(expect, scheduler.predict(output, t, sample), _("clipped, at t = {t}", t=t))


def check_step(student: Student, expect: Expect) -> None:
    """Euler's step over the full list of timesteps: no noise, also where some is passed."""
    noise = expect.normal(*shape_of_images(expect))
    for clip_sample in (False, True):
        scheduler = student.FlowMatchScheduler(clip_sample=clip_sample)
        drawn = timesteps_of(expect, 1000)
        for t in drawn[2:] if clip_sample else drawn:
            output, sample = expect.normal(2, *noise.shape)
            where = _("clipped, at t = {t}", t=t) if clip_sample else _("not clipped, at t = {t}", t=t)
            expect.step(scheduler, output, t, sample, noise, where)
    # pyrefly: ignore[unbound-name]  (there always are timesteps)
    arrays = float64(output, sample, noise)
    where = _("clipped, in float64 at t = {t}", t=300)
    # pyrefly: ignore[unbound-name]  (there always are timesteps)
    expect.step(scheduler, arrays[0], 300, arrays[1], arrays[2], where)
    if not expect.laws():
        return

    first = scheduler.step(output, 300, sample)
    again = scheduler.step(strided(output), np.array(300), strided(sample))
    expect.same(again, first, _("{name} differs for a 0-d timestep and non-contiguous inputs", name="step"))
    again = scheduler.step(output, 300, sample, student.generator(1))
    expect.law(np.array_equal(again, first), _("two steps differ"))
    expect.untouched(scheduler, "step", output, 300, sample)
    expect.on_cuda(scheduler, "step", output, 300, sample)


def check_strided(student: Student, expect: Expect) -> None:
    """Steps of a short list, and a whole run."""
    noise = expect.normal(*shape_of_images(expect))
    for S in (STRIDES[0], expect.choice(*STRIDES[1:]), 1):
        scheduler = student.FlowMatchScheduler(clip_sample=False)
        scheduler.set_timesteps(S)
        for t in some_of(expect.listed(scheduler)):
            output, sample = expect.normal(2, *noise.shape)
            where = _("not clipped, list of S = {S}, at t = {t}", S=S, t=t)
            expect.step(scheduler, output, t, sample, noise, where)
    expect.settle()

    follows_the_exact_velocity(student.FlowMatchScheduler(clip_sample=False), expect)


def check_loss(student: Student, expect: Expect) -> None:
    """The loss of 5.1, inherited: it is made with this add_noise, and its target is this velocity."""
    compare_losses(student.FlowMatchScheduler(prediction_type="flow"), expect, "flow", "flow")
    if expect.laws():
        unknown = _("an unknown {name}", name="prediction_type")
        expect.raises(lambda: student.FlowMatchScheduler(prediction_type="epsilon"), unknown)


def follows_the_exact_velocity(scheduler: Scheduler, expect: Expect) -> None:
    """Ten steps from noise along the exact velocity of N(MEAN, SD^2), which is linear in x_t."""
    x = expect.normal(*shape_of_images(expect))
    scheduler.set_timesteps(10)
    timesteps = expect.listed(scheduler)
    if not expect.passed("flow.predict"):
        return
    for t in timesteps:
        s = (t + 1) / 1000
        centred = (x - (1 - s) * MEAN) / ((1 - s) ** 2 * SD**2 + s**2)
        output = np.float32(s * centred - (MEAN + (1 - s) * SD**2 * centred))  # E[epsilon | x_t] - E[x_0 | x_t]
        x_prev = scheduler.step(output, t, x)
        x = np.float32(expect.tensor(x_prev, x.shape, "x_prev"))
    where = _("at the end of a run of 10 steps along the exact velocity of N({mean}, {sd}^2)", mean=MEAN, sd=SD)
    # pyrefly: ignore[unbound-name]  (the list has ten timesteps)
    expect.value(x_prev, "x_prev", where)
