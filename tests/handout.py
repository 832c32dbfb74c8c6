"""What the tests of the handout share: its text with that of its background, the reference it speaks of, and one pixel
followed through a run."""

import importlib.util
import re

import torch

from autograder.instructor.authoring import skeleton
from autograder.instructor.authoring.course import Course
from autograder.instructor.authoring.handout_page import joined
from autograder.paths import ROOT

WHOLE = Course.whole()
HANDOUT = joined(WHOLE)
COMMANDS = WHOLE.text((ROOT / "STUDENTS.md").read_text(encoding="utf-8"), "STUDENTS.md")
SKELETON = skeleton.generate(WHOLE)["scheduler.py"].decode()
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
MEAN, SD = 0.3, 0.4  # the one pixel of part 4


def load_reference():
    spec = importlib.util.spec_from_file_location("reference_scheduler", ROOT / "solution" / "scheduler.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = load_reference()


def ddpm(**settings):
    return reference.DDPMScheduler(**{"clip_sample": False, **settings})


def listed(S, kind=reference.DDPMScheduler, **settings):
    scheduler = kind(**{"clip_sample": False, **settings})
    scheduler.set_timesteps(S)
    return scheduler


def coefficients(scheduler, t):
    """alpha-bar at t and at the previous timestep, alpha, beta and beta-tilde between the two, as floats."""
    alpha_bar, previous = (value.item() for value in scheduler._alpha_bars(t))
    alpha = alpha_bar / previous
    return alpha_bar, previous, alpha, 1 - alpha, (1 - previous) / (1 - alpha_bar) * (1 - alpha)


def images(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 1, 3, 3, generator=generator, dtype=torch.float64) for _ in range(count)]


def close(a, b, rtol=1e-3, atol=1e-5):
    torch.testing.assert_close(a, b, rtol=rtol, atol=atol)


def best_noise(alpha_bar, x):
    """What the best network answers for the pixel x_t: E[epsilon | x_t] where x_0 is N(MEAN, SD^2)."""
    return (1 - alpha_bar) ** 0.5 * (x - alpha_bar**0.5 * MEAN) / (alpha_bar * SD**2 + 1 - alpha_bar)


def end_of_run(scheduler, step=None, **options):
    """(mean, standard deviation) of that pixel after a run from noise over the scheduler's list.

    step(t, x, epsilon_hat, z) -> x_prev, linear in all three; without one, the scheduler's own.
    """

    def own(t, x, epsilon, z):
        x, epsilon, z = (torch.full((1, 1, 1, 1), value, dtype=torch.float64) for value in (x, epsilon, z))
        return scheduler.step(epsilon, t, x, variance_noise=z, **options).item()

    mean, variance = 0.0, 1.0
    for t in scheduler.timesteps.tolist():
        alpha_bar = scheduler._alpha_bars(t)[0].item()
        at_0, at_1 = ((step or own)(t, x, best_noise(alpha_bar, x), 0.0) for x in (0.0, 1.0))
        noise = (step or own)(t, 0.0, best_noise(alpha_bar, 0.0), 1.0) - at_0
        mean = at_0 + (at_1 - at_0) * mean
        variance = (at_1 - at_0) ** 2 * variance + noise**2
    return mean, variance**0.5
