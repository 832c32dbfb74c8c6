"""A line of one's own: which quantity is this variable, how large is it and where; or, of one number for each image,
which shape has it. What it holds is looked up by running the method up to that line."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from ....readback.expression import Expression
from ....readback.products import quantities
from ....readback.reading import Cases, Reading
from ....readback.sameness import same
from ....reads.found import sure
from ....record import Failed
from ....text import readable
from ..lab import MARK, SCHEDULER, returning
from ..question import Code, Question, number
from .quantities import KNOWN, PREVIOUS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....student import Scheduler, Student
    from ..desk import Desk
    from ..source import Variable

TITLE = "A line of yours"
EACH_IMAGE = ("add_noise", "get_velocity")  # methods that take a timestep for each image
BATCH, WIDTH = 5, 28
Call = tuple[int, int, float]  # timestep, previous one, eta
SHORT, FULL = 10, (999, 733, 307, 61, 6, 1, 0)  # the list that is asked about; timesteps of the full one
USUAL = 0.3  # eta
CHECKS = {
    "predict": ("reverse.predict_epsilon",),
    "posterior": ("reverse.posterior",),
    "step": ("reverse.step", "reverse.step_large", "reverse.strided"),
    "ddim": ("ddim.deterministic", "ddim.eta", "ddim.strided"),
}
EXACT = 1e-5  # of what float32 tables leave over, relative
OTHER = (
    "Which quantity of the handout is {name}? Is it larger in the first of 10 steps of sampling or in the last?",
    "In the first step (t = 999) it is {first}, in the last (t = 99) {last}.",
)
UNREAD = "What it is in the handout's letters could not be read from these numbers: let the student say it."


def asked(desk: Desk) -> Iterator[Question]:
    """Questions about lines of this student, in the order of the draw."""
    variables = list(desk.places[0])
    desk.draw(TITLE).shuffle(variables)
    told: set[str] = set()  # not twice about the same quantity
    unread = []
    for variable in variables:
        try:
            found = (of_each_image if variable[1] in EACH_IMAGE else of_a_step)(desk, variable)
        except Failed:
            continue
        if found and not found[0]:
            unread.append(found[1])
        elif found and found[0] not in told:
            told.add(found[0])
            yield found[1]
    yield from unread


def quote(desk: Desk, variable: Variable) -> list[Code]:
    return [Code.of(SCHEDULER, desk.lab.text, variable[2], variable[3])]


def held(answer: Any) -> Any:
    """What a variable holds, if the method came to its line; else None."""
    return answer[1] if isinstance(answer, tuple) and len(answer) == 2 and answer[0] == MARK else None


# ----- a number of one step -------------------------------------------------------------------------------------------


def of_a_step(desk: Desk, variable: Variable) -> tuple[str, Question] | None:
    """(what it was read to be or "", the question) about a variable that holds one number."""
    kind, method, first, last, name = variable
    ddim = "DDIM" in kind
    if not desk.lab.passed("schedule.linear", "reverse.timesteps", "reverse.previous_timestep"):
        return None
    with desk.lab.at_work(returning(desk.lab.text, first, last, name)) as student:
        scheduler = (student.DDIMScheduler if ddim else student.DDPMScheduler)(clip_sample=False)
        values = numbers(scheduler, method, ddim)
        if values is None:
            return None
        betas, table = np.asarray(scheduler.betas), np.asarray(scheduler.alphas_cumprod)
    sigma_is_right = ddim and desk.lab.passed("ddim.eta", "ddim.strided")
    reading = read(values, betas, table, ddim, sigma_is_right)
    source = reading.expression.python if reading else ""
    if all(value == previous for (_, previous, _), value in values.items()):
        source = PREVIOUS
    ask, answer = next((texts for known, texts in KNOWN.items() if source and same(source, known)), OTHER)
    at = {call: number(value) for call, value in values.items()}
    facts = {
        "name": f"`{name}`",
        "full": at[999, 998, USUAL],
        "start": number(values[0, -1, USUAL], 5),
        "first": at[999, 899, USUAL],
        "last": at[99, -1, USUAL],
        "inverse": number(1 / values[999, 998, USUAL]) if values[999, 998, USUAL] else "∞",
        "noisiest": number(table[-1]),
        "quiet": at.get((999, 899, 0.0), ""),
        "loud": at.get((999, 899, 1.0), ""),
    }
    told = [answer.format(**facts)]
    if reading:
        where_beta = " (β is 1−ᾱ_t/ᾱ_prev)" if "beta" in reading.expression.symbols else ""
        told.insert(
            0, f"{name} = {reading.expression.unicode}{where_beta}: read back from its value in {len(values)} steps."
        )
    elif not source:
        told.append(UNREAD)
    if not desk.lab.passed(*CHECKS["ddim" if ddim else method]):
        told.append("Not all checks of this method pass, so this need not be what the handout has in its place.")
    with_eta = f", with η = {USUAL}" if ddim and ask == OTHER[0] and ("eta" in source or not source) else ""
    where = f"Line {first} is in `step` of DDIM" if ddim else f"Line {first} is in `{method}`"
    section = {"posterior": "3.6", "predict": "3.4"}.get(method, "4.2" if ddim else "3.7")
    question = Question(TITLE, [f"{where}{with_eta}. {ask.format(**facts)}"], told, section, quote(desk, variable))
    return source, question


def numbers(scheduler: Scheduler, method: str, ddim: bool) -> dict[Call, float] | None:
    """What the variable holds in steps of a short list and of the full one; None where that is no number."""
    rng, found = np.random.default_rng(0), {}
    full = [(t, t - 1, eta) for t, eta in zip(FULL, itertools.cycle((USUAL, 0.6, 1.0)), strict=False)]
    short = [(t, t - 100 if t > 99 else -1, USUAL) for t in range(999, 0, -100)]
    for steps, calls in ((1000, full), (SHORT, [*short, *([(999, 899, 0.0), (999, 899, 1.0)] if ddim else [])])):
        scheduler.set_timesteps(steps)
        for call in calls:
            one, other, noise = rng.standard_normal((3, 2, 1, 3, 3), dtype=np.float32)
            options = ({"eta": call[2]} if ddim else {}) | {"variance_noise": noise}
            if method == "posterior":
                answer = scheduler.posterior(one, other, call[0])
            else:
                answer = getattr(scheduler, method)(one, call[0], other, **(options if method == "step" else {}))
            value = held(answer)
            if isinstance(value, bool) or not isinstance(value, (int, float, np.ndarray)) or np.size(value) != 1:
                return None
            found[call] = float(np.asarray(value, np.float64).reshape(()))
    return found if np.isfinite(list(found.values())).all() else None


def read(
    values: dict[Call, float], betas: np.ndarray, table: np.ndarray, ddim: bool, with_sigma: bool
) -> Reading | None:
    """Which quantity these values are, if that is clear."""
    t, previous, eta = map(np.array, zip(*values, strict=True))
    cases = Cases(quantities(betas, table, t, previous, eta if ddim else None))
    value = np.array(list(values.values()))
    several = [cases]
    if with_sigma:
        tilde = Expression("(1 - abar_prev) / (1 - abar) * beta").value(cases.quantities)
        several.append(cases.with_sigma(eta * np.sqrt(tilde)))
    for known in several:
        with np.errstate(all="ignore"):
            reading = known.read(value, EXACT * np.abs(value))
        if reading and sure(reading) and reading.everywhere:
            return reading
    return None


# ----- a number for each image ----------------------------------------------------------------------------------------


def of_each_image(desk: Desk, variable: Variable) -> tuple[str, Question] | None:
    """("shape", the question) about a variable that holds one number for each image of a batch."""
    _, method, first, last, name = variable
    with desk.lab.at_work(returning(desk.lab.text, first, last, name)) as student:
        value = held(call_for_batch(student, method, BATCH, WIDTH))
    if not isinstance(value, np.ndarray) or value.size != BATCH or value.ndim < 2:
        return None
    with desk.lab.at_work() as student:
        right = call_for_batch(student, method, WIDTH, WIDTH)
    lines = desk.lab.text.split("\n")
    indentation = lines[first - 1][: -len(lines[first - 1].lstrip())]
    flat = "\n".join([*lines[:last], f"{indentation}{name} = {name}.reshape(-1)", *lines[last:]])
    with desk.lab.at_work(flat) as student:
        try:
            call_for_batch(student, method, BATCH, WIDTH)
            error = "With shape (5,) no error is raised either."
        except Failed as failed:
            kind = f" ({readable(failed.types[0])})" if failed.types else ""
            error = f"With shape (5,), images of 28 columns raise an error{kind}."
        silent = call_for_batch(student, method, WIDTH, WIDTH)
    if not (isinstance(right, np.ndarray) and isinstance(silent, np.ndarray) and right.shape == silent.shape):
        return None
    off = float(np.abs(np.float64(silent) - np.float64(right)).max())
    ask = (
        f"Line {first} is in `{method}`. For a batch of 5 images of 28 by 28, which shape has `{name}`? What would go "
        "wrong with shape (5,), and for which batches would nobody notice?"
    )
    told = [
        f"{value.shape}, so that each image is multiplied with its own number.",
        f"{error} A batch of 28 of them raises none: there the numbers are matched with the columns, and the results "
        f"are off by up to {number(off)}.",
    ]
    return "shape", Question(TITLE, [ask], told, "2.1", quote(desk, variable))


def call_for_batch(student: Student, method: str, batch: int, width: int) -> Any:
    rng = np.random.default_rng(0)
    images, noise = rng.standard_normal((2, batch, 1, width, width), dtype=np.float32)
    timesteps = np.linspace(0, 999, batch).astype(np.int64)
    return getattr(student.DDPMScheduler(), method)(images, noise, timesteps)
