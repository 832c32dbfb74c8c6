"""Part 3: the reverse process of DDPM. The list of timesteps, what the model predicts, the posterior, the step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..language import N_, _
from ..student import Scheduler, Student, strided
from .cases import float64, reverse_inputs, settings_and_timesteps, some_of, timesteps_of
from .laws import follows_the_exact_denoiser, standard_normal_draws

if TYPE_CHECKING:
    from ..expect import Expect

SPANS = ((0, 1), (50, 400), (500, 998), (999, 1000))  # where clipping is tested
MOMENTS = (N_("the posterior mean"), N_("the posterior variance"))
# Numbers of steps and of timesteps: none of the first divides 1000, and every usual way to round agrees on them.
STRIDES = (7, 9, 11, 13, 17, 19, 21, 23, 27, 29, 30, 31, 33)
# Here arange(T, 0, -T / S), as diffusers has it, ends one entry too late: its length is rounded up.
ROUNDED_UP = (61, 103, 121, 122, 201, 206, 217, 223)
LENGTHS = (40, 50, 70, 80, 90, 100, 110, 130, 140, 160, 170, 180, 190, 200, 250, 320, 400)


def check_timesteps(student: Student, expect: Expect) -> None:
    T = expect.choice(*LENGTHS)
    for settings in ({}, {"num_train_timesteps": T}):
        scheduler = student.DDPMScheduler(**settings)
        where = _("before set_timesteps is called, for {settings}", settings=settings or _("defaults"))
        expect.exactly(scheduler.timesteps, "timesteps", where)
    scheduler = student.DDPMScheduler()
    for S in (10, 50, 1, 1000, expect.choice(*STRIDES), expect.choice(*ROUNDED_UP)):
        scheduler.set_timesteps(S)
        expect.exactly(scheduler.timesteps, "timesteps", _("after set_timesteps({S}), T = {T}", S=S, T=1000))
    other = student.DDPMScheduler(num_train_timesteps=T)
    S = expect.choice(3, 7, 9, 11, 13)
    other.set_timesteps(num_inference_steps=S)
    expect.exactly(other.timesteps, "timesteps", _("after set_timesteps({S}), T = {T}", S=S, T=T))
    if not expect.laws():
        return

    expect.on_cuda(student.DDPMScheduler(), "set_timesteps", 10, device="cuda")
    for S in (0, -3, T + 1):
        expect.raises(lambda S=S: other.set_timesteps(S), _("set_timesteps({S}) with T = {T}", S=S, T=T))


def check_previous_timestep(student: Student, expect: Expect) -> None:
    scheduler = student.DDPMScheduler()
    for t in (999, expect.integer(2, 998), 1, 0):
        expect.exactly(scheduler.previous_timestep(t), "previous_timestep", _("of {t} among 999 ... 0", t=t))
    S = expect.choice(*STRIDES[:5])
    scheduler.set_timesteps(S)
    steps = expect.listed(scheduler)
    for t in steps:
        expect.exactly(
            scheduler.previous_timestep(t), "previous_timestep", _("of {t} after set_timesteps({S})", t=t, S=S)
        )
    if not expect.laws():
        return

    again = scheduler.previous_timestep(np.array(steps[-1]))
    expect.law(type(again) is int and again == -1, _("previous_timestep differs for a 0-d tensor"))
    expect.raises(lambda: scheduler.previous_timestep(998), _("previous_timestep(998) after set_timesteps({S})", S=S))


def check_predict_epsilon(student: Student, expect: Expect) -> None:
    predict(student, expect, "epsilon")


def check_predict_v(student: Student, expect: Expect) -> None:
    predict(student, expect, "v_prediction")


def predict(student: Student, expect: Expect, prediction_type: str) -> None:
    """Both estimates without clipping, from t = 0, where noise hardly counts, to T - 1, where nothing else does."""
    scheduler, kind = student.DDPMScheduler(prediction_type=prediction_type, clip_sample=False), prediction_type
    for t in timesteps_of(expect, 1000):
        output, sample, _rest = reverse_inputs(expect)
        both(expect, scheduler.predict(output, t, sample), _("for {kind} at t = {t}", kind=kind, t=t))
    output, sample, _rest = reverse_inputs(expect)
    first = scheduler.predict(output, 600, sample)
    both(expect, first, _("for {kind} at t = {t}", kind=kind, t=600))
    both(expect, scheduler.predict(*float64(output), 600, *float64(sample)), _("for {kind} in float64", kind=kind))
    expect.settle()

    T = expect.integer(30, 90)
    if expect.passed("schedule.linear"):
        other = student.DDPMScheduler(num_train_timesteps=T, prediction_type=prediction_type, clip_sample=False)
        both(expect, other.predict(output, T // 2, sample), _("for {kind} with T = {T}", kind=kind, T=T))
    if not expect.laws():
        return

    again = scheduler.predict(strided(output), np.array(600), strided(sample))
    expect.pair(again, "predict")
    for got, before, name in zip(again, first, ("x0_hat", "epsilon_hat"), strict=True):
        expect.same(got, before, _("{name} differs for a 0-d timestep and non-contiguous inputs", name=name))
    explain = _("x0_hat and epsilon_hat do not add up to x_t")
    if expect.passed("forward.add_noise"):
        rebuilt = expect.tensor(scheduler.add_noise(*first, np.full(len(sample), 600)), sample.shape, "x_t")
        expect.law(np.abs(rebuilt - sample).max() < 1e-3 * np.abs(sample).max(), explain)
    if prediction_type == "v_prediction" and expect.passed("forward.get_velocity"):
        back = expect.tensor(scheduler.get_velocity(*first, np.full(len(sample), 600)), sample.shape, "v")
        expect.law(
            np.abs(back - output).max() < 1e-3 * np.abs(output).max(),
            _("x0_hat and epsilon_hat do not give {name} back", name="v"),
        )
    expect.untouched(scheduler, "predict", output, 600, sample)
    expect.on_cuda(scheduler, "predict", output, 600, sample)


def both(expect: Expect, pair: Any, where: str) -> None:
    """What should be (x0_hat, epsilon_hat) against the recorded pair."""
    expect.pair(pair, "predict")
    for got, name in zip(pair, ("x0_hat", "epsilon_hat"), strict=True):
        expect.value(got, name, where)


def check_clip(student: Student, expect: Expect) -> None:
    """x0_hat is clipped, and epsilon_hat follows it; |x0_hat| is above 1 at most pixels, below at some."""
    # A wrong prediction is charged where it is made: here it would only be charged again.
    checks = {"epsilon": "reverse.predict_epsilon", "v_prediction": "reverse.predict_v"}
    types = {kind: checks[kind] for kind in expect.prediction_types}
    draws = {t: [(expect.integer(*span), *reverse_inputs(expect)[:2]) for span in SPANS] for t in types}
    for prediction_type in [t for t, check in types.items() if expect.passed(check)] or types:
        scheduler = student.DDPMScheduler(prediction_type=prediction_type)
        for t, output, sample in draws[prediction_type]:
            both(
                expect,
                scheduler.predict(output, t, sample),
                _("clipped, for {kind} at t = {t}", kind=prediction_type, t=t),
            )
    expect.settle()


def check_posterior(student: Student, expect: Expect) -> None:
    """Mean and variance; the weights of x_0 and x_t one at a time, since the mean is nearly all x_t."""
    scheduler = student.DDPMScheduler(variance_type="fixed_large", clip_sample=False)
    for t in timesteps_of(expect, 1000):
        posterior(expect, scheduler, t, _("at t = {t}", t=t), apart=1 < t < 999)
    x0, sample, _rest = reverse_inputs(expect)
    first = scheduler.posterior(x0, sample, 500)
    moments(expect, first, _("at t = {t}", t=500))
    moments(expect, scheduler.posterior(*float64(x0, sample), 500), _("in float64 at t = {t}", t=500))
    expect.settle()

    # Far-away previous timesteps, where the weights differ most; charged here only where the list is right.
    short = student.DDPMScheduler()
    if expect.passed("reverse.timesteps"):
        short.set_timesteps(10)
    for t in expect.listed(short)[::5]:
        where = _("after set_timesteps({S}), at t = {t}", S=10, t=t)
        posterior(expect, short, t, where, expect.passed("reverse.timesteps"))
    if not expect.laws():
        return

    again = scheduler.posterior(strided(x0), strided(sample), np.array(500))
    expect.pair(again, "posterior")
    for got, before, name in zip(again, first, map(_, MOMENTS), strict=True):
        expect.same(got, before, _("{name} differs for a 0-d timestep and non-contiguous inputs", name=name))
    expect.untouched(scheduler, "posterior", x0, sample, 500)
    expect.on_cuda(scheduler, "posterior", x0, sample, 500)


def posterior(expect: Expect, scheduler: Scheduler, t: int, where: str, run: bool = True, apart: bool = True) -> None:
    """Both inputs, then x_0 alone, then x_t alone (not at t = 0, where the weight of x_t is 0 up to rounding)."""
    x0, sample, _rest = reverse_inputs(expect)
    cases = [
        (x0, sample, where),
        (x0, 0 * sample, _("{where} with x_t = 0", where=where)),
        (0 * x0, sample, _("{where} with x_0 = 0", where=where)),
    ]
    for image, noisy, case in cases[: 3 if apart else 1] if run else ():
        moments(expect, scheduler.posterior(image, noisy, t), case)


def moments(expect: Expect, pair: Any, where: str) -> None:
    """What should be (mean, variance) against the recorded pair."""
    expect.pair(pair, "posterior")
    for got, name in zip(pair, map(_, MOMENTS), strict=True):
        expect.value(got, name, where)


def check_step(student: Student, expect: Expect) -> None:
    """Single steps over the full list of timesteps, variance "fixed_small"."""
    steps(student, expect, "fixed_small")


def check_step_large(student: Student, expect: Expect) -> None:
    """The same with "fixed_large"."""
    steps(student, expect, "fixed_large")


def steps(student: Student, expect: Expect, variance_type: str) -> None:
    for settings, where, timesteps in settings_and_timesteps(expect, 1000):
        scheduler = student.DDPMScheduler(variance_type=variance_type, **settings)
        for t in timesteps:
            output, sample, noise = reverse_inputs(expect)
            expect.step(scheduler, output, t, sample, noise, _("{where}, at t = {t}", where=where, t=t))
    # pyrefly: ignore[unbound-name]  (there always are settings and timesteps)
    arrays = float64(output, sample, noise)
    # pyrefly: ignore[unbound-name]  (there always are settings and timesteps)
    where = _("{where}, in float64 at t = {t}", where=where, t=300)
    # pyrefly: ignore[unbound-name]  (there always are settings and timesteps)
    expect.step(scheduler, arrays[0], 300, arrays[1], arrays[2], where)
    # Few and large steps: here the two variances lie far apart, and so do the weights of neighbours.
    coarse = student.DDPMScheduler(num_train_timesteps=20, beta_end=0.5, variance_type=variance_type)
    for t in (1, 8) if expect.passed("schedule.linear") else ():
        here = _("for epsilon, clipped, with T = 20 and beta_end = 0.5, at t = {t}", t=t)
        expect.step(coarse, output, t, sample, noise, here)
    if not expect.laws():
        return

    first = scheduler.step(output, 300, sample, variance_noise=noise)
    again = scheduler.step(strided(output), np.array(300), strided(sample), variance_noise=strided(noise))
    expect.same(again, first, _("{name} differs for a 0-d timestep and non-contiguous inputs", name="step"))
    expect.untouched(scheduler, "step", output, 300, sample, variance_noise=noise)


def check_strided(student: Student, expect: Expect) -> None:
    """Steps of a short list: previous timesteps far away, and a last step at t > 0."""
    for S, variance_type in ((10, "fixed_small"), (expect.choice(*STRIDES), "fixed_large"), (1, "fixed_large")):
        scheduler = student.DDPMScheduler(variance_type=variance_type, clip_sample=False)
        scheduler.set_timesteps(S)
        listed = expect.listed(scheduler)
        for t in some_of(listed):
            output, sample, noise = reverse_inputs(expect)
            where = _("list of S = {S}, {kind}, at t = {t}", S=S, kind=variance_type, t=t)
            expect.step(scheduler, output, t, sample, noise, where)
    expect.settle()

    follows_the_exact_denoiser(student.DDPMScheduler(clip_sample=False), expect)


def check_noise(student: Student, expect: Expect) -> None:
    """The noise that step draws itself: standard normal, independent, from the generator."""
    scheduler = student.DDPMScheduler(variance_type="fixed_large", clip_sample=False)
    standard_normal_draws(student, scheduler, expect)
