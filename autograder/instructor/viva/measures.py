"""A student's formulas as numbers: the weights that their code gives its inputs, measured at a few timesteps.

So a change of a line can be told by what it does, and where: in the first step of sampling, in the last, or in none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...readback.weights import measure
from ...record import Failed
from .question import Table, number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...student import Scheduler, Student

STEPS, SOME = 10, (999, 499, 99)  # a list, and some of its timesteps: the first, one in the middle, the last
ENDS = (0, 499, 999)
PREDICTIONS = {"reverse.predict_epsilon": "epsilon", "reverse.predict_v": "v_prediction"}
Row = tuple[str, list[float]]


@dataclass
class Measure:
    """What can be measured of a check's function.

    what  it is, in words
    head  names of the numbers
    rows  yields (where, the numbers) for a Student. Raises Failed
    """

    what: str
    head: list[str]
    rows: Callable[[Student], Iterator[Row]]

    def of(self, student: Student) -> dict[str, list[float]]:
        """{where: numbers}; nothing where it is not what it should be."""
        try:
            return dict(self.rows(student))
        except (Failed, TypeError, ValueError, IndexError, AttributeError):  # what comes out of the box may be anything
            return {}

    def table(self, now: dict[str, list[float]], changed: dict[str, list[float]] | None = None) -> Table | None:
        """The numbers, and beside those that a change moves what they become."""
        rows = []
        for where, values in now.items():
            others = values if changed is None else changed.get(where, [])
            pairs = [(number(one), number(other)) for one, other in zip(values, others, strict=False)]
            cells = [one if one == other else f"{one} → {other}" for one, other in pairs]
            if len(cells) == len(self.head):
                rows.append([where, *cells])
        return Table(["", *self.head], rows) if rows else None


def of_check(id: str) -> Measure | None:
    """What to measure for the function that a check is about, if it has weights."""
    part, _, name = id.partition(".")
    if part == "schedule":
        return Measure(f"The {name} tables", ["β_t", "ᾱ_t"], lambda student: tables(student, name))
    if part == "forward":
        what = {"add_noise": "x_t", "get_velocity": "v"}[name]
        return Measure(f"The weights in {what}", ["of x_0", "of ε"], lambda student: forward(student, name))
    if id in PREDICTIONS:
        head = ["of x_t in x̂0", "of the output in x̂0", "of x_t in ε̂", "of the output in ε̂"]
        return Measure("The weights in predict", head, lambda student: predictions(student, PREDICTIONS[id]))
    if id == "reverse.posterior":
        head = ["of x_0", "of x_t", "variance"]
        return Measure(f"The posterior over a list of {STEPS}, its weights", head, posterior)
    if id in ("reverse.step", "reverse.step_large", "reverse.strided"):
        kind = "fixed_large" if id == "reverse.step_large" else "fixed_small"
        what = f"The weights in x_prev over a list of {STEPS}, {kind}"
        return Measure(what, ["of x_t", "of ε̂", "of z"], lambda student: ddpm(student, kind))
    if part == "ddim" and name != "noise":
        eta = 0.0 if name == "deterministic" else 0.5
        what = f"The weights in x_prev over a list of {STEPS}, η = {eta:g}"
        return Measure(what, ["of x_t", "of ε̂", "of z"], lambda student: ddim(student, eta))
    return None


def tables(student: Student, name: str) -> Iterator[Row]:
    scheduler = student.DDPMScheduler(beta_schedule=name)
    betas, alphas_cumprod = np.asarray(scheduler.betas), np.asarray(scheduler.alphas_cumprod)
    for t in ENDS:
        yield f"t = {t}", [float(betas[t]), float(alphas_cumprod[t])]


def forward(student: Student, method: str) -> Iterator[Row]:
    scheduler, rng = student.DDPMScheduler(), np.random.default_rng(0)
    for t in ENDS:
        images, noise = normal(rng, 2)
        yield f"t = {t}", weights(getattr(scheduler, method)(images, noise, np.array([t] * len(images))), images, noise)


def predictions(student: Student, prediction_type: str) -> Iterator[Row]:
    scheduler = student.DDPMScheduler(prediction_type=prediction_type, clip_sample=False)
    rng = np.random.default_rng(0)
    for t in ENDS:
        output, sample = normal(rng, 2)
        x0, epsilon = scheduler.predict(output, t, sample)
        yield f"t = {t}", [*weights(x0, sample, output), *weights(epsilon, sample, output)]


def posterior(student: Student) -> Iterator[Row]:
    scheduler, rng = short(student.DDPMScheduler()), np.random.default_rng(0)
    for t in SOME:
        x0, sample = normal(rng, 2)
        mean, variance = scheduler.posterior(x0, sample, t)
        yield f"t = {t}", [*weights(mean, x0, sample), float(variance)]


def ddpm(student: Student, variance_type: str) -> Iterator[Row]:
    yield from steps(short(student.DDPMScheduler(variance_type=variance_type, clip_sample=False)))


def ddim(student: Student, eta: float) -> Iterator[Row]:
    yield from steps(short(student.DDIMScheduler(clip_sample=False)), eta=eta)


def steps(scheduler: Scheduler, **options: Any) -> Iterator[Row]:
    rng = np.random.default_rng(0)
    for t in SOME:
        output, sample, noise = normal(rng, 3)
        x_prev = scheduler.step(output, t, sample, variance_noise=noise, **options)
        yield f"t = {t}", weights(x_prev, sample, output, noise)


def short(scheduler: Scheduler) -> Scheduler:
    scheduler.set_timesteps(STEPS)
    return scheduler


def normal(rng: np.random.Generator, number: int) -> np.ndarray:
    return rng.standard_normal((number, 3, 2, 4, 4), dtype=np.float32)


def weights(answer: np.ndarray, *terms: np.ndarray) -> list[float]:
    """What an answer is made of. Raises ValueError where it is no weighted sum of these terms."""
    found = measure(answer, terms) if np.shape(answer) == terms[0].shape else None
    if found is None:
        raise ValueError("no weighted sum")
    pairs = zip(found.values.tolist(), found.errors.tolist(), strict=True)
    return [0.0 if abs(value) <= 3 * error else value for value, error in pairs]  # what rounding leaves is nothing
