"""Part 5: training. The kit's train.py runs in the box with the student's scheduler, for a moment. What is graded is
the loss of the network that comes out, on digits that it has not seen.

The grader measures that loss itself, from the weights. A run with the same seed and a right scheduler ends at the
reference's loss nearly to the digit, on every device, as train.py draws on the CPU; wrong noise or a wrong target
moves it: `python -m autograder.instructor.validity.training_band`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import measure
from ..language import N_, _
from ..paths import ASSIGNMENT

if TYPE_CHECKING:
    from ..expect import Expect
    from ..student import Scheduler, Student

STEPS, BATCH_SIZE, HELD_OUT = 100, 32, 512
UNET = {"channels": [16, 24], "time_channels": 16}
SCHEDULE = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
LOSS = N_("the held-out loss of the trained network")


def check_epsilon(student: Student, expect: Expect) -> None:
    compare_loss(student, expect, "epsilon")


def check_v_prediction(student: Student, expect: Expect) -> None:
    compare_loss(student, expect, "v_prediction")


def compare_loss(student: Student, expect: Expect, prediction_type: str) -> None:
    seed = expect.integer(0, 1 << 30)
    t = timesteps(expect)
    scalars = expect.draw(lambda rng: scalars_of(student.DDPMScheduler(), prediction_type, t))
    digits, x_t, target = held_out(seed, scalars)

    settings = {"scheduler": {"prediction_type": prediction_type, **SCHEDULE}, "unet": UNET, "seed": seed}
    settings |= {"steps": STEPS, "batch_size": BATCH_SIZE, "timesteps": "uniform", "precision": "float32"}
    checkpoint = student.on_gpu_or_cpu(partial(weights, student, settings, digits))
    loss = measure.held_out_loss(checkpoint, UNET, x_t, t, target)
    expect.measured(loss, _(LOSS), _("after {steps} steps", steps=STEPS))
    if expect.wrong:
        expect.remark(_("Training uses 1.1, 1.4 and part 2 of your scheduler: what those checks say comes first."))
    if expect.laws() and student.trained_on[-1] == "cpu":  # a mix of devices costs the same here as on a GPU
        scheduler, tensors = student.DDPMScheduler(prediction_type=prediction_type), (x_t[:4], target[:4], t[:4])
        for method in ("add_noise", "get_velocity")[: 2 if prediction_type == "v_prediction" else 1]:
            expect.on_cuda(scheduler, method, *tensors, costs=True)


def timesteps(expect: Expect) -> np.ndarray:
    """One for each digit held out, (512,) int64; small numbers, so recorded as such."""
    return expect.draw(lambda rng: rng.integers(0, 1000, HELD_OUT).astype(np.int16)).astype(np.int64)


def weights(student: Student, settings: dict[str, Any], digits: np.ndarray, device: str) -> bytes:
    """The checkpoint that a whole run of train.py on this device makes."""
    training = student.training(settings, digits, device)
    training.advance(settings["steps"])
    return training.checkpoint()


def held_out(seed: int, scalars: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(digits to train on, x_t, target): uint8 (N, 1, 28, 28), and of the digits held out two float32 (512, 1, 28, 28).

    scalars  of these 512, as `scalars_of` gives them
    """
    digits = np.load(ASSIGNMENT / "digits5k.npz", allow_pickle=False)["images"][:, None]
    held_out = np.arange(len(digits)) % 5 == 0
    x0 = digits[held_out][:HELD_OUT].astype(np.float32) / 127.5 - 1
    noise = np.random.RandomState(seed).standard_normal(x0.shape).astype(np.float32)  # whose numbers never change
    image, noise_in_x, image_in_target, noise_in_target = scalars[:, :, None, None, None]
    return digits[~held_out], image * x0 + noise_in_x * noise, image_in_target * x0 + noise_in_target * noise


def scalars_of(scheduler: Scheduler, prediction_type: str, t: np.ndarray) -> np.ndarray:
    """How much of the image and of the noise is in x_t, and then in the target, (4, N) float32."""
    zero, one = np.zeros((len(t), 1, 1, 1), np.float32), np.ones((len(t), 1, 1, 1), np.float32)
    target = [zero, one]
    if prediction_type == "v_prediction":
        target = [scheduler.get_velocity(one, zero, t), scheduler.get_velocity(zero, one, t)]
    parts = [scheduler.add_noise(one, zero, t), scheduler.add_noise(zero, one, t), *target]
    return np.stack([np.asarray(part) for part in parts])[..., 0, 0, 0]
