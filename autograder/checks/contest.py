"""A contest for fame: digits in one, two and four steps, from noise that nobody knows. `infer.py --contest` may walk as
it likes; what counts is how near its samples come to real digits. How often it asked the network is counted in the
student's own process: good for a list of winners whose code somebody reads, not for points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save

from .. import given, measure
from ..language import N_, _
from ..record import NOT_IMPLEMENTED, WRONG, Failed
from .infer import driven
from .program import NOISE, Trained, samples_in

if TYPE_CHECKING:
    from ..expect import Expect
    from ..student import Finished, Student

CALLED = {1: N_("1 step"), 2: N_("2 steps"), 4: N_("4 steps")}  # in a record, too
STEPS, IMAGES = tuple(CALLED), 500
NEARER = 0.99  # of the distance of DDIM: what is less by rounding is no nearer
ANY_MORE = 1e-9  # as a share: how much more than that is more
ONE_REMARK = N_("In {n} step, {images} samples are {ours:.1f} from real digits, those of DDIM {theirs:.1f}.")
MANY_REMARK = N_("In {n} steps, {images} samples are {ours:.1f} from real digits, those of DDIM {theirs:.1f}.")
# Added to the given unet.py: what it is asked about counts, in however few or many calls.
COUNTING = b"""

calls, uncounted = [(0,)], UNet.forward


def counted(self, x, *rest, **labels):
    calls[0] = (calls[0][0] + len(x),)
    return uncounted(self, x, *rest, **labels)


UNet.forward = counted
"""


def check_few_steps(student: Student, expect: Expect) -> None:
    """The Frechet distance of samples in so few steps, beside that of DDIM from the same noise."""
    seed = expect.integer(0, 1 << 30)
    noise = np.random.RandomState(seed).standard_normal((IMAGES, 1, 28, 28)).astype(np.float32)
    trained = Trained()
    usual = expect.draw(lambda rng: np.array([usual_distance(student, trained, noise, steps) for steps in STEPS]))
    expect.live(lambda: compare(student, expect, trained, noise, usual))


def compare(student: Student, expect: Expect, trained: Trained, noise: np.ndarray, usual: np.ndarray) -> None:
    """The student's distances beside those of DDIM. Who breaks the rules in any number of steps stands nowhere, and who
    is nearer in one of them passes: so all who are worth a rank are ranked by hidden noise."""
    ours = [measure.digits(few_steps(student, trained, noise, steps))["frechet"] for steps in STEPS]
    expect.standing = {CALLED[steps]: round(distance, 2) for steps, distance in zip(STEPS, ours, strict=True)}
    for steps, distance, by_ddim in zip(STEPS, ours, usual.tolist(), strict=True):
        numbers = {"n": steps, "images": IMAGES, "ours": distance, "theirs": by_ddim}
        expect.remark(_(MANY_REMARK if steps > 1 else ONE_REMARK, **numbers))
    what, where = _("the Frechet distance to real digits"), _("the least of them, as a share of that of DDIM")
    told = expect.near(float((ours / usual).min()), NEARER, what, where, ANY_MORE, below=1.0)
    told.complaint = N_("{name} is less than that of DDIM in no number of steps")


def usual_distance(student: Student, trained: Trained, noise: np.ndarray, steps: int) -> float:
    return measure.digits(driven(student, trained, noise, steps, ["--eta", 0.0]))["frechet"]


def few_steps(student: Student, trained: Trained, noise: np.ndarray, steps: int) -> np.ndarray:
    """Samples of `infer.py --contest`. Raises Failed where the network was asked too often, or never."""
    arguments = ["--contest", "--steps", steps, "--initial-noise", NOISE, "--device", "cpu"]
    files = {NOISE: save({"noise": noise}), "unet.py": given.network()["unet.py"] + COUNTING}
    try:
        run = trained.run(student, arguments, files, "digits_seconds")
    except Failed as failed:
        if "unrecognized arguments" in failed.detail:  # says argparse
            what = _("infer.py has no --contest")
            raise Failed(NOT_IMPLEMENTED, what, said=what) from None
        raise
    samples = samples_in(run, len(noise))
    asked = images_asked_about(run) / len(noise)
    if asked == 0:
        raise Failed(WRONG, _("infer.py --contest draws samples without the network"))
    if asked > steps:
        told = _("with --steps {steps}, it asks {n:g} times for each image", steps=steps, n=asked)
        raise Failed(WRONG, _("infer.py --contest asks the network more often than there are steps"), told)
    return samples


def images_asked_about(run: Finished) -> int:
    """As the student's process says: anything may stand there."""
    return sum(call[0] for call in run.calls[:1] if isinstance(call, tuple) and call and type(call[0]) is int)
