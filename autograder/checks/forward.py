"""Part 2: the forward process. x_t and v for a batch in which every image has its own timestep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..language import _
from ..student import Scheduler, Student, strided
from .cases import batch, float64

if TYPE_CHECKING:
    from ..expect import Expect

    Batch = tuple[np.ndarray, np.ndarray, np.ndarray]  # images, noise, timesteps


def check_add_noise(student: Student, expect: Expect) -> None:
    forward(student, expect, "add_noise")
    if not expect.laws():
        return

    if not expect.passed("schedule.linear"):  # the chain is one of betas, which part 1 charges
        return
    scheduler = student.DDPMScheduler()
    betas = expect.tensor(scheduler.betas, (1000,), "betas")
    one, zero, t = np.ones((3, 1, 1, 1)), np.zeros((3, 1, 1, 1)), np.array([0, expect.integer(1, 999), 999])
    signal = expect.tensor(scheduler.add_noise(one, zero, t), one.shape, "x_t").ravel()
    noise = expect.tensor(scheduler.add_noise(zero, one, t), one.shape, "x_t").ravel()
    for i, last in enumerate(t):
        # The chain x_s = sqrt(1 - beta_s) x_{s-1} + sqrt(beta_s) epsilon_s, followed step by step.
        mean, variance = 1.0, 0.0
        for beta in betas[: last + 1]:
            mean, variance = mean * np.sqrt(1 - beta), (1 - beta) * variance + beta
        expect.law(abs(signal[i] - mean) < 1e-3, _("add_noise does not scale x_0 as the chain of single steps does"))
        expect.law(
            abs(noise[i] ** 2 - variance) < 1e-3, _("add_noise has not the variance of the chain of single steps")
        )


def check_get_velocity(student: Student, expect: Expect) -> None:
    forward(student, expect, "get_velocity")


def forward(student: Student, expect: Expect, method: str) -> None:
    """What holds for add_noise and get_velocity alike."""
    scheduler = student.DDPMScheduler()
    inputs, first = values_of_a_batch(expect, scheduler, method)
    expect.settle()

    # Other tables, where they are right: a wrong schedule is charged in part 1.
    T, beta_end = expect.integer(30, 90), expect.uniform(0.03, 0.2)
    for beta_schedule in ("linear", "scaled_linear", "cosine"):
        inputs_here = batch(expect, T)
        if expect.passed(f"schedule.{beta_schedule}"):
            here = student.DDPMScheduler(num_train_timesteps=T, beta_schedule=beta_schedule, beta_end=beta_end)
            where = _("with the {name} schedule, T = {T} and beta_end = {end}", name=beta_schedule, T=T, end=beta_end)
            expect.value(getattr(here, method)(*inputs_here), method, where)
    if expect.laws():
        laws_of_a_batch(expect, scheduler, method, inputs, first)


def values_of_a_batch(expect: Expect, scheduler: Scheduler, method: str) -> tuple[Batch, object]:
    """Compare what such a method answers for a batch, for one image and in float64. Returns (the batch, the first)."""
    call = getattr(scheduler, method)
    x0, noise, t = inputs = batch(expect, 1000)
    first = call(*inputs)
    expect.value(first, method, _("for a batch of images, each with its timestep"))
    alone = x0[:1], noise[:1], expect.integers(1, 999, 1)
    expect.value(call(*alone), method, _("for a batch of one image"))
    expect.value(call(*float64(x0, noise), t), method, _("in float64"))
    return inputs, first


def laws_of_a_batch(expect: Expect, scheduler: Scheduler, method: str, inputs: Batch, first: object) -> None:
    """What holds for any method that takes (x_0, epsilon, timesteps), of which `first` is the answer to `inputs`."""
    call, (x0, noise, t) = getattr(scheduler, method), inputs
    names = ("original_samples" if method == "add_noise" else "sample", "noise", "timesteps")
    expect.same(
        call(**dict(zip(names, inputs, strict=True))), first, _("{method} differs on a second call", method=method)
    )
    expect.same(
        call(strided(x0), strided(noise), t), first, _("{method} differs for non-contiguous inputs", method=method)
    )
    backwards = tuple(np.ascontiguousarray(array[::-1]) for array in inputs)
    told = _("{method} differs when the batch comes in another order", method=method)
    # pyrefly: ignore[bad-index]  (what settled is an array)
    expect.same(call(*backwards), first[::-1], told)
    halves = call(x0.astype(np.float16), noise.astype(np.float16), t)
    expect.tensor(halves, x0.shape, _("{method} for float16 images", method=method), "float16")
    expect.untouched(scheduler, method, *inputs)
    expect.on_cuda(scheduler, method, *inputs)
