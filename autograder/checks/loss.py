"""Part 5, the exact half: `loss`, by a network in closed form. What the network was given, what its output is compared
with, and the loss of each image are held against the recorded ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..expect.answers import difference
from ..language import N_, _, english
from ..record import WRONG, Failed
from .cases import batch

if TYPE_CHECKING:
    from ..expect import Expect
    from ..expect.answers import Answer
    from ..student import Scheduler, Student

X_T, TARGET = N_("the x_t that the network gets"), N_("the target of the loss")
LOSS = N_("the loss of each image")


def check_epsilon(student: Student, expect: Expect) -> None:
    compare_losses(student.DDPMScheduler(prediction_type="epsilon"), expect, "epsilon", "forward")


def check_v_prediction(student: Student, expect: Expect) -> None:
    compare_losses(student.DDPMScheduler(prediction_type="v_prediction"), expect, "v_prediction", "forward")


def compare_losses(scheduler: Scheduler, expect: Expect, prediction_type: str, part: str) -> None:
    """part  whose checks charge a wrong add_noise and get_velocity"""
    forward_is_right = expect.passed(f"{part}.add_noise")
    if expect.asks("v_prediction"):
        forward_is_right = forward_is_right and expect.passed(f"{part}.get_velocity")
    whole, slope = batch(expect, 1000), expect.normal(1000)
    alone = *(array[:1] for array in whole[:2]), expect.integers(1, 999, 1)
    for (x0, noise, t), where in ((whole, _("for a batch of images")), (alone, _("for a batch of one image"))):
        network = slope, expect.normal(*x0.shape)
        losses, x_t, target = scheduler.loss(network, x0, noise, t)
        if x_t is None:
            raise Failed(WRONG, _("loss never calls model(x_t, timesteps)"))
        expect.tensor(losses, (len(t),), _("the result of loss"), "float32", where)
        if target is None:
            raise Failed(WRONG, _("no gradient flows from the loss into the network: it has nothing to learn from"))
        answers = [expect.value(got, _(name), where) for got, name in ((x_t, X_T), (target, TARGET), (losses, LOSS))]
        if not forward_is_right:
            own = Own.of(scheduler, prediction_type, network, x0, noise, t)
            for answer in answers:
                answer.again = own.confirms(answer)
    if expect.laws() and forward_is_right:
        x0, noise, t = whole
        offset = np.zeros_like(x0)
        first, *_rest = scheduler.loss((slope, offset), x0, noise, t)
        again, *_rest = scheduler.loss((slope, offset), *(np.ascontiguousarray(array[::-1]) for array in whole))
        expect.same(again, first[::-1], _("{method} differs when the batch comes in another order", method="loss"))


@dataclass
class Confirmed:
    """Whether an answer is right given what the student's own, also wrong, add_noise and get_velocity return."""

    right: bool
    moved: bool


class Own:
    """What the loss would be, made of the student's own add_noise and get_velocity: their errors are charged in part 2.

    arrays  by name of what is compared; empty where they cannot be made
    """

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays = arrays

    @classmethod
    def of(
        cls,
        scheduler: Scheduler,
        prediction_type: str,
        network: tuple[np.ndarray, np.ndarray],
        x0: np.ndarray,
        noise: np.ndarray,
        t: np.ndarray,
    ) -> Own:
        try:
            x_t = scheduler.add_noise(x0, noise, t)
            target = noise if prediction_type == "epsilon" else scheduler.get_velocity(x0, noise, t)
        except Failed:
            return cls({})
        if not all(isinstance(array, np.ndarray) and array.shape == x0.shape for array in (x_t, target)):
            return cls({})
        x_t, target = (np.asarray(array, np.float64) for array in (x_t, target))
        output = network[0][t][:, None, None, None] * x_t + network[1]
        losses = np.square(output - target).mean(axis=(1, 2, 3))
        return cls({X_T: x_t, TARGET: target, LOSS: losses})

    def confirms(self, answer: Answer) -> Confirmed:
        name = english(answer.name)
        if name not in self.arrays:
            return Confirmed(False, False)
        wanted = self.arrays[name]
        near = difference(answer.got, wanted) <= answer.tolerance * np.abs(wanted).max(initial=0)
        return Confirmed(bool(near.all()), bool(np.ptp(self.arrays[X_T]) > 0))
