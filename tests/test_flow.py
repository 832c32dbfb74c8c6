"""Part 8.1, flow matching: what the reference obeys, how it is graded where it is asked for, and that nobody hears of
it where it is not."""

import re

import numpy as np
import pytest
import torch
from courses import rubric_text
from handout import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder import checks
from autograder.instructor.authoring import patches
from autograder.instructor.authoring.course import Course
from autograder.paths import ROOT
from autograder.readback.predictions import read_sum
from autograder.readback.products import levels
from autograder.readback.reading import Cases
from autograder.readback.weights import measure
from autograder.record import PASSED
from autograder.rubric import Rubric

FLOW = [id for id in checks.CHECKS if id.startswith("flow.")]
SOURCE = patches.reference()["scheduler.py"].decode()


def flow(S=None, **options):
    scheduler = reference.FlowMatchScheduler(**options)
    if S:
        scheduler.set_timesteps(S)
    return scheduler


def lost(record):
    return {check.id for check in record.checks if check.verdict != PASSED}


def changed(*replacements):
    return patches.apply(SOURCE, [{"old": old, "new": new} for old, new in replacements], "a test")


def without_part_8():
    """The reference of a course that does not ask for it."""
    return Course(Rubric.load()).text((ROOT / "solution" / "scheduler.py").read_text(encoding="utf-8"), "scheduler.py")


# ----- the reference --------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 1000), st.data(), st.booleans())
def test_eulers_step_is_ddim_on_the_straight_path(T, data, clip):
    """With (1 - s, s) in the place of the two roots: x_prev is x_0 and epsilon, mixed as at the previous timestep."""
    scheduler = flow(data.draw(st.integers(1, T)), num_train_timesteps=T, clip_sample=clip)
    t = data.draw(st.sampled_from(scheduler.timesteps.tolist()))
    output, sample = torch.randn(2, 3, 1, 2, 2, dtype=torch.float64)
    x0, epsilon = scheduler.predict(output, t, sample)
    s, s_prev = (t + 1) / T, (scheduler.previous_timestep(t) + 1) / T
    torch.testing.assert_close((1 - s) * x0 + s * epsilon, sample)
    torch.testing.assert_close(scheduler.step(output, t, sample), (1 - s_prev) * x0 + s_prev * epsilon)
    if not clip:
        torch.testing.assert_close(epsilon - x0, output)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 1000))
def test_of_a_single_image_any_number_of_steps_is_exact(S):
    """Its paths do not cross, so that the best velocity is that of each path: no step can leave it."""
    scheduler, image = flow(S), 2 * torch.rand(2, 1, 3, 3, dtype=torch.float64) - 1
    x = torch.randn_like(image)
    for t in scheduler.timesteps.tolist():
        x = scheduler.step(
            (x - image) * 1000 / (t + 1), t, x
        )  # epsilon - x_0, as epsilon is known from x and the image
    torch.testing.assert_close(x, image)


def test_a_checkpoint_of_another_kind_is_refused():
    for kind in ("epsilon", "v_prediction"):
        with pytest.raises(ValueError, match="prediction_type must be one of flow"):
            reference.FlowMatchScheduler(prediction_type=kind)
    with pytest.raises(ValueError, match="prediction_type"):
        reference.DDIMScheduler(prediction_type="flow")


# ----- grades ---------------------------------------------------------------------------------------------------------


def test_who_has_no_part_8_where_it_is_off_hears_nothing_of_it(grade):
    record = grade(without_part_8(), only=checks.EXACT, asked=Rubric.load())
    assert lost(record) == set() and record.points == record.max_points == 84
    assert not re.search("flow|part 8", str([vars(check) for check in record.checks]), re.IGNORECASE)


def test_where_it_is_a_bonus_it_comes_on_top(grade):
    """Also beside checks that are not asked for here: one of the two of guidance runs infer.py."""
    asked = Rubric.read(rubric_text(flow="bonus", guidance="bonus", editing="bonus"))
    with_it, without = (
        grade(source, only=(*checks.EXACT, *checks.PART_8), asked=asked) for source in (SOURCE, without_part_8())
    )
    assert (with_it.points, with_it.max_points) == (97, 84) and (without.points, without.max_points) == (84, 84)
    assert {id.split(".")[0] for id in lost(without)} == set(checks.PART_8)
    assert lost(with_it) == {"guidance.infer"}, "there is no infer.py"
    said = {check.id: check.output for check in without.checks}
    assert all("The class FlowMatchScheduler is not implemented yet" in said[id] for id in FLOW)
    assert "The function guided is not implemented yet" in said["guidance.guided"]


WRONG_PREDICT = ("image = sample - s * model_output", "image = sample - s**0.5 * model_output")
STEP = "return sample + (s_prev - s) * (noise - image)"
SAME_STEPS = {
    "along the velocity": STEP,
    "mixed anew": "return (1 - s_prev) * image + s_prev * noise",
    "by the image": "return image + s_prev / s * (sample - image)",
}


@pytest.mark.parametrize("step", SAME_STEPS.values(), ids=SAME_STEPS)
def test_a_right_step_on_a_wrong_predict_keeps_its_points(step, grade):
    """However it is written. The end of a run is looked at where predict is right."""
    assert lost(grade(changed(WRONG_PREDICT, (STEP, step)), only=["flow"])) == {"flow.predict", "flow.clip"}


def test_a_wrong_step_on_a_wrong_predict_loses_both(grade):
    wrong = grade(changed(WRONG_PREDICT, (STEP, STEP.replace("s_prev - s", "s - s_prev"))), only=["flow"])
    assert lost(wrong) == {"flow.predict", "flow.clip", "flow.step", "flow.strided"}


def test_a_wrong_path_keeps_the_loss(grade):
    wrong = ("return (1 - s) * original_samples + s * noise", "return (1 - s) * original_samples - s * noise")
    assert lost(grade(changed(wrong), only=["flow"])) == {"flow.add_noise"}


def test_tables_play_no_part(grade):
    """A wrong linear schedule costs nearly everything else."""
    wrong = ("dtype=torch.float64)\n    ### END", "dtype=torch.float64).sqrt()\n    ### END")
    assert SOURCE.count(wrong[0]) == 1
    assert lost(grade(changed(wrong), only=checks.EXACT)) & {"schedule.linear", *FLOW} == {"schedule.linear"}


# ----- reading back ---------------------------------------------------------------------------------------------------

FACTORS = ("s", "1 - s", "s_prev", "1 - s_prev", "s - s_prev", "t / T", "1 - t / T")


def cases(rng):
    """Steps as those of the checks: single ones, strided ones, and their ends."""
    t = np.array([0, 1, rng.integers(2, 50), rng.integers(50, 998), 999, *rng.integers(100, 990, 6)])
    previous = np.where(t > 200, t - rng.integers(1, 150, len(t)), t - 1)
    return t, previous


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000), st.lists(st.sampled_from(FACTORS), max_size=2), st.booleans(), st.sampled_from([1, 2, 0.5])
)
def test_a_weight_on_the_path_is_read_as_itself_or_not_at_all(seed, factors, minus, power):
    rng = np.random.default_rng(seed)
    t, previous = cases(rng)
    here = Cases(levels(t, 1000, previous))
    weight = (-1) ** minus * np.prod([eval(f, {}, dict(here.quantities)) for f in factors], axis=0) ** power
    weight = np.broadcast_to(weight, t.shape)
    found = []
    for w in weight:
        x, v = rng.standard_normal((2, 4, 2, 3, 4)).astype(np.float32)
        found.append(measure(x + np.float32(w) * v, [x, v]))
    weights, errors = (np.array([getattr(one, name) for one in found]) for name in ("values", "errors"))
    one = read_sum(here, weights, errors, ("x_t", "output"))
    assert one.reads["x_t"].expression.python == "1"
    if reading := one.reads["output"]:
        other, before = cases(rng)
        there = dict(levels(other, 1000, before))
        wanted = (-1) ** minus * np.prod([eval(f, {}, dict(there)) for f in factors], axis=0) ** power
        np.testing.assert_allclose(reading.expression.value(there), wanted, rtol=1e-3, atol=1e-6)
    elif not factors or (len(factors) == 1 and power == 1):
        pytest.fail(f"{factors} was not read")
