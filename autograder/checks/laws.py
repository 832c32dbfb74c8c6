"""Laws that both samplers obey: a whole run under a denoiser that is known exactly, and noise that is noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..language import _
from .cases import shape_of_images

if TYPE_CHECKING:
    from ..box.inside.wire import Ref
    from ..expect import Expect
    from ..student import Scheduler, Student, Value

MEAN, SD = 0.3, 0.4  # the "data" of the whole run: every pixel is N(0.3, 0.4^2)
DRAWS = (32, 1, 16, 16)
SIGMAS = 5.5  # two-sided normal tail 4e-8 for each of the statistics below: false alarms under 1e-6 in all

GRID = np.linspace(-4, 4, 161)
NORMAL_CDF = np.array([0.5 * (1 + math.erf(edge / math.sqrt(2))) for edge in GRID])


def follows_the_exact_denoiser(scheduler: Scheduler, expect: Expect, **options) -> None:
    """Ten steps from noise under the exact denoiser of N(MEAN, SD^2), a linear map in closed form.

    Many wrong samplers look right on images and fail here: errors of single steps add up over a run.
    """
    shape = shape_of_images(expect)
    x, noises = expect.normal(*shape), expect.normal(10, *shape)
    scheduler.set_timesteps(10)
    timesteps = expect.listed(scheduler)
    if not (expect.passed("schedule.linear") and expect.passed("reverse.predict_epsilon")):
        return
    table = expect.tensor(scheduler.alphas_cumprod, (1000,), "alphas_cumprod")
    for t, noise in zip(timesteps, noises, strict=True):
        alpha_bar = table[t]
        spread = alpha_bar * SD**2 + 1 - alpha_bar
        output = np.float32((1 - alpha_bar) ** 0.5 * (x - alpha_bar**0.5 * MEAN) / spread)
        x_prev = scheduler.step(output, t, x, variance_noise=noise, **options)
        x = np.float32(expect.tensor(x_prev, noise.shape, "x_prev"))
    where = _("at the end of a run of 10 steps under the exact denoiser of N({mean}, {sd}^2)", mean=MEAN, sd=SD)
    # pyrefly: ignore[unbound-name]  (the list has ten timesteps)
    expect.value(x_prev, "x_prev", where)


def standard_normal_draws(student: Student, scheduler: Scheduler, expect: Expect, **options) -> None:
    """`step` with noise of its own: on zeros, x_prev is that noise times a number known from calls with zeros and ones.

    What else x_prev is made of is charged in the checks of the step, and is taken off here."""
    t, seed = expect.integer(300, 700), expect.integer(1, 1 << 30)
    given = expect.normal(*shape_of_images(expect))
    zeros, small = np.zeros(DRAWS, np.float32), np.zeros(given.shape, np.float32)

    def with_noise(z: np.ndarray) -> tuple[np.ndarray, Value]:
        x_prev = scheduler.step(0 * z, t, 0 * z, variance_noise=z, **options)
        return expect.tensor(x_prev, z.shape, "x_prev"), x_prev

    (rest, _rest), (ones, _rest), (_rest, answer) = map(with_noise, (small, small + 1, given))
    scale = ones - rest
    sigma = float(scale[0, 0, 0, 0])
    expect.law(np.isfinite(scale).all(), _("x_prev contains NaN or infinite values"))
    expect.law(sigma != 0, _("step adds no noise where variance_noise is given"))
    expect.law(np.ptp(scale) <= 1e-3 * abs(sigma), _("step does not use the variance_noise that it is given"))
    # In units of the student's own sigma: a wrong sigma is charged in the checks of the step.
    expect.value(
        (answer - np.float32(rest)) / np.float32(sigma),
        _("the noise in x_prev"),
        _("in units of its standard deviation, at t = {t}", t=t),
    )
    if not expect.laws():
        return

    rest = with_noise(zeros)[0]

    def draw(generator: Ref | None = None) -> np.ndarray:
        settings = {"generator": generator} if generator else {}
        x_prev = expect.tensor(scheduler.step(zeros, t, zeros, **settings, **options), DRAWS, "x_prev")
        return (x_prev - rest) / sigma

    generator = student.generator(seed)
    first, second = draw(generator), draw(generator)
    for z in (first, draw()):
        law_of_the_normal(expect, z)
    law = expect.law
    law(
        np.array_equal(first, draw(student.generator(seed))),
        _("step draws other noise from a generator of the same seed"),
    )
    law(
        not np.array_equal(first, draw(student.generator(seed + 1))),
        _("step draws the same noise whatever generator it gets"),
    )
    law(not np.array_equal(first, second), _("two steps from one generator get the same noise"))
    law(not np.array_equal(draw(), draw()), _("two steps without a generator get the same noise"))
    halves = np.zeros(small.shape, np.float16)
    expect.tensor(
        scheduler.step(halves, t, halves, **options),
        halves.shape,
        _("{method} for float16 images", method="x_prev"),
        "float16",
    )
    expect.on_cuda(scheduler, "step", zeros, t, zeros, generator=generator, **options)


def law_of_the_normal(expect: Expect, z: np.ndarray, what: str = "") -> None:
    n, what = z.size, what or _("the noise of step")
    expect.law(
        len(np.unique(z)) > 0.99 * n,
        _("in {what}, pixels or images share a number; each needs a draw of its own", what=what),
    )
    expect.law(abs(z.mean()) < SIGMAS / math.sqrt(n), _("{what} has not mean 0", what=what))
    expect.law(abs(z.var() - 1) < SIGMAS * math.sqrt(2 / n), _("{what} has not variance 1", what=what))
    # Kolmogorov-Smirnov, looked at on a grid only: P(D > d) < 2 exp(-2 n d^2), 1e-7 at this d.
    below = np.searchsorted(np.sort(z.ravel()), GRID) / n
    gap = np.abs(below - NORMAL_CDF).max()
    expect.law(gap < math.sqrt(math.log(2e7) / (2 * n)), _("{what} is not normally distributed", what=what))
    for axis in (0, 2, 3):
        neighbours = (z * np.roll(z, 1, axis)).mean()
        expect.law(
            abs(neighbours) < SIGMAS / math.sqrt(n), _("{what} is correlated between pixels or images", what=what)
        )
