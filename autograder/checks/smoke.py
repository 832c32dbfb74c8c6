"""The smoke test: the real network learns digits with the student's scheduler and draws some with their sampler, on
this machine's GPU where it has one. Optional: `make smoke`, or `smoke = true` in rubric.toml.

Loss and digits are held beside those of reference runs, made just before on the same device. These need no formula:
their scheduler (recorded.py) reads from tables how much of the image and of the noise is in x_t and in the target, and
how much of x0_hat and of x_t is in each step of DDIM.
"""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from safetensors.numpy import save

from .. import measure
from ..language import _
from ..record import BAD_OUTPUT, WRONG, Failed
from ..student import Scheduler, Student, Value
from .program import grid
from .training import SCHEDULE, held_out, scalars_of, timesteps

if TYPE_CHECKING:
    from ..expect import Expect

UNET = {}  # the real network, as train.py builds it
SAMPLING_STEPS = 20
PLAYER = (Path(__file__).parent / "recorded.py").read_bytes()
ROUNDING = 1e-6  # by which the tables of each reference run are moved: what rounding becomes in so many steps
SIGMAS = 4
LEAST = {"confident": 0.05, "frechet": 0.05}  # how much worse the digits may be, at least; of frechet, relative


@dataclass(frozen=True)
class Size:
    """steps, batch_size: of training; references: runs beside it; images: to draw; pieces: steps of training, or
    tens of images, between two words about the progress."""

    steps: int
    batch_size: int
    references: int
    images: int
    pieces: int

    def work(self) -> int:
        """How many images go through the network, in one run; there and back counts three times."""
        return 3 * self.steps * self.batch_size + self.images * SAMPLING_STEPS


ON_GPU = Size(steps=2000, batch_size=512, references=3, images=1000, pieces=100)
ON_CPU = Size(steps=200, batch_size=16, references=2, images=100, pieces=20)


@dataclass
class Outcome:
    """What a run came to: the loss on digits held out; of its samples the share that the classifier is sure of and the
    Frechet distance to real digits; the samples."""

    loss: float
    confident: float
    frechet: float
    samples: np.ndarray


def check_digits(student: Student, expect: Expect) -> None:
    seed, kind = expect.integer(0, 1 << 30), expect.prediction_types[-1]
    t = timesteps(expect)
    tables = expect.draw(lambda rng: scalars_of(student.DDPMScheduler(), kind, np.arange(1000)))
    plain = {"prediction_type": kind, "clip_sample": False}
    steps = expect.draw(lambda rng: walk(student.DDIMScheduler(**plain), SAMPLING_STEPS))
    expect.live(lambda: student.on_gpu_or_cpu(partial(compare, student, expect, seed, t, tables, steps)))


def compare(
    student: Student,
    expect: Expect,
    seed: int,
    t: np.ndarray,
    tables: np.ndarray,
    steps: np.ndarray,
    device: str,
) -> None:
    """The student's run on this device beside those of the reference."""
    size = ON_CPU if device == "cpu" else ON_GPU
    digits, x_t, target = held_out(seed, tables[:, t])
    kind = expect.prediction_types[-1]
    run = partial(outcome, kind=kind, size=size, seed=seed, digits=digits, held_out=(x_t, t, target), device=device)
    progress = Progress(expect.tell, size.work())

    def make() -> list[Outcome]:
        progress.total *= 1 + size.references
        found = []
        for n in range(1, 1 + size.references):
            what = _("reference run {n} of {count}", n=n, count=size.references)
            with student.beside(reference_files(tables * (1 + n * ROUNDING), steps)) as reference:
                found.append(run(reference, progress=partial(progress, what)))
        return found

    references = student.box.once(("smoke", device, size, seed), make)
    ours = run(student, progress=partial(progress, _("your run")))
    expect.picture = picture(ours.samples[:64])
    on = _("the CPU")
    if device != "cpu":
        assert student.gpu is not None
        on = student.gpu.name
    where = _(
        "after {steps:,} steps of {digits} digits on {device}", steps=size.steps, digits=size.batch_size, device=on
    )
    loss, spread = mean_and_spread(references, "loss")
    name = _("the held-out loss of the real network")
    expect.near(ours.loss, loss, name, where, max(expect.tolerance, SIGMAS * spread / loss))
    confident, spread = mean_and_spread(references, "confident")
    least = confident - max(LEAST["confident"], SIGMAS * spread)
    frechet, spread = mean_and_spread(references, "frechet")
    most = frechet + max(LEAST["frechet"] * frechet, SIGMAS * spread)
    expect.remark(
        _(
            "Yours {where}, and the reference's: held-out loss {ours.loss:.4f} and {loss:.4f}; of {images:,} digits "
            "drawn, the classifier is sure of {ours.confident:.0%} and {confident:.0%}; their Frechet distance to real "
            "ones is {ours.frechet:.1f} and {frechet:.1f}.",
            where=where,
            ours=ours,
            loss=loss,
            images=size.images,
            confident=confident,
            frechet=frechet,
        )
    )
    expect.settle()
    worse = _("the digits from your sampler are worse than the reference's from the same noise")
    if ours.frechet > most:
        raise Failed(WRONG, worse, _("Frechet distance {got:.1f}, at most {most:.1f}", got=ours.frechet, most=most))
    if ours.confident < least:
        told = _("the classifier is sure of {got:.0%}, at least {least:.0%}", got=ours.confident, least=least)
        raise Failed(WRONG, worse, told)


def outcome(
    student: Student,
    kind: str,
    size: Size,
    seed: int,
    digits: np.ndarray,
    held_out: tuple[np.ndarray, np.ndarray, np.ndarray],
    device: str,
    progress: Callable[[int], None],
) -> Outcome:
    """What one run comes to. `progress` is told how many images went through the network since it was told last.

    kind      the prediction type
    held_out  (x_t, t, target)
    """
    settings = {"scheduler": {"prediction_type": kind, **SCHEDULE}, "unet": UNET, "seed": seed, "precision": "auto"}
    settings |= {"steps": size.steps, "batch_size": size.batch_size, "timesteps": "uniform"}
    training = student.training(settings, digits, device, cpu_seconds=student.limits["smoke_seconds"])
    for done in range(0, size.steps, size.pieces):
        steps = min(size.pieces, size.steps - done)
        training.advance(steps)
        progress(3 * steps * size.batch_size)
    loss = measure.held_out_loss(training.checkpoint(), UNET, *held_out)
    noise = np.random.RandomState(seed + 1).standard_normal((size.images, 1, 28, 28)).astype(np.float32)
    parts = []
    for first in range(0, size.images, 10 * size.pieces):
        part = noise[first : first + 10 * size.pieces]
        parts.append(drawn(training.digits(part, SAMPLING_STEPS), part.shape))
        progress(len(part) * SAMPLING_STEPS)
    student.close()
    samples = np.concatenate(parts)
    found = measure.digits(samples)
    return Outcome(loss, found["confident"], found["frechet"], samples)


def drawn(samples: object, shape: tuple[int, ...]) -> np.ndarray:
    """What a sampler gave, if it is images. Raises Failed."""
    if not (isinstance(samples, Value) and samples.shape == shape and samples.torch_dtype == "float32"):
        raise Failed(BAD_OUTPUT, _("your sampler must give float32 images of shape {shape}", shape=shape))
    if not np.isfinite(samples).all():
        raise Failed(BAD_OUTPUT, _("the digits from your sampler contain NaN or infinite values"))
    return np.asarray(samples)


def picture(samples: np.ndarray) -> str:
    """Images (N, 1, 28, 28) side by side: a PNG, in base64."""
    pixels, file = grid(samples).clip(0, 255).round().astype(np.uint8), io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def mean_and_spread(outcomes: Sequence[Outcome], name: str) -> tuple[float, float]:
    values = [getattr(one, name) for one in outcomes]
    return float(np.mean(values)), float(np.std(values, ddof=1))


class Progress:
    """Tells how far a piece of work is, and how long the rest will take if it goes on like this."""

    def __init__(self, tell: Callable[[str], object], total: int) -> None:
        self.tell, self.total, self.done, self.started = tell, total, 0, time.monotonic()

    def __call__(self, what: str, done: int) -> None:
        self.done += done
        left = (time.monotonic() - self.started) * (self.total / self.done - 1)
        share, minutes, seconds = self.done / self.total, left // 60, left % 60
        told = _(
            "Smoke test, {what}: {share:.0%}, {m:.0f}:{s:02.0f} left", what=what, share=share, m=minutes, s=seconds
        )
        self.tell(told)


# ----- the reference, played from tables ------------------------------------------------------------------------------


def reference_files(tables: np.ndarray, walk: np.ndarray) -> dict[str, bytes]:
    """The files of the reference: a scheduler that reads from tables."""
    content = save({"tables": np.float32(tables), "walk": walk})  # pyrefly: ignore[bad-assignment]
    return {"scheduler.py": PLAYER, "tables.safetensors": content}


def walk(scheduler: Scheduler, steps: int) -> np.ndarray:
    """One row for every step of DDIM without noise, (steps, 5) float32: the timestep, and how much of x_t and of the
    output is in x0_hat, and then of x0_hat and of x_t in x_prev."""
    scheduler.set_timesteps(steps)
    timesteps = np.asarray(scheduler.timesteps).tolist()
    zero, one = np.zeros((1, 1, 1, 1)), np.ones((1, 1, 1, 1))
    rows = []
    for t in timesteps:
        in_x0 = [scheduler.predict(output, t, x)[0].item() for output, x in ((zero, one), (one, zero))]
        in_x = [scheduler.step(output, t, x).item() for output, x in ((zero, one), (one, zero))]
        of_x0 = in_x[1] / in_x0[1]
        rows.append([t, *in_x0, of_x0, in_x[0] - of_x0 * in_x0[0]])
    return np.float32(rows)  # pyrefly: ignore[bad-return, bad-argument-type]
