"""Part 5: training. The kit's train.py runs in the box with the student's scheduler, for a moment. What is graded is
the loss of the network that comes out, on digits that it has not seen.

The grader measures that loss itself, from the weights. A run with the same seed and a right scheduler ends at the
reference's loss nearly to the digit, while wrong noise or a wrong target moves it: `python -m autograder.tools.band`.
"""

import numpy as np

from .. import measure
from ..paths import ASSIGNMENT

STEPS, BATCH_SIZE, HELD_OUT = 100, 32, 512
UNET = {"channels": [16, 24], "time_channels": 16}
SCHEDULE = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
LOSS = "the held-out loss of the trained network"


def check_epsilon(student, expect):
    trained(student, expect, "epsilon")


def check_v_prediction(student, expect):
    trained(student, expect, "v_prediction")


def trained(student, expect, prediction_type):
    seed = expect.integer(0, 1 << 30)
    t = expect.integers(0, 1000, HELD_OUT)
    digits = np.load(ASSIGNMENT / "digits5k.npz", allow_pickle=False)["images"][:, None]
    held_out = np.arange(len(digits)) % 5 == 0
    x0 = digits[held_out][:HELD_OUT].astype(np.float32) / 127.5 - 1
    noise = np.random.RandomState(seed).standard_normal(x0.shape).astype(np.float32)  # whose numbers never change
    scalars = expect.draw(lambda rng: scalars_of(student.DDPMScheduler(), prediction_type, t))
    image, noise_in_x, noise_in_target, image_in_target = scalars[:, :, None, None, None]

    x_t, target = image * x0 + noise_in_x * noise, image_in_target * x0 + noise_in_target * noise

    settings = {"scheduler": {"prediction_type": prediction_type, **SCHEDULE}, "unet": UNET, "seed": seed}
    settings |= {"steps": STEPS, "batch_size": BATCH_SIZE}
    for gpu in expect.devices(student.gpu):
        device, precision = ("cuda", "bfloat16") if gpu else ("cpu", "float32")
        checkpoint = student.train({**settings, "precision": precision}, digits[~held_out], device)
        expect.measured(measure.held_out_loss(checkpoint, UNET, x_t, t, target), LOSS, after(gpu), on_gpu=bool(gpu))
    if expect.wrong:
        expect.remark("Training uses 1.1, 1.4 and part 2 of your scheduler: what those checks say comes first.")


def after(gpu):
    return f"after {STEPS} steps on {gpu or 'the CPU'}"


def scalars_of(scheduler, prediction_type, t):
    """How much of the image and of the noise is in x_t and in the target, (4, N) float32."""
    zero, one = np.zeros((len(t), 1, 1, 1), np.float32), np.ones((len(t), 1, 1, 1), np.float32)
    target = [one, zero]
    if prediction_type == "v_prediction":
        target = [scheduler.get_velocity(zero, one, t), scheduler.get_velocity(one, zero, t)]
    parts = [scheduler.add_noise(one, zero, t), scheduler.add_noise(zero, one, t), *target]
    return np.stack([np.asarray(part) for part in parts])[..., 0, 0, 0]
