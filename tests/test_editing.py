"""Part 8.3, inpainting: what it obeys with any network, and what it costs beside a scheduler that is wrong."""

import pytest
import torch
from handout import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder import checks
from autograder.instructor.authoring import patches
from autograder.record import PASSED, UNGRADED

SOURCE = patches.reference()["scheduler.py"].decode()
KINDS = {
    "ddim": lambda **options: reference.DDIMScheduler(prediction_type="v_prediction", **options),
    "flow": reference.FlowMatchScheduler,
}
SHAPE = (2, 1, 3, 4)


def network(x, t):
    """Each pixel depends on its neighbours and on t."""
    assert t.shape == (len(x),) and t.dtype == torch.int64
    return 0.3 * x.roll(1, -1) + (t / 1000).to(x)[:, None, None, None]


def drawn(T, S, kind):
    scheduler = KINDS[kind](num_train_timesteps=T)
    scheduler.set_timesteps(S)
    known, noise = torch.randn(2, *SHAPE, dtype=torch.float64)
    return scheduler, known.clamp(-1, 1), noise


CASES = (st.sampled_from([*KINDS]), st.integers(1, 8), st.integers(8, 100))


@settings(max_examples=30, deadline=None)
@given(*CASES)
def test_what_is_known_comes_back_and_the_rest_is_sampled(kind, S, T):
    scheduler, known, noise = drawn(T, S, kind)
    everywhere = torch.ones(SHAPE, dtype=torch.bool)
    assert torch.equal(reference.inpaint(network, scheduler, known, everywhere, noise), known)
    x = noise
    for t in scheduler.timesteps.tolist():
        x = scheduler.step(network(x, torch.full((2,), t)), t, x)
    torch.testing.assert_close(reference.inpaint(network, scheduler, known, ~everywhere, noise), x)
    half = torch.rand(SHAPE) < 0.5
    image = reference.inpaint(network, scheduler, known, half, noise)
    assert torch.equal(image[half], known[half])


@settings(max_examples=30, deadline=None)
@given(*CASES)
def test_what_lies_under_the_mask_plays_no_part(kind, S, T):
    scheduler, known, noise = drawn(T, S, kind)
    half = torch.rand(SHAPE) < 0.5
    image = reference.inpaint(network, scheduler, known, half, noise)
    assert torch.equal(image, reference.inpaint(network, scheduler, torch.where(half, known, 9.0), half, noise))


@settings(max_examples=30, deadline=None)
@given(*CASES)
def test_by_the_best_network_of_one_image_its_half_makes_it_whole(kind, S, T):
    """What is put back is where this network's own path leads: nothing is out of place."""
    scheduler, known, noise = drawn(T, S, kind)

    def best(x, t):
        ends = torch.eye(2, dtype=torch.float64)[..., None, None, None, None]
        of_image, of_noise = (scheduler.add_noise(*pair, t[:1]) for pair in ends)
        return scheduler.get_velocity(known, (x - of_image * known) / of_noise, t)

    image = reference.inpaint(best, scheduler, known, torch.rand(SHAPE) < 0.5, noise)
    torch.testing.assert_close(image, known, rtol=1e-4, atol=1e-4)


# ----- grades ---------------------------------------------------------------------------------------------------------


def lost(grade, *replacements):
    source = patches.apply(SOURCE, [{"old": old, "new": new} for old, new in replacements], "a test")
    record = grade(source, public_only=True, only=["ddim", "flow", "editing"])
    return {check.id for check in record.checks if check.verdict != PASSED and check.id.startswith("editing.")}


WRONG_STEP = ("return sample + (s_prev - s) * (noise - image)", "return sample - (s_prev - s) * (noise - image)")
WRONG_PATH = ("return (1 - s) * original_samples + s * noise", "return (1 - s) * original_samples - s * noise")
WRONG_PLACE = ("torch.full_like(t, previous))", "t)")


def test_beside_a_scheduler_that_is_wrong_it_keeps_its_points_where_it_is_right(grade):
    assert lost(grade, WRONG_STEP, WRONG_PATH) == set()
    assert lost(grade, WRONG_STEP, WRONG_PATH, WRONG_PLACE) == {"editing.inpaint"}


def test_beside_a_step_that_is_random_nobody_is_told_that_the_known_pixels_are(grade):
    """Noise also with eta = 0, or by default, looked like fresh noise for what is known."""
    known = {patch.id: patch.files for patch in patches.load_all()}["ddim_noise_at_eta_zero"]
    default = SOURCE.replace("eta=0.0", "eta=1.0").encode()
    assert default != SOURCE.encode()
    for files in (known, {"scheduler.py": default}):
        named = {check.id: check.mistake for check in grade(files, only=checks.EXACT).checks if check.verdict != PASSED}
        assert "editing.inpaint" in named and "inpaint_fresh_noise" not in named.values()
        if files is known:
            assert {*named.values()} == {"ddim_noise_at_eta_zero"}


ODD = {
    "an empty list": "    def set_timesteps(self, n, device=None):\n        super().set_timesteps(n, device)\n"
    "        self.timesteps = self.timesteps[: 0 if n == 2 else None]\n",
    "None": "    def previous_timestep(self, t):\n"
    "        return None if len(self.timesteps) == 2 else super().previous_timestep(t)\n",
    "words": "    def step(self, *inputs, **options):\n"
    "        return ('a', 'b') if len(self.timesteps) == 2 else super().step(*inputs, **options)\n",
}


@pytest.mark.parametrize("odd", ODD)
def test_whatever_a_scheduler_does_in_two_steps_is_never_ungraded(odd, grade):
    source = SOURCE.replace("class DDIMScheduler(", "class Plain(") + f"\n\nclass DDIMScheduler(Plain):\n{ODD[odd]}"
    record = grade(source, public_only=True, only=["schedule", "forward", "editing"])
    assert UNGRADED not in {check.verdict for check in record.checks}
    assert record.checks[0].verdict == PASSED
