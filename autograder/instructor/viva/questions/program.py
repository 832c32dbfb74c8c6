"""What infer.py does: run as a program in the box, with a network in closed form, and looked at."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save

from .... import measure
from ....checks.program import NOISE, Case, denoiser, output_file, samples_in
from ....paths import ASSIGNMENT
from ....record import WRONG, Failed
from ..lab import INFER
from ..question import Code, Question

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....student import Student
    from ..desk import Desk

TITLE = "Your program"
STEPS = ["--steps", 4]
MOST = 20  # calls of the network that are looked at
YES = {True: "yes", False: "no"}


def asked(desk: Desk) -> Iterator[Question]:
    """Questions about this student's infer.py, in the order of the draw."""
    if not (desk.lab.infer.strip() and desk.lab.rubric.on("infer")):
        return
    several = [seeds, generator, picture, calls]
    desk.draw(TITLE).shuffle(several)
    for question in several:
        try:
            with desk.lab.at_work() as student:
                yield question(desk, student, network())
        except Failed:
            continue


def network() -> Case:
    """A checkpoint for a network that answers at once."""
    settings = {"num_train_timesteps": 1000, "beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02}
    settings |= {"prediction_type": "epsilon"}
    alpha_bar, rng = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))[:, None, None, None], np.random.default_rng(0)
    path = types.SimpleNamespace(add_noise=lambda x0, noise, t: alpha_bar**0.5 * x0 + (1 - alpha_bar) ** 0.5 * noise)
    # pyrefly: ignore[bad-argument-type]  # the path is all that is asked for
    tables = denoiser(path, settings, 0.3, 0.0, rng)
    return Case(settings, 0.4 * np.tanh(rng.standard_normal((1, 28, 28), dtype=np.float32)), tables)


def lines_with(desk: Desk, *words: str) -> list[Code]:
    """The student's own lines of infer.py in which one of these words stands."""
    given = {line.strip() for line in (ASSIGNMENT / INFER).read_text(encoding="utf-8").split("\n")}
    code = ["" if line.strip() in given else line.partition("#")[0] for line in desk.lab.infer.split("\n")]
    found = [n for n, line in enumerate(code, 1) if "import" not in line and any(word in line for word in words)]
    return [Code.of(INFER, desk.lab.infer, n, n, around=0) for n in found[:3]]


def seeds(desk: Desk, student: Student, case: Case) -> Question:
    same = {}
    for kind in ("ddim", "ddpm"):
        few, more = (
            case.samples(student, ["--scheduler", kind, "--seed", 3, "--num-images", n, *STEPS], n) for n in (4, 8)
        )
        same[kind] = np.array_equal(few, more[:4])
    ask = (
        "Somebody runs your program twice with `--seed 3`, once for 4 images and once for 8. Are the first four images "
        "the same in both runs? And with `--scheduler ddpm`? Which of your lines decide it?"
    )
    answer: list[str | Code] = [f"DDIM: {YES[same['ddim']]}. DDPM: {YES[same['ddpm']]}. (Run in the box, in 4 steps.)"]
    if same["ddim"] and not same["ddpm"]:
        answer.append(
            "The start is drawn image after image, so the first four get the same noise, and DDIM draws no more. DDPM "
            "goes on to draw for every step: with eight images each draw takes twice as many numbers, so all later "
            "ones are others."
        )
    elif same["ddim"]:
        answer.append("Neither the start nor the noise of a step depends on how many images there are.")
    else:
        answer.append("The noise at the start depends on how many images there are: let them say through which line.")
    return Question(TITLE, [ask], [*answer, *lines_with(desk, "manual_seed", "randn", "Generator(")], "6.2")


def generator(desk: Desk, student: Student, case: Case) -> Question:
    noise = {NOISE: save({"noise": np.random.default_rng(1).standard_normal((2, 1, 28, 28), dtype=np.float32)})}
    same = {}
    for eta in (0.0, 1.0):
        one, two = (
            case.samples(student, ["--initial-noise", NOISE, "--eta", eta, "--seed", seed, *STEPS], 2, noise)
            for seed in (3, 4)
        )
        same[eta] = np.array_equal(one, two)
    ask = (
        "Two runs begin with the same `--initial-noise`, one with `--seed 3` and one with `--seed 4`. Are the digits "
        "the same with `--eta 0`? And with `--eta 1`? Why?"
    )
    answer: list[str | Code] = [f"η = 0: {YES[same[0.0]]}. η = 1: {YES[same[1.0]]}. (Run in the box, in 4 steps.)"]
    if same[0.0] and not same[1.0]:
        answer.append(
            "With η = 0 nothing is drawn after the start; with η = 1 each step draws z, and the seed decides it."
        )
    else:
        answer.append(
            "This is not as the handout has it: with η = 0 nothing should be drawn, with η = 1 z in each step."
        )
    return Question(TITLE, [ask], [*answer, *lines_with(desk, ".step(", "manual_seed")], "6.2")


def picture(desk: Desk, student: Student, case: Case) -> Question:
    number = 10
    height, width = measure.pixels(
        output_file(case.run(student, ["--num-images", number, *STEPS]), "output"), "the picture"
    ).shape[:2]
    columns, rows = (width - 2) // 30, (height - 2) // 30
    ask = (
        f"With `--num-images {number}`: how many images stand in a row of your picture, how many rows are there, and "
        "how large is it in pixels? Which of your lines decides it?"
    )
    answer = [
        f"{columns} in a row, {rows} rows: {width} by {height} pixels, each image with 28 and 2 between them. "
        f"{columns * rows - number} places at the end stay black. (Run in the box.)"
    ]
    return Question(TITLE, [ask], [*answer, *lines_with(desk, "nrow", "ceil", "make_grid")], "6.3")


def calls(desk: Desk, student: Student, case: Case) -> Question:
    run = case.run(student, ["--num-images", 2, *STEPS])
    samples_in(run, 2)
    # The student's process says so, and nobody vouches for it.
    seen = [call for call in run.calls[:MOST] if isinstance(call, tuple) and len(call) == 3]
    timesteps = [t for t, *_ in seen if isinstance(t, (int, float))]
    if not timesteps:
        raise Failed(WRONG, "it is not told how the network was called")
    scheduler = student.DDIMScheduler()
    scheduler.set_timesteps(STEPS[1])
    listed = [float(t) for t in np.asarray(scheduler.timesteps)]
    ask = (
        "With `--steps 4`: with which values of t is the network called, in which order? Are gradients recorded while "
        "it samples? Which of your lines sees to that, and what would it cost without?"
    )
    numbers = ", ".join(f"{t:g}" for t in timesteps)
    if list(map(float, timesteps)) != listed:
        numbers += f" (but the scheduler's own list holds {', '.join(f'{t:g}' for t in listed)})"
    gradients, training = any(call[1] for call in seen), any(call[2] for call in seen)
    answer = [
        f"t = {numbers}. Gradients are {'recorded, which costs memory and time' if gradients else 'not recorded'}; the "
        f"network is in {'training' if training else 'evaluation'} mode. (Seen in the box.)"
    ]
    return Question(TITLE, [ask], [*answer, *lines_with(desk, "inference_mode", "no_grad", ".eval(")], "6.2")
