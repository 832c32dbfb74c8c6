"""The cheapest program that earns points: a search over schedulers without a formula of diffusion, each method of which
answers one thing from a menu. `python -m autograder.instructor.validity.cheapest` prints the best of them.

Every prediction is tried with every step, since one may be carried by the other; the other methods stand alone, and
draw from their menus on the way, always in the same order. Public cases of the exact parts: what fails these earns
nothing.
"""

import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

from rich.console import Console
from rich.progress import track

from ... import checks
from ...box import Box
from ...expectations import Expectations
from ...grading import grade
from ...paths import PUBLIC
from ...record import PASSED
from ...rubric import Rubric

LISTS = (  # of S timesteps
    "torch.arange(S - 1, -1, -1)",
    "torch.linspace(T - 1, 0, S).long()",
    "torch.arange(0, T, T // S).flip(0)[:S]",
    "torch.arange(T - 1, -1, -1)",
    "torch.zeros(S, dtype=torch.int64)",
)
PREVIOUS = ("t - 1", "max(t - 1, 0)", "t - len(self.alphas) // len(self.timesteps)", "-1", "t")
TABLES = ("torch.zeros(T)", "torch.ones(T)", "torch.linspace(0, 1, T)", "torch.full((T,), float('nan'))",
          "torch.linspace(1, 0, T)", "torch.linspace(1e-4, 0.02, T)", "1 - torch.arange(T) / T")  # fmt: skip
IMAGES = (
    "0 * sample",
    "sample.clone()",
    "output.clone()",
    "sample + output",
    "sample - output",
    "sample / 2 + output / 2",
    "1e15 * sample",
    "float('nan') * sample",
    "torch.linspace(0, 1, sample.numel()).view(sample.shape).to(sample)",
    "spiked(sample)",
    "sample / 2**0.5 + output / 2**0.5",
    "sample / 2**0.5 - output / 2**0.5",
)
PAIRS = (
    "0 * sample, 0 * sample",
    "sample.clone(), output.clone()",
    "output.clone(), sample.clone()",
    "sample.clamp(-1, 1), output.clone()",
    "(sample - output).clamp(-1, 1), output.clone()",
    "(sample - output / 2) / 2, output.clone()",
    "1e15 * sample, output.clone()",
    "spiked(sample), output.clone()",
    "sample.clone(), 1e15 * output",
    "1e15 * sample, 1e15 * output",
    "sample + output, sample - output",
)
STEPS = (
    *IMAGES,
    "z",
    "sample + z",
    "self.predict(output, t, sample)[0]",
    "self.predict(output, t, sample)[1]",
    "self.predict(output, t, sample)[0] + z",
    "sum(self.predict(output, t, sample))",
    # What knows the last step, and how large eta is.
    "self.predict(output, t, sample)[0] + (z if t else 0)",
    "self.predict(output, t, sample)[0] + eta * z",
    "sample + eta * z",
    "self.predict(output, t, sample)[0] * 0.5 + sample * 0.5 + 0.1 * z",
    "self.posterior(self.predict(output, t, sample)[0], sample, t)[0] + z",
    "self.add_noise(*self.predict(output, t, sample), t) + z",
)
PROGRAM = """\
import torch


def spiked(x):
    x = x.clone()
    x.view(-1)[0] = 1e15
    return x


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, *settings, **more):
        T = num_train_timesteps
        self.betas = self.alphas = self.alphas_cumprod = {tables}
        self.timesteps = torch.arange(T - 1, -1, -1)

    def set_timesteps(self, num_inference_steps, device=None):
        T, S = len(self.alphas), num_inference_steps
        self.timesteps = {list}.to(device)

    def previous_timestep(self, timestep):
        t = int(timestep)
        return {previous}

    def add_noise(self, sample, output, timesteps):
        return {images}

    get_velocity = add_noise

    def loss(self, model, sample, output, timesteps):
        return 0 * model({images}, timesteps).flatten(1).sum(1)

    def predict(self, output, timestep, sample):
        return {predict}

    def posterior(self, output, sample, timestep):
        return {images}, sample.new_full((), {number})

    def step(self, output, t, sample, eta=0.0, generator=None, z=None, variance_noise=None):
        z = torch.randn(sample.shape, generator=generator).to(sample) if variance_noise is None else variance_noise
        return {step}


class DDIMScheduler(DDPMScheduler):
    pass


class FlowMatchScheduler(DDPMScheduler):
    pass


def guided(sample, output, scale):
    return {images}


def inpaint(model, scheduler, known, mask, noise):
    return torch.where(mask, known, noise)
"""


def programs() -> Iterator[str]:
    menus = {
        "tables": TABLES,
        "images": IMAGES,
        "number": (0, 1, "float('nan')", "0.02", "self.betas[int(timestep)]"),
        "list": LISTS,
        "previous": PREVIOUS,
    }
    rng = random.Random(0)
    for predict, step in product(PAIRS, STEPS):
        others = {name: rng.choice(menu) for name, menu in menus.items()}
        yield PROGRAM.format(predict=predict, step=step, **others)


def search(box: Box, rubric: Rubric) -> list[tuple[float, list[str], str]]:
    """[(points, ids of the checks that passed, program)], the best first."""
    public, rubric = Expectations.load(PUBLIC), replace(rubric, box={"minimum_tier": "E"})
    found = []
    for text in track(list(programs()), "Programs", transient=True):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "scheduler.py").write_text(text, encoding="utf-8")
            made = grade(Path(folder), box, rubric, public, only=checks.DECIDED["scheduler.py"])
        found.append((made.points, [check.id for check in made.checks if check.verdict == PASSED], text))
    return sorted(found, reverse=True)


def main() -> None:
    rubric = Rubric.load(whole=True)
    with Box(rubric.limits) as box:
        found = search(box, rubric)
    points, passed, text = found[0]
    Console().print(f"{len(found)} programs; the best earns {points:g} points, for {', '.join(passed) or 'nothing'}.")
    print(text)


if __name__ == "__main__":
    main()
