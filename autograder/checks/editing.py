"""Part 8.3: inpainting, by a network in closed form in which each pixel depends on its neighbour: so what is put back
on the way shows in the rest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..language import N_, _
from ..record import Failed
from ..student import Scheduler, Student
from .cases import shape_of_images

if TYPE_CHECKING:
    from ..box.inside.wire import Ref
    from ..expect import Expect

T, STEPS = 90, (3, 5, 6, 9)  # on which every usual way to round agrees
WHOLE = 6  # as many steps as timesteps, so that timestep 0 is among them, and so much noise that it shows
IMAGE = N_("the image")


def check_one_step(student: Student, expect: Expect) -> None:
    """A list of one timestep: what is known comes back as it was, and the rest is sampled."""
    case = Case.draw(expect)
    inpaint(student, expect, case, ddim(student), 1)
    if not expect.laws() or not expect.passed("forward.add_noise"):  # a random one is charged there
        return

    scheduler, call = ddim(student), student.functions().inpaint
    scheduler.set_timesteps(2)
    if draws(expect, scheduler, case):
        return

    arguments = case.network(student), scheduler, case.known, case.mask, case.noise
    first, again = (expect.tensor(call(*arguments), case.known.shape, _(IMAGE)) for n in range(2))
    expect.law(np.array_equal(first, again, equal_nan=True), _("two calls with the same noise give two images"))
    expect.untouched(student.functions(), "inpaint", *arguments)
    if expect.passed("reverse.previous_timestep"):
        whole = call(case.network(student), scheduler, case.known, np.ones_like(case.mask), case.noise)
        known = np.array_equal(expect.tensor(whole, case.known.shape, _(IMAGE)), case.known)
        expect.law(known, _("an image that is known everywhere must come back as it was"))


def check_inpaint(student: Student, expect: Expect) -> None:
    """Several steps, by DDIM and, where that is right, along straight paths."""
    inpaint(student, expect, Case.draw(expect), ddim(student), expect.choice(*STEPS))
    inpaint(student, expect, Case.draw(expect), ddim(student, WHOLE, beta_start=0.1, beta_end=0.5), WHOLE, T=WHOLE)
    case, S = Case.draw(expect), expect.choice(*STEPS)
    if all(map(expect.passed, ("flow.add_noise", "flow.clip", "flow.strided"))):
        inpaint(student, expect, case, student.FlowMatchScheduler(num_train_timesteps=T), S, _("flow matching"))
    expect.settle()


def draws(expect: Expect, scheduler: Scheduler, case: Case) -> bool:
    """Whether the student's own step is random without being asked for noise, which is charged in part 4."""
    for t in np.ravel(scheduler.timesteps).tolist()[:1]:  # their list may be anything, also empty
        steps = (scheduler.step(case.noise, t, case.known) for n in range(2))
        one, other = (expect.tensor(x_prev, case.known.shape, "x_prev") for x_prev in steps)
        return not np.array_equal(one, other, equal_nan=True)
    return False


def ddim(student: Student, T: int = T, **betas: float) -> Scheduler:
    return student.DDIMScheduler(num_train_timesteps=T, prediction_type="v_prediction", **betas)


@dataclass
class Case:
    """An image, a half of which is known.

    mask   bool, of the shape of known and noise, (B, C, H, W)
    slope  (T,); with offset, the network
    """

    known: np.ndarray
    mask: np.ndarray
    noise: np.ndarray
    slope: np.ndarray
    offset: np.ndarray

    @classmethod
    def draw(cls, expect: Expect) -> Case:
        shape = shape_of_images(expect)
        known, noise, offset = expect.normal(3, *shape)
        mask = expect.draw(lambda rng: rng.random(shape) < 0.5)
        return cls(np.float32(known.clip(-1, 1)), mask, noise, expect.normal(T), offset)  # pyrefly: ignore[bad-argument-type]

    def network(self, student: Student, sign: int = 1) -> Ref:
        return student.network(np.float32(sign) * self.slope, np.float32(sign) * self.offset, shift=1)  # pyrefly: ignore[bad-argument-type]

    def answer(self, x: np.ndarray, t: int, sign: int) -> np.ndarray:
        """What the network answers."""
        return np.float32(sign * (self.slope[t] * np.roll(x, 1, -1) + self.offset))  # pyrefly: ignore[bad-return]


def inpaint(
    student: Student, expect: Expect, case: Case, scheduler: Scheduler, S: int, kind: str = "DDIM", T: int = T
) -> None:
    scheduler.set_timesteps(S)
    image = student.functions().inpaint(case.network(student), scheduler, case.known, case.mask, case.noise)
    where = _("by {kind}, after set_timesteps({S}), T = {T}", kind=kind, S=S, T=T)
    answer = expect.value(image, _(IMAGE), where)
    if answer:  # none while recording
        answer.again = Own(case, scheduler, answer.got, expect.tolerance)


@dataclass
class Own:
    """What inpainting would be with the student's own, also wrong, scheduler: that is charged where it is made."""

    case: Case
    scheduler: Scheduler
    got: np.ndarray
    tolerance: float

    @cached_property
    def right(self) -> bool:
        wanted = self.walked(1)
        return wanted is not None and bool(np.abs(self.got - wanted).max() <= self.tolerance * np.abs(wanted).max())

    @cached_property
    def moved(self) -> bool:
        """Whether the opposite network makes another image: what no network moves proves nothing."""
        one, other = self.walked(1), self.walked(-1)
        return one is not None and other is not None and bool(np.abs(one - other).max() > 0.01)

    def walked(self, sign: int) -> np.ndarray | None:
        """The image, made by calls of the student's own scheduler; None where they give none."""
        case, x = self.case, self.case.noise
        try:
            for t in np.asarray(self.scheduler.timesteps).tolist():
                x = self.scheduler.step(case.answer(x, t, sign), t, x)  # pyrefly: ignore[bad-argument-type]
                previous, kept = self.scheduler.previous_timestep(t), case.known
                if previous >= 0:
                    kept = self.scheduler.add_noise(case.known, case.noise, np.full(len(kept), previous))
                x = np.float32(np.where(case.mask, np.asarray(kept), np.asarray(x)))
        except (Failed, TypeError, ValueError, IndexError):
            return None
        return x if x.shape == case.known.shape and np.isfinite(x).all() else None  # pyrefly: ignore[bad-return]
