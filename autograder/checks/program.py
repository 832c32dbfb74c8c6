"""infer.py as a program in the box, on a network in closed form; and the same samples made by the grader.

The network is the probe (checks/probe.py): the exact denoiser of images whose pixels are independent and normal around
a pattern. Where the student's own scheduler is wrong, infer.py runs again with the stand-in (checks/stand_in.py) in its
place, whose steps are in closed form, too. So what the samples must be never comes from the student's code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from safetensors.numpy import save

from .. import given, measure
from ..language import _
from ..paths import PACKAGE
from ..record import BAD_OUTPUT, CRASHED, WRONG, Failed
from ..student import Finished, Scheduler, Student, Value
from .stand_in import guided, plan

if TYPE_CHECKING:
    from ..expect import Expect

PROBE = (PACKAGE / "checks" / "probe.py").read_bytes()
STAND_IN = {"scheduler.py": (PACKAGE / "checks" / "stand_in.py").read_bytes()}
MOVED = 0.01  # samples of the opposite network must lie so far away, in units of a pixel's half range
NAMES = {"checkpoint": "model.safetensors", "output": "out.png", "samples": "out.safetensors"}
NOISE = "noise.safetensors"


@dataclass
class Case:
    """A checkpoint for the probe.

    settings    arguments of the schedulers
    pattern     (1, 28, 28) float32, the mean of the images
    tables      (2, T) float32, slope and offset for every timestep
    of_label    (11,) float32, what the pattern is multiplied with for each label, and last for none; None where the
                network knows no labels
    """

    settings: dict[str, Any]
    pattern: np.ndarray
    tables: np.ndarray
    of_label: np.ndarray | None = None

    @classmethod
    def draw(
        cls, student: Student, expect: Expect, settings: dict[str, Any], rough: float = 0.0, labels: bool = False
    ) -> Self:
        """rough   standard deviation, relative, by which the network misses the exact denoiser at each timestep
        labels  whether it knows labels
        """
        settings = {
            "num_train_timesteps": 1000,
            "beta_schedule": "linear",
            "beta_start": 1e-4,
            "beta_end": 0.02,
            "prediction_type": "epsilon",
            **settings,
        }
        pattern = 0.4 * np.tanh(expect.images(1, 28, 28))
        sd = expect.uniform(0.25, 0.35)
        flow = settings["prediction_type"] == "flow"
        if flow:
            settings = {name: settings[name] for name in ("num_train_timesteps", "prediction_type")}
        kind = "FlowMatchScheduler" if flow else "DDPMScheduler"
        tables = expect.draw(lambda rng: denoiser(getattr(student, kind)(**settings), settings, sd, rough, rng))
        return cls(settings, pattern, tables, expect.normal(11) if labels else None)

    def checkpoint(self) -> bytes:
        config = {"unet": {"time_channels": self.tables.shape[1]}, **self.settings}
        weights = {"slope": self.tables[0], "offset": self.tables[1], "pattern": self.pattern}
        if self.of_label is not None:
            config["unet"]["num_classes"] = len(self.of_label) - 1
            weights["label"] = self.of_label
        return save(weights, {"config": json.dumps(config)})

    def output(self, x: np.ndarray, t: int, label: int = -1) -> np.ndarray:
        """What the network answers; label -1 is none."""
        pattern = self.pattern if self.of_label is None else self.of_label[label] * self.pattern
        # pyrefly: ignore[bad-return]
        return np.float32(self.tables[0, t] * np.asarray(x) + self.tables[1, t] * pattern)

    def files(self) -> dict[str, bytes]:
        """What a run finds beside the given files."""
        return {"unet.py": PROBE, NAMES["checkpoint"]: self.checkpoint()}

    def run(
        self,
        student: Student,
        arguments: Sequence[object],
        files: dict[str, bytes] | None = None,
        seconds: str = "infer_seconds",
    ) -> Finished:
        return run_to_end(student, arguments, self.files() | (files or {}), student.limits[seconds])

    def samples(
        self, student: Student, arguments: Sequence[object], number: int, files: dict[str, bytes] | None = None
    ) -> Value:
        return samples_in(self.run(student, arguments, files), number)

    def follow(
        self,
        noise: np.ndarray,
        steps: int,
        scheduler: str,
        noises: np.ndarray | None = None,
        eta: float = 1.0,
        toward: tuple[int, float] | None = None,
    ) -> np.ndarray:
        """Samples of a right infer.py with the stand-in as its scheduler.

        noises  (steps, N, 1, 28, 28), those of the steps; None for no noise
        toward  label and scale of guidance, where there are any
        """
        x = noise
        for i, (t, of_sample, of_output, of_noise) in enumerate(plan(scheduler, steps, **self.settings)):
            output = self.output(x, t)
            if toward:
                output = guided(self.output(x, t, toward[0]), output, toward[1])
            x = of_sample * x + of_output * output
            if noises is not None:
                x = x + eta * of_noise * noises[i]
        return np.clip(x, -1, 1)

    def moves(
        self, student: Student, arguments: Sequence[object], samples: np.ndarray, files: dict[str, bytes]
    ) -> bool:
        """Whether the opposite network gives infer.py other samples, with the student's own scheduler."""
        try:
            others = replace(self, tables=-self.tables).samples(student, arguments, len(samples), files)
        except Failed:
            return False
        return bool(np.abs(others - samples).max() >= MOVED)  # not for NaN


@dataclass
class Again:
    """Samples of infer.py that are not as recorded, asked for in another way.

    arguments, files  of the run that gave `samples`; the same with the stand-in is compared with what it must give
    """

    student: Student
    case: Case
    arguments: Sequence[object]
    files: dict[str, bytes]
    samples: np.ndarray
    expected: np.ndarray
    tolerance: float

    @cached_property
    def right(self) -> bool:
        """Whether infer.py is right with another scheduler than the student's."""
        files = self.files | STAND_IN
        try:
            got = self.case.samples(self.student, self.arguments, len(self.samples), files)
        except Failed:
            return False
        return bool(np.abs(got - self.expected).max() <= self.tolerance * np.abs(self.expected).max())

    @cached_property
    def moved(self) -> bool:
        return self.case.moves(self.student, self.arguments, self.samples, self.files)


@dataclass
class PictureAgain:
    """A picture of such samples. `fits` says whether it shows the samples of its own run."""

    samples: Again
    fits: bool

    @property
    def right(self) -> bool:
        return self.fits and self.samples.right

    @property
    def moved(self) -> bool:
        return self.samples.moved


class Trained(Case):
    """The real network with a checkpoint of the kit: the one for v, where it ships, unless another is given."""

    def __init__(self, checkpoint: Path | None = None) -> None:
        checkpoint = checkpoint or given.checkpoint()
        assert checkpoint is not None  # or nothing asks for it (needs in rubric.toml)
        self.path = checkpoint
        self.settings, self.output = measure.network(checkpoint)  # pyrefly: ignore[bad-override]

    def files(self) -> dict[str, bytes]:
        return {NAMES["checkpoint"]: self.path.read_bytes()}


def denoiser(
    scheduler: Scheduler, settings: dict[str, Any], sd: float, rough: float, rng: np.random.Generator
) -> np.ndarray:
    """Slope and offset of the exact denoiser of N(pattern, sd^2), (2, T) float32: what it answers is linear in x_t."""
    t = np.arange(settings["num_train_timesteps"])
    one, zero = np.ones((len(t), 1, 1, 1)), np.zeros((len(t), 1, 1, 1))
    # How much of the image and of the noise is in x_t.
    image, noise = (np.asarray(scheduler.add_noise(*pair, t)).ravel() for pair in ((one, zero), (zero, one)))
    # pyrefly: ignore[bad-assignment]
    missed: np.ndarray = np.float32(1 + rough * rng.standard_normal(len(t)))
    spread = image**2 * sd**2 + noise**2  # the variance of x_t
    epsilon = np.stack([noise / spread, -image * noise / spread])
    if settings["prediction_type"] == "epsilon":
        return missed * np.float32(epsilon)
    x0 = np.stack([image * sd**2 / spread, noise**2 / spread])
    both = [
        scheduler.get_velocity(a[:, None, None, None], e[:, None, None, None], t)
        for a, e in zip(x0, epsilon, strict=True)
    ]
    return missed * np.float32(np.stack([np.asarray(v) for v in both])[..., 0, 0, 0])


# ----- a run of the program -------------------------------------------------------------------------------------------


def run_to_end(student: Student, arguments: Sequence[object], files: dict[str, bytes], seconds: float) -> Finished:
    """Run infer.py to a good end. Raises Failed unless it ends with exit status 0."""
    run = start(student, arguments, files, seconds)
    student.output += run.printed  # that of runs which must fail is of no interest
    if run.status != 0:
        told = _("infer.py ended with exit status {status}", status=run.status)
        raise Failed(CRASHED, told, f"{command(arguments)}: {run.printed[-300:]}")
    return run


def start(
    student: Student,
    arguments: Sequence[object],
    files: dict[str, bytes],
    seconds: float,
    checkpoint: str = NAMES["checkpoint"],
) -> Finished:
    names = {**NAMES, "checkpoint": checkpoint}
    always = [part for option, name in names.items() for part in (f"--{option}", name)]
    wanted = [NAMES["output"], NAMES["samples"]]
    return student.infer([*always, *map(str, arguments)], files, wanted, seconds)


def command(arguments: Sequence[object]) -> str:
    return f"infer.py ... {' '.join(map(str, arguments))}"


def output_file(run: Finished, name: str) -> bytes:
    """The content of a file that infer.py must have left."""
    content = run.files[NAMES[name]]
    if content is None:
        raise Failed(BAD_OUTPUT, _("infer.py ended well, but the file for --{name} is not there", name=name))
    return content


def samples_in(run: Finished, number: int, finite: bool = True) -> Value:
    """The samples that a run wrote. Raises Failed unless they are (number, 1, 28, 28) in [-1, 1].

    finite  whether NaN is refused, too: else it is for the caller to see where it comes from
    """
    output_file(run, "output")
    arrays = measure.tensors(output_file(run, "samples"), _("the file for --samples"))
    if "samples" not in arrays:
        held = ", ".join(arrays)[:100] or _("nothing")
        raise Failed(BAD_OUTPUT, _("the file for --samples holds no tensor `samples`, but {names}", names=held))
    value = as_value(arrays["samples"])
    if value.shape != (number, 1, 28, 28) or value.torch_dtype != "float32":
        got = f"{value.torch_dtype} {value.shape}"
        must = (number, 1, 28, 28)
        raise Failed(BAD_OUTPUT, _("`samples` must be float32 {shape}, got {got}", shape=must, got=got))
    if finite and np.isnan(value).any():
        raise Failed(BAD_OUTPUT, _("the tensor `samples` contains NaN"))
    if (np.abs(value) > 1).any():
        raise Failed(WRONG, _("`samples` must be clamped to [-1, 1]"))
    return value


def as_value(array: np.ndarray) -> Value:
    """A file's array, as if it had come out of the box as a tensor."""
    value = array.view(Value)
    value.torch_dtype, value.device = str(array.dtype), "cpu"
    return value


def grid(samples: np.ndarray) -> np.ndarray:
    """torchvision's grid of samples (N, 1, 28, 28), black between them, as float pixels from 0 to 255."""
    columns = math.ceil(math.sqrt(len(samples)))
    rows = math.ceil(len(samples) / columns)
    canvas = np.zeros((rows * 30 + 2, columns * 30 + 2))
    for i, sample in enumerate(samples[:, 0]):
        y, x = 30 * (i // columns) + 2, 30 * (i % columns) + 2
        canvas[y : y + 28, x : x + 28] = 255 * (np.float64(sample) + 1) / 2
    return canvas
