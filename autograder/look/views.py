"""What a student's code can show, in the order of the handout.

A view is an entry of VIEWS and a function that asks the student's code, in the box, for arrays, and returns what is to
be drawn of them with a sentence about it. Networks and the loop over the timesteps are the grader's own. What is not
written yet, fails or returns nonsense raises record.Failed.

Another view is another function, and another line in VIEWS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import given
from ..checks.program import Trained, samples_in
from ..expect.comparison import kind_of
from ..language import N_, _, commas, together
from ..paths import ASSIGNMENT
from ..record import BAD_OUTPUT, NOT_IMPLEMENTED, Failed
from ..student import Value
from . import plane
from .drawing import Clouds, Curves, Drawing, Grid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..student import Scheduler, Student

SAYS = {"epsilon": "ε", "v_prediction": "v"}  # what a network is asked for
SCHEDULES = ("linear", "scaled_linear", "cosine")
STEPS, EULER = 50, 10
ETAS = (0.0, 0.5, 1.0)
SCALES = (0.0, 1.0, 3.0)
SOME, ALL = 8, 64  # digits in a row; of infer.py
LARGE = 1e6  # what samples are that nothing can bring back
IMAGE = (1, 28, 28)
Advance = Callable[[int], object]  # is told how many images went through the network since it was told last
Made = tuple[Drawing, str]


class View(NamedTuple):
    """Something to see of a student's work.

    section  of the handout, after which it can be seen
    needs    the checks of what it shows; the last is of the part that it belongs to, and is on where that is
    make     returns what to draw, and a sentence about it; raises Failed
    work     how many images go through the network for it
    network  finds the trained network that this takes
    """

    section: str
    title: str
    needs: tuple[str, ...]
    make: Callable[[Student, Advance], Made]
    work: int = 0
    network: Callable[[], Path | None] = given.checkpoint

    @property
    def part(self) -> str:
        return self.needs[-1].partition(".")[0]


def schedules(student: Student, advance: Advance) -> Made:
    """Those of the three that are there."""
    tables, waits = {}, []
    for name in SCHEDULES:
        try:
            scheduler = student.DDPMScheduler(beta_schedule=name)
        except Failed as failed:
            if failed.verdict != NOT_IMPLEMENTED or (not tables and name == SCHEDULES[-1]):
                raise
            waits.append(name)
        else:
            both, whose = (scheduler.betas, scheduler.alphas_cumprod), _("the {name} schedule", name=name)
            tables[name] = [checked(table, (1000,), whose, _("in its tables")) for table in both]
    titles = {
        _("β, how much noise each step adds (up to 0.03)"): (0, 0.03),
        _("ᾱ, how much of the image is left"): (-0.02, 1.02),
    }
    panels = {title: {name: both[i] for name, both in tables.items()} for i, title in enumerate(titles)}
    says = N_("Your tables of β and ᾱ over t: {names}.")
    if waits:
        says = N_("Your tables of β and ᾱ over t: {names}. Not written yet: {waits}.")
    return Curves(panels, titles), _(says, names=commas(tables), waits=together(waits))


def noising(student: Student, advance: Advance) -> Made:
    times = np.array([0, *range(99, 1000, 100)])
    digit = np.load(ASSIGNMENT / "digits5k.npz", allow_pickle=False)["images"][:1, None].astype(np.float32) / 127.5 - 1
    digits = np.repeat(digit, len(times), axis=0)
    noise = np.repeat(drawn(0, (1, *IMAGE)), len(times), axis=0)
    noisy = checked(
        student.DDPMScheduler().add_noise(digits, noise, times), digits.shape, _("your {method}", method="add_noise")
    )
    said = _("One digit with the noise of your add_noise, at eleven timesteps.")
    return Grid(noisy[None], above=[f"{t}" for t in times]), said


def guesses(student: Student, advance: Advance) -> Made:
    times = (999, 199, 99, 49, 19, 4)
    scheduler = student.DDPMScheduler(**plane.SETTINGS)
    points, places = plane.spiral(600, seed=1)
    x0 = points[:, :, None, None]
    noisy, guessed = [], []
    for t in times:
        x = scheduler.add_noise(x0, drawn(t, x0.shape), np.full(len(x0), t))
        x, where = checked(x, x0.shape, _("your {method}", method="add_noise"), at(t)), at(t)
        noisy.append(x)
        guessed.append(first_of(scheduler.predict(plane.network(x, t), t, x), x.shape, where))
    said = _(
        "Points of a spiral in noise, and below them where your predict thinks they come from, with a small network. "
        "A colour is a place on it."
    )
    rows = np.stack([noisy, guessed])[..., 0, 0]
    return Clouds(rows, ("x_t", _("your x̂0")), [f"t = {t}" for t in times], places), said


def steps(student: Student, advance: Advance) -> Made:
    networks = {SAYS[kind]: Trained(path) for kind, path in given.checkpoints().items()}
    starts, rows = drawn(0, (SOME, *IMAGE)), {}
    for name, network in networks.items():
        try:
            rows[name] = sampled(student.DDPMScheduler(**network.settings), network.output, starts, advance)
        except Failed as failed:
            if failed.verdict != NOT_IMPLEMENTED or (not rows and name == [*networks][-1]):
                raise  # else one of the two is there
    says = N_("The shipped network for {name} and your DDPM step, in {steps} steps.")
    if len(rows) == 2:
        says = N_("The shipped networks and your DDPM step, in {steps} steps.")
    film = filmed(list(rows.values()))
    return Grid(film[-1], list(rows), film=film), _(says, name=next(iter(rows)), steps=STEPS)


def etas(student: Student, advance: Advance) -> Made:
    network, starts, rows = Trained(), drawn(0, (SOME, *IMAGE)), []
    for eta in ETAS:
        scheduler = student.DDIMScheduler(**network.settings)
        try:
            rows.append(sampled(scheduler, network.output, starts, advance, eta=eta))
        except Failed as failed:
            if failed.verdict != NOT_IMPLEMENTED or not rows:
                raise
            break  # 4.1 is there: digits without noise
    said = _("{n} beginnings and {steps} steps of your DDIM.", n=SOME, steps=STEPS)
    film = filmed(rows)
    if len(rows) == len(ETAS) and np.array_equal(film[-1][0], film[-1][-1]):
        said = _("{said} It takes no notice of eta yet (4.2).", said=said)
        return Grid(film[-1][:1], film=[seen[:1] for seen in film]), said
    if len(rows) == len(ETAS):
        name = SAYS[network.settings["prediction_type"]]
        said = _("{said} With η = 1 it should be the step of 3.7: its row for {name}.", said=said, name=name)
    return Grid(film[-1], [f"η = {eta:g}" for eta in ETAS[: len(rows)]], film=film), said


def program(student: Student, advance: Advance) -> Made:
    run = Trained().run(student, ["--num-images", ALL, "--steps", STEPS], None, "digits_seconds")
    digits = samples_in(run, ALL)
    advance(ALL * STEPS)
    says = N_("{n} digits that your infer.py draws with the shipped network, in {steps} steps.")
    return Grid(in_rows(np.asarray(digits), 4)), _(says, n=ALL, steps=STEPS)


def straight(student: Student, advance: Advance) -> Made:
    scheduler, seen, guessed = student.FlowMatchScheduler(clip_sample=False), [], []
    x = starts = drawn(0, (600, 2, 1, 1))
    for place, t in enumerate(listed(scheduler, EULER)):
        output = plane.network(x, t, plane.FLOW)
        if place % 2 == 0:
            seen.append(x)
            guessed.append(first_of(scheduler.predict(output, t, x), x.shape, at(t)))
        x = checked(scheduler.step(output, t, x), x.shape, _("your {method}", method="step"), at(t))
    rows = np.stack([[*seen, x], [*guessed, x]])[..., 0, 0]
    above = [*(_("{n} steps", n=place) for place in range(0, EULER, 2)), _("end")]
    said = _(
        "{steps} steps of yours along the velocity that a small network answers, and your x̂0 on the way. The points "
        "end {off:.3f} off the spiral. A colour is a place at the beginning.",
        steps=EULER,
        off=plane.off(x[:, :, 0, 0]),
    )
    return Clouds(rows, ("x_t", _("your x̂0")), above, np.arctan2(*starts[:, :, 0, 0].T)), said


def asked_for(student: Student, advance: Advance) -> Made:
    network, digits, guided = Trained(given.labelled()), np.arange(10), student.functions().guided
    scheduler, starts, rows = student.DDIMScheduler(**network.settings), drawn(0, (10, *IMAGE)), []
    for scale in SCALES:

        def toward(x: np.ndarray, t: int, scale: float = scale) -> np.ndarray:
            advance(len(x))
            output = guided(network.output(x, t, digits), network.output(x, t), scale)
            return checked(output, x.shape, _("your {method}", method="guided"), at(t))

        rows.append(sampled(scheduler, toward, starts, advance))
    said = _("Ten beginnings, each asked for another digit, in {steps} steps of your DDIM, guided by you.", steps=STEPS)
    film = filmed(rows)
    return Grid(film[-1], [f"w = {scale:g}" for scale in SCALES], film=film), said


PREDICT = ("schedule.linear", "reverse.previous_timestep", "reverse.predict_v")
SHORT = (*PREDICT, "reverse.clip", "reverse.timesteps")
STEP = (*SHORT, "reverse.predict_epsilon", "reverse.posterior", "reverse.step", "reverse.strided")
DDIM = (*SHORT, "ddim.deterministic", "ddim.eta", "ddim.strided")  # of the posterior it takes the variance alone
FLOW = ("reverse.timesteps", "reverse.previous_timestep", "flow.predict", "flow.step", "flow.strided")
GUIDANCE = (*DDIM, "guidance.guided")
INFER = (*DDIM, "infer.ddim", "infer.random", "infer.digits")
VIEWS = (
    View("1.4", N_("The schedules"), tuple(f"schedule.{name}" for name in SCHEDULES), schedules),
    View("2.2", N_("A digit in noise"), ("schedule.linear", "forward.add_noise"), noising),
    View("3.4", N_("A spiral, guessed"), ("forward.add_noise", *PREDICT), guesses),
    View("3.7", N_("Digits by your step"), STEP, steps, 2 * SOME * STEPS),
    View("4.1", N_("The same beginnings"), DDIM, etas, len(ETAS) * SOME * STEPS),
    View("6.3", N_("64 digits from infer.py"), INFER, program, ALL * STEPS),
    View("8.1", N_("A spiral on straight paths"), FLOW, straight),
    View("8.2", N_("Digits on demand"), GUIDANCE, asked_for, 2 * len(SCALES) * 10 * STEPS, given.labelled),
)
QUICK = tuple(view for view in VIEWS if not view.work)


# ----- beside the student's code --------------------------------------------------------------------------------------


def sampled(
    scheduler: Scheduler, output: Callable[..., np.ndarray], x: np.ndarray, advance: Advance, **options: float
) -> list[np.ndarray]:
    """Noise x (N, 1, 28, 28), and what a scheduler makes of it in each step with what a network answers to x and t."""
    states = [x]
    for t in listed(scheduler, STEPS):
        noise = drawn(t, x.shape)
        x_prev = scheduler.step(output(x, t), t, x, variance_noise=noise, **options)
        x = checked(x_prev, x.shape, _("your {method}", method="step"), at(t))
        states.append(x)
        advance(len(x))
        if np.abs(x).max() > LARGE:  # black and white from here on, until nothing is a number any more
            break
    return states


def filmed(runs: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """Runs beside each other, (runs, N, 1, 28, 28) each; one that ended early stays as it was."""
    return [np.stack([run[min(place, len(run) - 1)] for run in runs]) for place in range(max(map(len, runs)))]


def listed(scheduler: Scheduler, steps: int) -> list[int]:
    """The timesteps that set_timesteps(steps) leaves, if they can be walked through. Raises Failed."""
    scheduler.set_timesteps(steps)
    timesteps = scheduler.timesteps
    if not isinstance(timesteps, Value) or timesteps.dtype != np.int64 or not 0 < timesteps.size <= 2 * steps:
        told = _("your set_timesteps({n}) left no list of {n} timesteps", n=steps)
        raise Failed(BAD_OUTPUT, told)
    for t in timesteps.ravel().tolist():
        if not 0 <= t < 1000:
            told = _("your set_timesteps({n}) put {t} into the list of timesteps", n=steps, t=t)
            raise Failed(BAD_OUTPUT, told)
    return timesteps.ravel().tolist()


def first_of(pair: object, shape: tuple[int, ...], where: str) -> np.ndarray:
    """x0_hat of what `predict` returned. Raises Failed."""
    if not (isinstance(pair, tuple) and len(pair) == 2):
        raise Failed(BAD_OUTPUT, _("your predict must return two tensors, got {kind}", kind=kind_of(pair)))
    return checked(pair[0], shape, _("your {method}", method="predict"), where)


def checked(value: object, shape: tuple[int, ...], whose: str, where: str = "") -> np.ndarray:
    """What student code returned, float32, if it is something to draw. Raises Failed.

    whose, where  words for the message
    """
    told = {"whose": whose, "where": _(" {where}", where=where) if where else ""}
    if not isinstance(value, Value):
        says = N_("{whose} must return a torch.Tensor{where}, got {kind}")
        raise Failed(BAD_OUTPUT, _(says, kind=kind_of(value), **told))
    if value.shape != shape:
        says = N_("{whose} returned the shape {got}{where}; it must be {shape}")
        raise Failed(BAD_OUTPUT, _(says, got=value.shape, shape=shape, **told))
    if value.dtype.kind != "f":
        says = N_("{whose} returned {got}{where}; it must be float32")
        raise Failed(BAD_OUTPUT, _(says, got=value.torch_dtype, **told))
    with np.errstate(over="ignore"):
        array: np.ndarray = np.float32(np.asarray(value))  # pyrefly: ignore[bad-assignment]
    if not np.isfinite(array).all():
        says = (
            N_("{whose} returned NaN{where}")
            if np.isnan(array).any()
            else N_("{whose} returned infinite numbers{where}")
        )
        raise Failed(BAD_OUTPUT, _(says, **told))
    return array


def at(t: int) -> str:
    return _("at t = {t}", t=t)


def drawn(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal noise, the same in every run: what changes from one look to the next is the student's code."""
    return np.float32(np.random.RandomState(seed).standard_normal(shape))  # pyrefly: ignore[bad-return]


def in_rows(images: np.ndarray, rows: int) -> np.ndarray:
    """Images (N, 1, 28, 28) in so many rows."""
    return images.reshape(rows, -1, *IMAGE)
