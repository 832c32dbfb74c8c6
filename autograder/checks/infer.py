"""Part 6: infer.py. Its samples must be those that the reference makes; or, where a check of scheduler.py was lost, it
must be right with another scheduler in place of the student's: a mistake there is not charged again (program.py)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save

from .. import measure
from ..language import N_, _, chained
from ..record import BLOCKED, CRASHED, WRONG, Failed
from .laws import SIGMAS, law_of_the_normal
from .program import (
    NAMES,
    NOISE,
    PROBE,
    STAND_IN,
    Again,
    Case,
    PictureAgain,
    Trained,
    as_value,
    grid,
    output_file,
    samples_in,
    start,
)

if TYPE_CHECKING:
    from ..expect import Expect
    from ..student import Finished, Student, Value

# Ends the process when it is unpickled, in one of three ways: what the program does then shows outside of it.
PICKLE = b"cos\n_exit\n(I0\ntR0c_signal\nraise_signal\n(I9\ntR0cposix\n_exit\n(I0\ntR."
DDPM, DDIM = ["--scheduler", "ddpm", "--steps", 10], ["--eta", 0.6, "--steps", 10]  # which draw noise
DEFAULTS = ["--num-images", 64, "--seed", 0, "--device", "auto"]
MANY = 256  # runs that the variance of random samples is estimated from
DIGITS = 50  # of each of two seeds
BETTER = 0.65  # how much nearer than the recorded samples others may be to real digits: further than chance brings them
NEAR = 0.05  # mean distance, in units of a pixel's half range, of what right programs make of one noise


def check_ddim(student: Student, expect: Expect) -> None:
    """DDIM without noise, from given noise: prediction types, schedules, T and numbers of steps."""
    T = expect.integer(200, 400)
    last = {"prediction_type": expect.prediction_types[-1]}
    short = {"num_train_timesteps": T, "beta_end": expect.uniform(0.03, 0.06), **last}
    exact(student, expect, {}, None, images=3)
    # From epsilon, the start of cosine multiplies rounding by 20,000.
    schedule = "cosine" if expect.asks("v_prediction") else "scaled_linear"
    exact(student, expect, {**last, "beta_schedule": schedule}, 7, images=2)
    exact(student, expect, short, 1, images=1)
    exact(student, expect, {"num_train_timesteps": T // 5}, T // 5, images=1)  # as many steps as there are timesteps
    exact(student, expect, {"beta_schedule": "scaled_linear"}, expect.choice(9, 11, 30), images=5)
    expect.settle()


def check_random(student: Student, expect: Expect) -> None:
    """What is drawn: the noise at the start, the noise of the steps, and what a seed means."""
    last, default = {"prediction_type": expect.prediction_types[-1]}, sampler(expect)
    drawn = (DDPM, DDIM) if expect.asks("ddim") else (DDPM,)
    exact(student, expect, {}, 1, images=2, scheduler="ddpm")
    exact(student, expect, last, longest(expect), images=2)
    # With T = 300, much of x_T is image, and what follows is not lost in rounding for any right way to write a step.
    blank = Case.draw(student, expect, {**last, "num_train_timesteps": 300})
    gaussian = Case.draw(student, expect, {})
    seed, start = expect.integer(1, 1 << 20), expect.images(1, 1, 28, 28)
    variances = [
        expect.draw(lambda rng, o=options: np.array([spread(driven(student, gaussian, start, 10, o, rng))]))
        for options in drawn
    ]
    # With an output of 0, one step from v only scales the noise at the start, which shows what that was. From epsilon
    # it does so where the output is what noise alone would be.
    silent = replace(blank, tables=0 * blank.tables)
    if not expect.asks("v_prediction"):
        table = np.asarray(student.DDPMScheduler(**blank.settings).alphas_cumprod)
        noisy = expect.draw(lambda rng: np.sqrt(1 - table))
        blank = replace(silent, tables=np.stack([noisy, 0 * noisy]))
    else:
        blank = silent
    scale = expect.draw(lambda rng: driven(student, blank, np.ones_like(start), 1, default)[0, 0, 0, 0])
    if not expect.laws():
        return

    def starts(case: Case, files: dict[str, bytes], scale: np.ndarray) -> None:
        noise = case.samples(student, ["--steps", 1, "--num-images", 20, "--seed", seed], 20, files)
        expect.law(noise.std() > 0, _("the noise at the start is one number everywhere"))
        law_of_the_normal(expect, np.float64(noise) / scale, _("the noise at the start"))

    def draws_in_its_steps(files: dict[str, bytes]) -> None:
        given_noise = ["--initial-noise", NOISE, "--steps", 2, *eta(expect, 1.0)]
        files = files | {NOISE: save({"noise": start})}
        one, two = (gaussian.samples(student, [*given_noise, "--seed", s], 1, files) for s in (seed, seed + 1))
        expect.law(not np.array_equal(one, two), _("another seed must give other noise in the steps"))

    moved = silent.follow(np.ones_like(start), 1, default[1])
    either(expect, lambda: starts(blank, {}, scale), lambda: starts(silent, STAND_IN, moved))
    first, again, other = (
        gaussian.samples(student, ["--steps", 2, "--num-images", 5, "--seed", s], 5) for s in (seed, seed, seed + 1)
    )
    expect.law(np.array_equal(first, again), _("the same seed must give the same samples"))
    expect.law(not np.array_equal(first, other), _("another seed must give other samples"))
    defaults = [*DEFAULTS, *default, *eta(expect, 0.0)]
    unasked, asked = (gaussian.samples(student, ["--steps", 2, *options], 64) for options in ([], defaults))
    expect.law(np.array_equal(unasked, asked), _("what is left out must be as if its default had been given"))
    for options, variance in zip(drawn, variances, strict=True):
        spreads_as(student, expect, gaussian, start, options, seed, variance[0])
    either(expect, lambda: draws_in_its_steps({}), lambda: draws_in_its_steps(STAND_IN))


def check_picture(student: Student, expect: Expect) -> None:
    """The PNG is torchvision's grid of the samples, also for one image and for a number that fills no square."""
    # Samples that leave much of [-1, 1] free: a picture that is stretched to its own range comes out clearly apart.
    case, run = exact(student, expect, {}, longest(expect), images=4, amplitude=0.3)
    expect.settle()
    pixels = measure.pixels(output_file(run, "output"), NAMES["output"])
    drawn = grid(samples_in(run, 4, finite=False))
    picture = rounded(pixels, drawn)
    expect.value(picture, _("the picture"), _("of {n} images", n=4))
    if expect.carries:
        samples, of_picture = expect.answers
        assert isinstance(samples.again, Again)  # `exact` has put it there
        of_picture.again = PictureAgain(samples.again, np.array_equal(picture, np.float32(drawn)))
    if not expect.laws():
        return
    for number in (1, 7):
        run = case.run(student, ["--steps", 2, "--num-images", number])
        samples, picture = samples_in(run, number), measure.pixels(output_file(run, "output"), NAMES["output"])
        grids = [grid(samples)] if number > 1 else [grid(samples), 255 * (samples[0, 0] + 1) / 2]  # alone: no frame
        sizes = _(" or ").join(f"{g.shape[1]} x {g.shape[0]}" for g in grids)
        same_size = [g for g in grids if g.shape == picture.shape]
        got = f"{picture.shape[1]} x {picture.shape[0]}"
        told = _("the picture of {n} images must be {sizes} pixels large, not {got}", n=number, sizes=sizes, got=got)
        expect.law(same_size, told)
        close = np.abs(same_size[0] - picture).max() <= 1.01
        expect.law(close, _("the picture of {n} images is not the grid of the samples", n=number))


def rounded(pixels: np.ndarray, drawn: np.ndarray) -> Value:
    """A picture in float32, without what rounding to 8 bits does: one level away from what was drawn is right."""
    if pixels.shape == drawn.shape:
        pixels = np.where(np.abs(pixels - drawn) <= 1.01, drawn, pixels)
    return as_value(pixels.astype(np.float32))


def check_errors(student: Student, expect: Expect) -> None:
    """Bad usage ends with 2, a missing or broken checkpoint with 1. Whoever always fails earns nothing: a good run is
    first."""
    case, _rest = exact(student, expect, {}, longest(expect), images=1)
    try:
        expect.settle()
    except Failed:
        first = "infer.ddim" if expect.asks("ddim") else "infer.random"
        told = _("not run: it begins with a run whose samples must be right (see {check})", check=first)
        raise Failed(BLOCKED, told) from None
    if not expect.laws():
        return
    good = case.checkpoint()
    for options in (["--steps", 1001], ["--scheduler", "euler"]):
        refuses(student, expect, case, options, 2, " ".join(map(str, options)), good)
    half = good[: len(good) // 2]
    for what, content in ((_("a checkpoint that does not exist"), None), (_("half a checkpoint"), half)):
        refuses(student, expect, case, ["--steps", 3], 1, what, content)
    # Under its own name: torch.load reads whatever ends in .safetensors as what it says.
    refuses(student, expect, case, ["--steps", 3], 1, _("a pickle in place of a checkpoint"), PICKLE, "model.pt")


def check_digits(student: Student, expect: Expect) -> None:
    """The real network and the kit's checkpoint: what comes out has to look like digits to the classifier, as much as
    those of a right infer.py in as few steps. Stored digits look better, noise looks worse."""
    seeds, noise = expect.integers(1, 1 << 20, 2), expect.images(1, 1, 28, 28)
    trained = Trained()
    steps, default = longest(expect), sampler(expect)
    recorded = expect.draw(lambda rng: driven(student, trained, noise, steps, default))

    def samples(arguments: Sequence[object], number: int, files: dict[str, bytes]) -> Value:
        run = trained.run(student, ["--steps", 10, *arguments], files, "digits_seconds")
        return samples_in(run, number)

    def uses_the_network(files: dict[str, bytes], must: np.ndarray) -> None:
        given_noise = {NOISE: save({"noise": noise})}
        got = samples(["--initial-noise", NOISE, "--steps", steps], len(noise), given_noise | files)
        near = np.abs(got - must).mean() < NEAR
        expect.law(near, _("the samples are not those that the network makes of the given noise"))

    either(
        expect,
        lambda: uses_the_network({}, recorded),
        lambda: uses_the_network(STAND_IN, trained.follow(noise, steps, default[1])),
    )
    first, second = (samples(["--num-images", DIGITS, "--seed", seed], DIGITS, {}) for seed in seeds)
    both = np.concatenate([first, second])
    once = len(np.unique(both, axis=0)) == len(both)
    expect.law(once, _("the same image comes twice; each needs noise of its own"))
    found = measure.digits(both)
    kinds = sum(count > 0 for count in found["digits"])
    expect.measured(
        found["frechet"],
        _("the Frechet distance of the samples to real digits"),
        _("of 100 samples in 10 steps"),
        below=BETTER,
    )
    if expect.public and expect.wrong:
        told = _(
            "Right samples in 10 steps lie a little apart from real digits; too near is wrong, too. In these, the "
            "classifier sees {kinds} of the ten digits. (It is sure of {sure:.0%} of them, but it may be sure of "
            "blots.)",
            kinds=kinds,
            sure=found["confident"],
        )
        expect.remark(told)


def sampler(expect: Expect) -> list[str]:
    """The option for the scheduler that infer.py takes where none is named."""
    return ["--scheduler", "ddim" if expect.asks("ddim") else "ddpm"]


def eta(expect: Expect, value: float) -> list[object]:
    """The option for eta, which DDPM has not."""
    return ["--eta", value] if expect.asks("ddim") else []


def longest(expect: Expect) -> int:
    """A number of steps in which the default draws no noise, so that samples can be compared: DDPM has only one."""
    return 10 if expect.asks("ddim") else 1


# ----- runs beside the reference's ------------------------------------------------------------------------------------


def exact(
    student: Student,
    expect: Expect,
    settings: dict[str, Any],
    steps: int | None,
    images: int,
    scheduler: str = "",
    amplitude: float = 1.0,
    labels: bool = False,
    toward: tuple[int, float | None] | None = None,
) -> tuple[Case, Finished]:
    """A run from given noise, of this standard deviation, without any draw: its samples against the recorded ones.

    steps      None for the program's default
    scheduler  "ddim", "ddpm" or "flow"; the program's default unless it is said
    labels     whether the network knows labels
    toward     the label that is asked for, and the scale of guidance, None for the program's default
    """
    scheduler = scheduler or sampler(expect)[1]
    case = Case.draw(student, expect, settings, rough=0.1, labels=labels)  # 50 steps and 51 come out clearly apart
    noise = np.float32(amplitude) * expect.images(images, 1, 28, 28)
    arguments = ["--initial-noise", NOISE]
    if steps:
        arguments += ["--steps", steps, "--scheduler", scheduler, "--device", "cpu"]
    if toward:
        label, scale = toward
        arguments += ["--label", label, *(["--guidance", scale] if scale is not None else [])]
    said = " ".join(f"{key}={value}" for key, value in settings.items())
    asked = {"scheduler": scheduler, "steps": steps, "images": images}
    if steps:
        where = _("with {scheduler}, {steps} steps, {images} images", **asked)
    else:
        where = _("with {scheduler}, default steps, {images} images", **asked)
    if said:
        where = _("{where}, a checkpoint with {settings}", where=where, settings=said)
    if labels:
        label = " ".join(map(str, arguments[arguments.index("--label") :])) if toward else _("no label")
        where = chained([where, label])
    files = {NOISE: save({"noise": noise})}
    run = case.run(student, arguments, files)
    add_advice(expect, run)
    answer = expect.value(samples_in(run, images, finite=False), _("the tensor `samples`"), where)
    if answer:  # none while recording
        answer.told = describe_calls(run)
    if expect.carries:
        got = samples_in(run, images, finite=False)
        guide = (toward[0], 1.0 if toward[1] is None else toward[1]) if toward else None
        must = case.follow(noise, steps or 50, scheduler, toward=guide)
        answer.again = Again(student, case, arguments, files, got, must, expect.tolerance)
    return case, run


def either(expect: Expect, own: Callable[[], object], stand_in: Callable[[], object]) -> None:
    """A law, with the student's own scheduler or else, where that is wrong, with the stand-in."""
    try:
        own()
    except Failed:
        if not expect.carries:
            raise
        stand_in()


def driven(
    student: Student,
    case: Case,
    start: np.ndarray,
    steps: int,
    options: Sequence[Any],
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Samples of the reference's scheduler from `start`, to be recorded; with an rng, which gives the noise of the
    steps, MANY from the one that `start` is."""
    scheduler, eta = ("ddpm", {}) if "ddpm" in options else ("ddim", {"eta": options[1] if rng else 0.0})
    own = (student.DDIMScheduler if scheduler == "ddim" else student.DDPMScheduler)(**case.settings)
    own.set_timesteps(steps)
    x = np.repeat(start, MANY if rng else 1, axis=0)
    for t in np.asarray(own.timesteps).tolist():
        noise = {"variance_noise": rng.standard_normal(x.shape, dtype=np.float32)} if rng else {}
        x = own.step(case.output(x, t), t, x, **noise, **eta)
    return np.clip(np.float32(np.asarray(x)), -1, 1)  # pyrefly: ignore[bad-return]


def spread(samples: np.ndarray) -> np.ndarray | float:
    return np.float64(samples).var(axis=0, ddof=1).mean()


def distinct(samples: np.ndarray) -> float:
    """The share of numbers between -1 and 1 that no other sample or pixel has."""
    inside = samples[np.abs(samples) < 1]
    return len(np.unique(inside)) / max(inside.size, 1)


def spreads_as(
    student: Student,
    expect: Expect,
    case: Case,
    start: np.ndarray,
    options: Sequence[Any],
    seed: int,
    recorded: float,
) -> None:
    """Samples from one noise differ by the noise of the steps alone, as much as the reference's."""
    arguments = ["--initial-noise", NOISE, *options, "--seed", seed]
    files = {NOISE: save({"noise": np.repeat(start, 64, axis=0)})}
    run = case.run(student, arguments, files)
    add_advice(expect, run)
    samples = samples_in(run, 64, finite=False)
    odd = oddity(samples, recorded)
    if odd and expect.carries and case.moves(student, arguments, samples, files):
        noises = np.random.RandomState(seed).standard_normal((10, MANY, 1, 28, 28))
        scheduler, eta = ("ddpm", 1.0) if "ddpm" in options else ("ddim", options[1])
        followed = case.follow(np.repeat(start, MANY, axis=0), 10, scheduler, noises, eta)
        odd = oddity(case.samples(student, arguments, 64, files | STAND_IN), spread(followed))
    expect.law(not odd, _("with {options}: {what}", options=" ".join(map(str, options)), what=odd))


def oddity(samples: np.ndarray, variance: np.ndarray | float) -> str | None:
    """What is odd in samples of which this variance is expected; None if nothing."""
    got = spread(samples)
    # Of a variance estimated from n numbers, the relative standard error is the root of 2 / n.
    near = SIGMAS * math.sqrt(2 / (784 * (len(samples) - 1)) + 2 / (784 * (MANY - 1)))
    if np.isnan(got):
        return _("the samples contain NaN")
    if got <= 1e-6:
        return _("nothing random happens in the steps")
    if abs(got - variance) > near * variance:
        return _("the noise of the steps adds up to another variance")
    if distinct(samples) < 0.9:
        return _("images or pixels share their noise")
    return None


def describe_calls(run: Finished) -> str:
    """What the network was called with, as far as the student's process says so."""
    timesteps = ", ".join(str(call[0])[:10] for call in run.calls[:4] if isinstance(call, tuple) and call)
    if len(run.calls) <= 4:
        return _("In this case the network was called with t = {timesteps}.", timesteps=timesteps)
    told = N_("In this case the network was called with t = {timesteps} and so on, {count} times.")
    return _(told, timesteps=timesteps, count=len(run.calls))


def add_advice(expect: Expect, run: Finished) -> None:
    """Advice from how the network was called, as far as the student's process says so."""
    for call in run.calls[:1]:
        _rest, records_gradients, training_mode = call if isinstance(call, tuple) and len(call) == 3 else (None,) * 3
        if records_gradients is True:
            told = _("infer.py records gradients while it samples; torch.inference_mode() saves memory and time.")
            expect.remark(told)
        if training_mode is True:
            expect.remark(_("infer.py leaves the network in training mode; call eval() before sampling."))
    if run.compiled:
        told = _("infer.py uses torch.compile; in the grader's box it changes nothing, as there is no compiler.")
        expect.remark(told)


def refuses(
    student: Student,
    expect: Expect,
    case: Case,
    arguments: Sequence[object],
    status: int,
    what: str,
    content: bytes | None,
    name: str = NAMES["checkpoint"],
) -> None:
    """infer.py must end with this exit status and a line that says why, without a traceback. What it unpickles ends it
    in another way (PICKLE)."""
    files = {"unet.py": PROBE} if content is None else {"unet.py": PROBE, name: content}
    try:
        run = start(student, arguments, files, student.limits["infer_seconds"], name)
    except Failed as failed:
        if failed.verdict != CRASHED:
            raise
        told = N_("{what}: infer.py must end with exit status {status} and one line on stderr")
        must = _(told, what=what, status=status)
        raise Failed(WRONG, must, failed.message) from None
    told = N_("{what}: infer.py must end with exit status {status}, not {got}")
    expect.law(run.status == status, _(told, what=what, status=status, got=run.status))
    told = _("{what}: infer.py must say what is wrong, in one line on stderr", what=what)
    expect.law(bool(run.printed.strip()), told)
