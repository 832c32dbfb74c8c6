"""Part 6: infer.py, run as a program in the box.

For what must be exact, unet.py is the probe (box/probe.py): the exact denoiser of images whose pixels are independent
and normal around a pattern. Samples may be those that the reference makes, or those that the student's own scheduler
makes when the grader drives it, so that a mistake in scheduler.py is not charged again here.
"""

import json
import math
import sys
from dataclasses import dataclass
from functools import partial

import numpy as np
from safetensors.numpy import save

from .. import given, measure
from ..box.student import Value
from ..paths import PACKAGE
from ..record import BAD_OUTPUT, CRASHED, WRONG, Failed
from .laws import SIGMAS, law_of_the_normal

PROBE = (PACKAGE / "box" / "probe.py").read_bytes()
NAMES = {"checkpoint": "model.safetensors", "output": "out.png", "samples": "out.safetensors"}
NOISE = "noise.safetensors"
UNPICKLED = "unpickled"
PICKLE = f"cbuiltins\nopen\n(S'{UNPICKLED}'\nS'w'\ntR.".encode()  # opens that file when it is unpickled


def check_ddim(student, expect):
    """DDIM without noise, from given noise: prediction types, schedules, T and numbers of steps."""
    T = expect.integer(200, 400)
    short = {"num_train_timesteps": T, "beta_end": expect.uniform(0.03, 0.06), "prediction_type": "v_prediction"}
    exact(student, expect, {}, None, images=3)
    exact(student, expect, {"prediction_type": "v_prediction", "beta_schedule": "cosine"}, 7, images=2)
    exact(student, expect, short, 1, images=1)
    exact(student, expect, {"beta_schedule": "scaled_linear"}, expect.choice(9, 11, 30), images=5)
    expect.settle()


def check_random(student, expect):
    """What is drawn: the noise at the start, the noise of the steps, and what a seed means."""
    exact(student, expect, {}, 1, images=2, scheduler="ddpm")
    blank, gaussian = Case.draw(student, expect, {"prediction_type": "v_prediction"}), Case.draw(student, expect, {})
    seed, start = expect.integer(1, 1 << 20), expect.normal(1, 1, 28, 28)
    spreads = [
        expect.draw(lambda rng, o=options: spread_of_runs(student, gaussian, start, o, rng)) for options in DRAWN
    ]
    if not expect.laws():
        return

    # With an output of 0, one step from v only scales the noise at the start, which shows what that was.
    blank.tables = 0 * blank.tables
    scale = drive(student, blank, np.ones_like(start), 1, "ddim")
    if scale is not None and 0 < np.abs(scale).max() < 0.15:  # else a wrong scheduler hides it
        hidden = blank.samples(student, ["--steps", 1, "--num-images", 20, "--seed", seed], 20)
        expect.law(hidden.std() > 0, "the noise at the start is one number everywhere")
        law_of_the_normal(expect, np.float64(hidden) / scale, "the noise at the start")
    first, again, other = (
        gaussian.samples(student, ["--steps", 2, "--num-images", 5, "--seed", s], 5) for s in (seed, seed, seed + 1)
    )
    expect.law(np.array_equal(first, again), "the same seed must give the same samples")
    expect.law(not np.array_equal(first, other), "another seed must give other samples")
    for options, spread in zip(DRAWN, spreads, strict=True):
        spreads_as(student, expect, gaussian, start, [*options, "--seed", seed], spread)


def check_picture(student, expect):
    """The PNG is torchvision's grid of the samples, also for one image and for a number that fills no square."""
    case, run, driven = exact(student, expect, {}, 3, images=4)
    expect.settle()
    pixels = as_value(measure.pixels(left(run, "output"), NAMES["output"]).astype(np.float32))
    expect.value(pixels, "the picture", "of 4 images")
    if expect.answers:
        expect.answers[-1].driven = lambda: None if (own := driven()) is None else grid(own)
    if not expect.laws():
        return
    for number in (1, 7):
        run = case.run(student, ["--steps", 2, "--num-images", number])
        samples, picture = samples_in(run, number), measure.pixels(left(run, "output"), NAMES["output"])
        grids = [grid(samples)] if number > 1 else [grid(samples), 255 * (samples[0, 0] + 1) / 2]  # alone: no frame
        sizes = " or ".join(f"{g.shape[1]} x {g.shape[0]}" for g in grids)
        same_size = [g for g in grids if g.shape == picture.shape]
        got = f"{picture.shape[1]} x {picture.shape[0]}"
        expect.law(same_size, f"the picture of {number} images must be {sizes} pixels large, not {got}")
        close = np.abs(same_size[0] - picture).max() <= 1.01
        expect.law(close, f"the picture of {number} images is not the grid of the samples")


def check_errors(student, expect):
    """Bad usage ends with 2, a bad checkpoint with 1. Whoever always fails earns nothing: a good run comes first."""
    case, _, _ = exact(student, expect, {}, 3, images=1)
    if not expect.laws():
        return
    for options in (
        ["--scheduler", "ddpm", "--eta", 0.5],
        ["--eta", 1.5],
        ["--steps", 0],
        ["--steps", 1001],
        ["--num-images", 0],
        ["--scheduler", "euler"],
        ["--device", "cuda" if sys.platform == "darwin" else "mps"],
    ):
        refuses(student, expect, case, options, 2, " ".join(map(str, options)), case.checkpoint())
    good = case.checkpoint()
    for what, content in (
        ("a checkpoint that does not exist", None),
        ("an empty checkpoint", b""),
        ("half a checkpoint", good[: len(good) // 2]),
        ("a safetensors file that is no checkpoint", save({"pattern": case.pattern})),
        ("a checkpoint of another network", case.checkpoint(unet={"time_channels": 7})),
    ):
        refuses(student, expect, case, ["--steps", 3], 1, what, content)
    # Under its own name: torch.load reads whatever ends in .safetensors as what it says.
    refuses(student, expect, case, ["--steps", 3], 1, "a pickle in place of a checkpoint", PICKLE, "model.pt")


def check_digits(student, expect):
    """The real network and the kit's checkpoint: what comes out has to look like digits to the classifier."""
    seed = expect.integer(1, 1 << 20)
    files = {NAMES["checkpoint"]: given.CHECKPOINT.read_bytes()}
    run = finished(
        student, ["--steps", 20, "--num-images", 100, "--seed", seed], files, student.limits["digits_seconds"]
    )
    found = measure.digits(samples_in(run, 100))
    kinds = sum(count > 0 for count in found["digits"])
    expect.measured(
        found["frechet"], "the Frechet distance of the samples to real digits", "of 100 samples in 20 steps"
    )
    if expect.wrong:
        expect.remark(f"The classifier is sure of {found['confident']:.0%} of them, and sees {kinds} different digits.")


# ----- a network in closed form ------------------------------------------------------------------------------------


@dataclass
class Case:
    """A checkpoint for the probe.

    settings    arguments of the schedulers
    pattern     (1, 28, 28) float32, the mean of the images
    tables      (2, T) float32, slope and offset for every timestep
    """

    settings: dict
    pattern: np.ndarray
    tables: np.ndarray

    @classmethod
    def draw(cls, student, expect, settings):
        settings = {
            "num_train_timesteps": 1000,
            "beta_schedule": "linear",
            "beta_start": 1e-4,
            "beta_end": 0.02,
            "prediction_type": "epsilon",
            **settings,
        }
        pattern = 0.4 * np.tanh(expect.normal(1, 28, 28))
        sd = expect.uniform(0.25, 0.35)
        tables = expect.draw(lambda rng: denoiser(student.DDPMScheduler(**settings), settings, sd))
        return cls(settings, pattern, tables)

    def checkpoint(self, **changed):
        config = {"unet": {"time_channels": self.tables.shape[1]}, **self.settings, **changed}
        weights = {"slope": self.tables[0], "offset": self.tables[1], "pattern": self.pattern}
        return save(weights, {"config": json.dumps(config)})

    def output(self, x, t):
        """What the network answers."""
        return np.float32(self.tables[0, t] * np.asarray(x) + self.tables[1, t] * self.pattern)

    def run(self, student, arguments, files=None):
        files = {"unet.py": PROBE, NAMES["checkpoint"]: self.checkpoint(), **(files or {})}
        return finished(student, arguments, files, student.limits["infer_seconds"])

    def samples(self, student, arguments, number):
        return samples_in(self.run(student, arguments), number)


def denoiser(scheduler, settings, sd):
    """Slope and offset of the exact denoiser of N(pattern, sd^2), (2, T) float32: what it answers is linear in x_t."""
    alpha_bar = np.float64(np.asarray(scheduler.alphas_cumprod))
    spread = alpha_bar * sd**2 + 1 - alpha_bar  # the variance of x_t
    epsilon = np.stack([(1 - alpha_bar) ** 0.5 / spread, -((alpha_bar * (1 - alpha_bar)) ** 0.5) / spread])
    if settings["prediction_type"] == "epsilon":
        return np.float32(epsilon)
    x0 = np.stack([alpha_bar**0.5 * sd**2 / spread, (1 - alpha_bar) / spread])
    t = np.arange(len(alpha_bar))
    both = [
        scheduler.get_velocity(a[:, None, None, None], e[:, None, None, None], t)
        for a, e in zip(x0, epsilon, strict=True)
    ]
    return np.float32(np.stack([np.asarray(v) for v in both])[..., 0, 0, 0])


def exact(student, expect, settings, steps, images, scheduler="ddim"):
    """A run from given noise, without any draw: its samples against the recorded ones.

    Returns the Case, what was Finished, and a function that makes the samples with the student's own scheduler.
    """
    case = Case.draw(student, expect, settings)
    noise = expect.normal(images, 1, 28, 28)
    arguments = ["--initial-noise", NOISE]
    if steps:
        arguments += ["--steps", steps]
    if scheduler != "ddim":
        arguments += ["--scheduler", scheduler]
    said = " ".join(f"{key}={value}" for key, value in settings.items())
    where = f"with {scheduler}, {steps or 'default'} steps, {images} images{said and ', a checkpoint with ' + said}"
    run = case.run(student, arguments, {NOISE: save({"noise": noise})})
    told(expect, run)
    expect.value(samples_in(run, images), "the tensor `samples`", where)
    driven = partial(proven, student, case, noise, steps or 50, scheduler)
    if expect.answers:
        expect.answers[-1].driven = driven
    return case, run, driven


# ----- the student's own scheduler, driven by the grader ------------------------------------------------------------


def drive(student, case, noise, steps, scheduler, noises=None, sign=1, **options):
    """Samples of the student's scheduler under this network's output, or its negative; None where there are none."""
    try:
        own = (student.DDIMScheduler if scheduler == "ddim" else student.DDPMScheduler)(**case.settings)
        own.set_timesteps(steps)
        x = noise
        for i, t in enumerate(np.asarray(own.timesteps).tolist()):
            given_noise = {} if noises is None else {"variance_noise": noises[i]}
            x = own.step(sign * case.output(x, t), t, x, **given_noise, **options)
            if not (isinstance(x, Value) and x.shape == noise.shape and x.torch_dtype == "float32"):
                return None
    except (Failed, TypeError, IndexError):  # their timesteps may be anything, too
        return None
    samples = np.clip(np.float32(np.asarray(x)), -1, 1)
    return samples if np.isfinite(samples).all() else None


def proven(student, case, noise, steps, scheduler, noises=None, **options):
    """The same; but samples that the network plays no part in prove nothing, and are None."""
    samples, others = (drive(student, case, noise, steps, scheduler, noises, sign, **options) for sign in (1, -1))
    return None if samples is None or others is None or np.abs(samples - others).max() < 0.01 else samples


DRAWN = (["--scheduler", "ddpm", "--steps", 10], ["--eta", 0.6, "--steps", 10])
MANY = 256


def spread_of_runs(student, case, start, options, rng):
    """The variance, per pixel, of samples of the student's own scheduler that all start from one noise, as (1,)."""
    noise = np.repeat(start, MANY, axis=0)
    noises = rng.standard_normal((10, MANY, 1, 28, 28), dtype=np.float32)
    scheduler, eta = ("ddpm", {}) if "ddpm" in options else ("ddim", {"eta": options[1]})
    samples = proven(student, case, noise, 10, scheduler, noises, **eta)
    return np.array([np.nan if samples is None else spread(samples)])


def spread(samples):
    return np.float64(samples).var(axis=0, ddof=1).mean()


def spreads_as(student, expect, case, start, options, recorded):
    """Samples from one noise differ by the noise of the steps alone: their variance is the recorded one, or that of the
    student's own scheduler."""
    said, number = " ".join(map(str, options[:4])), 64
    run = case.run(
        student, ["--initial-noise", NOISE, *options], {NOISE: save({"noise": np.repeat(start, number, axis=0)})}
    )
    told(expect, run)
    samples = samples_in(run, number)
    got = spread(samples)
    expect.law(got > 1e-6, f"with {said}: nothing random happens in the steps")
    # Of a variance estimated from n numbers, the relative standard error is the root of 2 / n.
    near = SIGMAS * math.sqrt(2 / (784 * (number - 1)) + 2 / (784 * (MANY - 1)))
    if abs(got / recorded[0] - 1) > near:
        own = spread_of_runs(student, case, start, options, np.random.default_rng(0))[0]
        expect.law(abs(got / own - 1) <= near, f"with {said}: the noise of the steps adds up to another variance")
    inside = samples[np.abs(samples) < 1]
    expect.law(len(np.unique(inside)) >= 0.9 * inside.size, f"with {said}: images or pixels share their noise")


# ----- a run of the program -------------------------------------------------------------------------------------------


def finished(student, arguments, files, seconds):
    """Run infer.py to a good end. Raises Failed unless it ends with exit status 0."""
    run = start(student, arguments, files, seconds)
    student.output += run.printed  # that of runs which must fail is of no interest
    if run.status != 0:
        raise Failed(
            CRASHED, f"infer.py ended with exit status {run.status}", f"{command(arguments)}: {run.printed[-300:]}"
        )
    return run


def start(student, arguments, files, seconds, checkpoint=NAMES["checkpoint"]):
    names = {**NAMES, "checkpoint": checkpoint}
    always = [part for option, name in names.items() for part in (f"--{option}", name)]
    wanted = [NAMES["output"], NAMES["samples"], UNPICKLED]
    return student.infer([*always, *map(str, arguments)], files, wanted, seconds)


def command(arguments):
    return f"infer.py ... {' '.join(map(str, arguments))}"


def left(run, name):
    """The content of a file that infer.py must have left."""
    content = run.files[NAMES[name]]
    if content is None:
        raise Failed(BAD_OUTPUT, f"infer.py ended well, but the file for --{name} is not there")
    return content


def samples_in(run, number):
    """The samples that a run wrote, as a Value. Raises Failed unless they are (number, 1, 28, 28) in [-1, 1]."""
    left(run, "output")
    arrays = measure.tensors(left(run, "samples"), "the file for --samples")
    if "samples" not in arrays:
        raise Failed(
            BAD_OUTPUT, f"the file for --samples holds no tensor `samples`, but {', '.join(arrays) or 'nothing'}"
        )
    value = as_value(arrays["samples"])
    if value.shape != (number, 1, 28, 28) or value.torch_dtype != "float32":
        got = f"{value.torch_dtype} {value.shape}"
        raise Failed(BAD_OUTPUT, f"`samples` must be float32 {(number, 1, 28, 28)}, got {got}")
    if np.abs(value).max() > 1:
        raise Failed(WRONG, "`samples` must be clamped to [-1, 1]")
    return value


def as_value(array):
    """A file's array, as if it had come out of the box as a tensor."""
    value = array.view(Value)
    value.torch_dtype, value.device = str(array.dtype), "cpu"
    return value


def grid(samples):
    """torchvision's grid of samples (N, 1, 28, 28), black between them, as float pixels from 0 to 255."""
    columns = math.ceil(math.sqrt(len(samples)))
    rows = math.ceil(len(samples) / columns)
    canvas = np.zeros((rows * 30 + 2, columns * 30 + 2))
    for i, sample in enumerate(samples[:, 0]):
        y, x = 30 * (i // columns) + 2, 30 * (i % columns) + 2
        canvas[y : y + 28, x : x + 28] = 255 * (np.float64(sample) + 1) / 2
    return canvas


def told(expect, run):
    """Advice from how the network was called, as far as the student's process says so."""
    for call in run.calls[:1]:
        _, _, records_gradients, training_mode = call if isinstance(call, tuple) and len(call) == 4 else (None,) * 4
        if records_gradients is True:
            expect.remark("infer.py records gradients while it samples; torch.inference_mode() saves memory and time.")
        if training_mode is True:
            expect.remark("infer.py leaves the network in training mode; call eval() before sampling.")


def refuses(student, expect, case, arguments, status, what, content, name=NAMES["checkpoint"]):
    """infer.py must end with this exit status and a line that says why, without a traceback, and unpickle nothing."""
    files = {"unet.py": PROBE} if content is None else {"unet.py": PROBE, name: content}
    try:
        run = start(student, arguments, files, student.limits["infer_seconds"], name)
    except Failed as failed:
        if failed.verdict != CRASHED:
            raise
        must = f"{what}: infer.py must end with exit status {status} and one line on stderr"
        raise Failed(WRONG, must, failed.message) from None
    expect.law(run.files[UNPICKLED] is None, f"{what}: infer.py unpickled it; a pickle can run any program")
    expect.law(run.status == status, f"{what}: infer.py must end with exit status {status}, not {run.status}")
    expect.law(bool(run.printed.strip()), f"{what}: infer.py must say what is wrong, in one line on stderr")
