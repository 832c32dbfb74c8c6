"""What programs earn that have no right formula, or no right infer.py: no more than for what they have right at all."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from slow import one_in

from autograder import checks
from autograder.checks.program import Case
from autograder.expect.answers import Answer, Step
from autograder.instructor.authoring import patches
from autograder.paths import ASSIGNMENT
from autograder.record import PASSED

HERE = Path(__file__).parent / "submissions" / "cheap"
CEILINGS = tomllib.loads((HERE / "expectations.toml").read_text(encoding="utf-8"))
NO_TRAINING = [part for part in checks.PARTS if part != "training"]


@pytest.mark.parametrize("name", one_in(6, CEILINGS))
def test_ceiling(name, grade):
    record = grade(HERE / name, only=NO_TRAINING)
    print([check.id for check in record.checks if check.verdict == PASSED])
    assert record.points <= CEILINGS[name]["most"]


def test_every_cheap_program_has_a_ceiling():
    assert {path.name for path in HERE.iterdir() if path.is_dir()} == CEILINGS.keys()


# A scheduler that is right but for digits: there it gives one constant, and another in every second run.
RIGGED = """

MADE = [0]


def rigged(right):
    def step(self, model_output, timestep, sample, *args, **kwargs):
        if tuple(sample.shape[1:]) != (1, 28, 28):
            return right(self, model_output, timestep, sample, *args, **kwargs)
        return torch.full_like(sample, 0.5 if MADE[0] % 2 else -0.5)

    return step


def counted(self, *args, **kwargs):
    MADE[0] += 1
    FIRST(self, *args, **kwargs)


FIRST, DDPMScheduler.__init__ = DDPMScheduler.__init__, counted
DDIMScheduler.step, DDPMScheduler.step = rigged(DDIMScheduler.step), rigged(DDPMScheduler.step)
"""


@pytest.mark.parametrize("only", [NO_TRAINING, ["infer"]], ids=["with its checks", "alone"])
def test_a_scheduler_that_is_rigged_for_digits_carries_no_infer(only, grade):
    """Without a loop and without a network, infer.py earns nothing, whatever the scheduler beside it."""
    files = patches.reference()
    files["scheduler.py"] += RIGGED.encode()
    files["infer.py"] = (HERE / "noise_alone" / "infer.py").read_bytes()
    found = grade(files, only=only)
    assert not [check.id for check in found.checks if check.part == "infer" and check.verdict == PASSED]


def test_stored_digits_are_no_samples(grade):
    """A right infer.py that answers the real network with digits of MNIST, with noise on them or without."""
    files = patches.reference()
    images = np.load(ASSIGNMENT / "digits5k.npz", allow_pickle=False)["images"][:50]
    stored = f"""
import json
import sys
checkpoint = open(sys.argv[sys.argv.index("--checkpoint") + 1], "rb").read(4000)
if "--num-images" in sys.argv and b"slope" not in checkpoint:
    from safetensors.torch import load_file, save_file
    import torch
    name = sys.argv[sys.argv.index("--samples") + 1]
    digits = torch.tensor(list(bytes.fromhex("{images[:, ::2, ::2].tobytes().hex()}"))).view(50, 1, 14, 14) / 127.5 - 1
    save_file({{"samples": digits.repeat_interleave(2, 2).repeat_interleave(2, 3).contiguous()}}, name)
"""
    files["infer.py"] += stored.encode()
    (found,) = (check for check in grade(files, only=["infer"]).checks if check.id == "infer.digits")
    assert found.verdict != PASSED


def test_a_right_infer_keeps_its_points_beside_a_wrong_scheduler(grade):
    """Also where the scheduler's list of timesteps is wrong, or its samples explode."""
    files = patches.reference()
    text = files["scheduler.py"].decode()
    for old, new in (
        ("round((S - i) * T / S) - 1 for i in range(S)", "i * (T // S) for i in reversed(range(S))"),
        ("x0 = (sample - b * epsilon) / a", "x0 = (sample + b * epsilon) / a"),
    ):
        assert text.count(old) == 1
        found = grade(files | {"scheduler.py": text.replace(old, new).encode()}, only=["infer"], public_only=True)
        lost = {check.id: check.message for check in found.checks if check.verdict != PASSED}
        assert lost.keys() <= {"infer.digits"}, lost


# ----- a step that is carried must show all its terms, in every element ----------------------------------------------

WEIGHTS = np.array([[0.3, 0.6, 0.2], [0.5, 0.4, 0.2], [0.7, 0.9, 0.2], [np.nan] * 3])


def step(x0, made):
    """An Answer: what `made` of (x0, epsilon, sample, noise), as a step with the first of WEIGHTS should."""
    rng = np.random.default_rng(0)
    epsilon, sample, noise = rng.standard_normal((3, 60))
    answer = Answer("x_prev", "", made(x0, epsilon, sample, noise), np.zeros(60), scale=1.0, tolerance=6e-4)
    answer.step = Step(WEIGHTS, lambda: (x0, epsilon), sample, noise)
    return answer


def right(x0, epsilon, sample, noise):
    return 0.3 * x0 + 0.6 * sample + 0.2 * noise


def one_term(x0, epsilon, sample, noise):
    return 0.3 * x0


@pytest.mark.parametrize("pixels", [0, 1, 30, 60])
@pytest.mark.parametrize("size", [1.0, 1e3, 1e6, 1e15])
def test_large_predictions_hide_nothing(pixels, size):
    x0 = np.random.default_rng(1).standard_normal(60)
    x0[:pixels] *= size
    cheap, honest = step(x0, one_term), step(x0, right)
    assert not (cheap.carried() and cheap.telling())
    assert honest.carried()
    assert honest.telling() == (pixels < 60 or size < 1e9)


def test_the_stand_in_is_followed_to_the_digit():
    """The grader's own arithmetic is that of the program in the box."""
    import torch

    from autograder.checks import stand_in

    rng = np.random.default_rng(0)
    noise = rng.standard_normal((2, 1, 28, 28)).astype(np.float32)
    for settings in ({}, {"beta_schedule": "cosine", "prediction_type": "v_prediction"}, {"num_train_timesteps": 60}):
        T = settings.get("num_train_timesteps", 1000)
        case = Case(settings, np.float32(rng.standard_normal((1, 28, 28))), np.float32(rng.uniform(-1, 1, (2, T))))
        for kind, scheduler in (
            ("ddim", stand_in.DDIMScheduler(**settings)),
            ("ddpm", stand_in.DDPMScheduler(**settings)),
        ):
            for steps in (1, 7, 50):
                scheduler.set_timesteps(steps)
                x, noises = torch.from_numpy(noise), rng.standard_normal((steps, *noise.shape)).astype(np.float32)
                for t, z in zip(scheduler.timesteps.tolist(), noises, strict=True):
                    x = scheduler.step(torch.from_numpy(case.output(x, t)), t, x, variance_noise=torch.from_numpy(z),
                                       **({"eta": 0.5} if kind == "ddim" else {}))  # fmt: skip
                followed = case.follow(noise, steps, kind, noises, 0.5 if kind == "ddim" else 1.0)
                np.testing.assert_allclose(x.clamp(-1, 1).numpy(), followed, atol=1e-5)
                assert len(scheduler.timesteps.unique()) == steps


# ----- what only the student's own process can say -----------------------------------------------------------------

ON_THE_CPU = ("values = table.to(timesteps.device)[timesteps].to(sample)", "values = table[timesteps].to(sample)")
LIES = {
    "honest": "",
    "raises elsewhere": "if timesteps.is_cuda:\n        raise RuntimeError('somewhere else')\n    ",
    "patches": "import sys; sys.modules['worker'].StudentCode.call_on_cuda = lambda *a: 'cuda'\n    ",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_mix_of_devices_costs_nothing_in_the_exact_parts_whatever_is_said(lie, grade):
    old, new = ON_THE_CPU
    text = patches.reference()["scheduler.py"].decode()
    assert text.count(old) == 1
    found = grade(text.replace(old, LIES[lie] + new), public_only=True, only=["forward"])
    assert {check.verdict for check in found.checks} == {PASSED}
    assert any("mixes CPU and CUDA" in check.hint for check in found.checks) == (lie == "honest")
