"""Part 4: DDIM. The deterministic step, the noise that eta adds, strides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..language import _
from ..student import Student, strided
from .cases import float64, reverse_inputs, settings_and_timesteps, some_of
from .laws import follows_the_exact_denoiser, standard_normal_draws
from .reverse import STRIDES

if TYPE_CHECKING:
    from ..expect import Expect


def check_deterministic(student: Student, expect: Expect) -> None:
    """eta = 0, the default: no noise, also where some is passed."""
    for settings, where, timesteps in settings_and_timesteps(expect, 1000):
        scheduler = student.DDIMScheduler(**settings)
        for t in timesteps:
            output, sample, noise = reverse_inputs(expect)
            expect.step(scheduler, output, t, sample, noise, _("{where}, at t = {t}", where=where, t=t))
    # pyrefly: ignore[unbound-name]  (there always are settings and timesteps)
    arrays = float64(output, sample, noise)
    # pyrefly: ignore[unbound-name]  (there always are settings and timesteps)
    where = _("{where}, in float64 at t = {t}", where=where, t=300)
    # pyrefly: ignore[unbound-name]  (there always are settings and timesteps)
    expect.step(scheduler, arrays[0], 300, arrays[1], arrays[2], where)
    if not expect.laws():
        return

    first = scheduler.step(output, 300, sample)
    again = scheduler.step(strided(output), np.array(300), strided(sample), 0.0)
    expect.same(again, first, _("{name} differs for a 0-d timestep and non-contiguous inputs", name="step"))
    expect.law(np.array_equal(scheduler.step(output, 300, sample), first), _("two steps with eta = 0 differ"))
    expect.untouched(scheduler, "step", output, 300, sample)


def check_eta(student: Student, expect: Expect) -> None:
    """eta between 0 and 1, and 1; early timesteps, where the ways to get sigma wrong lie far apart."""
    for settings, where, timesteps in settings_and_timesteps(expect, 1000):
        # variance_type is DDPM's: here it must change nothing.
        scheduler = student.DDIMScheduler(variance_type="fixed_large", **settings)
        for t, eta in zip(timesteps, (0.3, 1.0, 0.5, expect.uniform(0.1, 0.9), 0.3), strict=False):
            output, sample, noise = reverse_inputs(expect)
            here = _("{where}, at t = {t} with eta = {eta}", where=where, t=t, eta=eta)
            expect.step(scheduler, output, t, sample, noise, here, eta=eta)
    if not expect.laws():
        return

    last = expect.prediction_types[-1]  # of those above
    predict = "reverse.predict_v" if last == "v_prediction" else "reverse.predict_epsilon"
    if all(map(expect.passed, ("reverse.step", predict, "reverse.clip"))):
        ddpm = student.DDPMScheduler(prediction_type=last)
        for t in (1, 20, 500):
            # pyrefly: ignore[unbound-name]  (there always are settings and timesteps)
            one = expect.tensor(scheduler.step(output, t, sample, 1.0, variance_noise=noise), sample.shape, "x_prev")
            other = expect.tensor(ddpm.step(output, t, sample, variance_noise=noise), sample.shape, "x_prev")
            expect.law(np.abs(one - other).max() < 2e-3 * np.abs(other).max(), _("with eta = 1, DDIM is not DDPM"))
    for eta in (-0.1, 1.5):
        expect.raises(lambda eta=eta: scheduler.step(output, 20, sample, eta), f"eta = {eta}")


def check_strided(student: Student, expect: Expect) -> None:
    """Steps of a short list: previous timesteps far away, and a last step at t > 0."""
    for S, eta in ((10, 0.0), (expect.choice(*STRIDES), 0.3), (50, 1.0), (1, 1.0)):
        scheduler = student.DDIMScheduler(clip_sample=False)
        scheduler.set_timesteps(S)
        listed = expect.listed(scheduler)
        for t in some_of(listed):
            output, sample, noise = reverse_inputs(expect)
            where = _("list of S = {S}, eta = {eta}, at t = {t}", S=S, eta=eta, t=t)
            expect.step(scheduler, output, t, sample, noise, where, eta=eta)
    expect.settle()

    follows_the_exact_denoiser(student.DDIMScheduler(clip_sample=False), expect, eta=0.5)


def check_noise(student: Student, expect: Expect) -> None:
    """The noise that step draws itself when eta > 0: standard normal, independent, from the generator."""
    scheduler = student.DDIMScheduler(clip_sample=False)
    standard_normal_draws(student, scheduler, expect, eta=1.0)
