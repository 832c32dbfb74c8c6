"""Recorded expectations: up to date, small, compared strictly, carried forward where the design says so."""

import hashlib

import numpy as np
import pytest
import reference
from safetensors.numpy import save_file

from autograder import checks, expectations, given
from autograder.expect import Expect
from autograder.expect.answers import independent
from autograder.expectations import Expectations, ExpectationsError
from autograder.instructor.authoring import recording
from autograder.paths import PUBLIC, ROOT
from autograder.record import Failed
from autograder.rubric import Rubric
from autograder.student import Student, Value

EXACT = tuple(id for id in checks.ALL if id.split(".")[0] in checks.EXACT)


@pytest.mark.parametrize("ids", [EXACT, pytest.param(checks.ALL, marks=pytest.mark.slow)], ids=["exact", "all"])
def test_public_file_is_what_the_reference_says_now(ids, box, rubric, public):
    """Programs are run and networks trained where there is time: that the reference still passes is tested anyway."""
    fresh = recording.record(box, rubric, recording.PUBLIC_SEED, only=ids)
    blank = {"mistakes": ""}
    assert (fresh.metadata | blank).items() <= (public.metadata | blank).items()
    recorded = {key for key in public.tensors if key.split("/")[0] in ids}
    assert {key for key in recorded if "/mistakes/" not in key and "/weights/" not in key} == fresh.tensors.keys()
    for key, array in fresh.tensors.items():
        np.testing.assert_allclose(public.tensors[key], array, rtol=2e-4, atol=1e-6, err_msg=key)


def test_public_file_is_small():
    assert PUBLIC.stat().st_size < 1_000_000


def test_equal_content_is_recorded_as_equal_bytes(public, tmp_path):
    backwards = Expectations(dict(reversed(public.tensors.items())), dict(reversed(public.metadata.items())))
    data = {recording.file_of(expectations) for expectations in (public, backwards) for _ in range(5)}
    assert len(data) == 1
    (tmp_path / "file").write_bytes(data.pop())
    again = Expectations.load(tmp_path / "file")
    assert again.metadata == public.metadata and again.tensors.keys() == public.tensors.keys()
    for key, array in again.tensors.items():
        np.testing.assert_array_equal(array, public.tensors[key])


def test_two_seeds_share_no_input(public, hidden):
    seen = {hashlib.sha256(a.tobytes()).digest() for k, a in public.tensors.items() if "/input/" in k and a.size > 10}
    new = {
        hashlib.sha256(a.tobytes()).digest()
        for k, a in hidden.tensors.items()
        if "/input/" in k and a.size > 10 and a.dtype == np.float32
    }
    assert len(new) > 100
    assert not new & seen


def test_the_seed_itself_is_not_in_the_file(hidden):
    assert "a test seed" not in str(hidden.metadata)


def test_a_file_for_other_checks_is_refused(monkeypatch):
    monkeypatch.setattr(expectations, "digest_of_checks", lambda: "another digest")
    with pytest.raises(ExpectationsError, match="make record"):
        Expectations.load(PUBLIC)
    assert recording.is_stale(PUBLIC, Rubric.load())


def test_a_file_without_metadata_is_refused(tmp_path):
    save_file({"a": np.zeros(1)}, tmp_path / "bare.safetensors")
    with pytest.raises(ExpectationsError, match="make record"):
        Expectations.load(tmp_path / "bare.safetensors")


def test_recordings_depend_on_all_that_they_are_made_from(monkeypatch):
    """A probe's network that changed passed unnoticed, once."""
    assert not recording.is_stale(PUBLIC, Rubric.load())
    for module in (expectations, given, recording):
        monkeypatch.setattr(module, "digest", lambda paths: {path.name for path in paths})
    rooms = [path.name for room in ("checks", "expect") for path in (ROOT / "autograder" / room).glob("*.py")]
    found = recording.depends_on(Rubric.load())
    assert found["digest"] >= {*rooms, "measure.py"} - {"conftest.py"}
    assert found["given"] >= {"unet.py", "train.py", "digits5k.npz", "classifier.safetensors", given.checkpoint().name}
    assert found["reference"] == {"scheduler.py", "infer.py"}


def test_every_check_has_an_entry_and_every_entry_a_check(rubric):
    assert list(rubric.checks) == list(checks.CHECKS)
    assert list(Rubric.load(smoke=True, whole=True).checks) == list(checks.ALL)
    assert set(rubric.parts) == set(checks.PARTS)


# ----- strict comparison ---------------------------------------------------------------------------------


def arrived(array):
    value = np.asarray(array).view(Value)
    value.torch_dtype, value.device = str(value.dtype), "cpu"
    return value


def expecting(array, tolerance=1e-3):
    return Expect(Expectations({"a.b/value/x here": np.asarray(array)}, {}), "a.b", tolerance)


def verdict(got, expected, **settings):
    expect = expecting(expected, **settings)
    try:
        expect.value(got, "x", "here")
        expect.settle()
    except Failed as failed:
        return failed.verdict
    return "passed"


def test_values():
    expected = np.array([1.0, -2.0, 0.0], np.float32)
    assert verdict(arrived(expected), expected) == "passed"
    assert verdict(arrived(expected + np.float32(1.9e-3)), expected) == "passed"
    assert verdict(arrived(expected + np.float32(2.1e-3)), expected) == "wrong"
    assert verdict(arrived(expected * np.nan), expected) == "bad_output"
    assert verdict(arrived(expected.astype(np.float64)), expected) == "bad_output"
    assert verdict(arrived(expected[:1]), expected) == "bad_output"
    assert verdict(arrived(np.float32(1)), expected) == "bad_output"
    for other in (None, 1.0, expected, (arrived(expected),), "x"):
        assert verdict(other, expected) == "bad_output"


def test_an_infinite_expected_value_cannot_be_matched_by_infinity():
    assert verdict(arrived(np.array([np.inf])), np.array([1.0])) == "bad_output"


def test_a_check_that_compares_nothing_is_a_fault_of_ours():
    with pytest.raises(RuntimeError, match="compared nothing"):
        expecting(np.ones(1)).settle()


def test_independence():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 36))
    assert independent(np.stack([a, b], 1))
    assert not independent(np.stack([a, 2 * a], 1))
    assert not independent(np.stack([a, 0 * a], 1))
    assert not independent(np.stack([a, b * np.nan], 1))


# ----- errors carried forward --------------------------------------------------------------------------------

REFERENCE = reference.SCHEDULER
PREDICT = "        if self.clip_sample:\n            x0 = x0.clamp(-1, 1)"


def lost(grade, tmp_path, **replacements):
    text = REFERENCE
    for old, new in replacements.values():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (tmp_path / "scheduler.py").write_text(text)
    return {check.id for check in grade(tmp_path).checks if check.verdict != "passed"}


WRONG_PREDICT = ("x0 = (sample - b * epsilon) / a", "x0 = (sample - b * epsilon) / alpha_bar")


def test_a_right_step_on_a_wrong_predict_keeps_its_points(grade, tmp_path):
    assert lost(grade, tmp_path, a=WRONG_PREDICT) == {"reverse.predict_epsilon"}


def test_a_wrong_step_on_a_wrong_predict_loses_both(grade, tmp_path):
    wrong_step = ("sigma = eta * variance.sqrt()", "sigma = eta * variance")
    both = lost(grade, tmp_path, a=WRONG_PREDICT, b=wrong_step)
    assert {"reverse.predict_epsilon", "ddim.eta", "ddim.strided"} <= both
    assert "reverse.step" not in both and "ddim.deterministic" not in both


def test_a_wrong_step_without_a_predict_is_wrong_and_no_more(grade, tmp_path):
    """step does its own arithmetic, wrongly; there is no predict to carry anything from, and nothing to trip over."""
    step = """        x0, epsilon = self.predict(model_output, timestep, sample)
        _, variance"""
    inline = """        x0 = epsilon = model_output
        _, variance"""
    predict = "        a, b = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()\n"
    lose = lost(grade, tmp_path, a=(step, inline), b=(predict, predict + "        raise KeyError(timestep)\n"))
    assert {"ddim.deterministic", "ddim.eta", "ddim.strided"} <= lose


@pytest.mark.parametrize(
    "returned", ["x0 * 0, epsilon * 0", "sample, sample", "sample * float('nan'), sample", "0, 0", "None"]
)
def test_a_predict_that_says_nothing_carries_nothing(grade, tmp_path, returned):
    lose = lost(grade, tmp_path, a=("return x0, epsilon", f"return {returned}"))
    assert {"reverse.step", "reverse.step_large", "reverse.strided", "ddim.deterministic", "ddim.eta"} <= lose


ODD_ANSWERS = {
    "posterior, three things in float64": (
        "        return mean, variance.to(sample)",
        "        if sample.dtype == torch.float64: return mean, variance, 0\n        return mean, variance.to(sample)",
    ),
    "posterior, nothing at t = 500": (
        "        return mean, variance.to(sample)",
        "        if int(timestep) == 500: return None\n        return mean, variance.to(sample)",
    ),
    "predict, nothing for a tensor": (
        "        return x0, epsilon\n",
        "        if isinstance(timestep, torch.Tensor): return None\n        return x0, epsilon\n",
    ),
    "DDIM, nothing without noise given": (
        "        return x_prev\n",
        "        if variance_noise is None: return None\n        return x_prev\n",
    ),
    "previous_timestep, a list's worth for a tensor": (
        "        index = self._index(timestep)\n",
        "        if isinstance(timestep, torch.Tensor): return self.timesteps\n        index = self._index(timestep)\n",
    ),
    "add_noise, a signal without a name": (
        "        return alpha_bar.sqrt() * original_samples",
        "        import os; os.kill(os.getpid(), 40)\n        return alpha_bar.sqrt() * original_samples",
    ),
}


@pytest.mark.parametrize("odd", ODD_ANSWERS)
def test_an_odd_answer_is_charged_and_never_a_fault_of_ours(grade, tmp_path, odd):
    old, new = ODD_ANSWERS[odd]
    assert REFERENCE.count(old) == 1
    verdicts = {check.verdict for check in grade(REFERENCE.replace(old, new)).checks}
    assert "ungraded" not in verdicts
    assert len(verdicts) > 1


# ----- laws: the recorded reference obeys what the papers say ---------------------------------------------------


def test_a_whole_run_under_the_exact_denoiser_ends_at_its_closed_form(box, rubric):
    """fixed_small at S = 50 ends at 0.87 of the true standard deviation: the closed form, not the truth."""
    student = Student(box, box.stage({"scheduler.py": REFERENCE.encode()}), rubric.limits)
    mean, sd = 0.3, 0.4
    for S, expected in ((50, 0.348), (10, 0.252)):
        scheduler = student.DDPMScheduler(clip_sample=False)
        scheduler.set_timesteps(S)
        table = np.float64(np.asarray(scheduler.alphas_cumprod))
        steps = scheduler.timesteps.tolist()
        # A step under this denoiser is linear in x and z: follow mean and variance exactly through three points.
        m, v = 0.0, 1.0
        closed_m, closed_v = 0.0, 1.0
        for t, previous in zip(steps, [*steps[1:], -1], strict=True):
            a = table[t]

            def denoise(x, a=a):
                return np.sqrt(1 - a) * (x - np.sqrt(a) * mean) / (a * sd**2 + 1 - a)

            points = np.array([0.0, 1.0, 0.0]).reshape(3, 1, 1, 1)
            z = np.array([0.0, 0.0, 1.0]).reshape(3, 1, 1, 1)
            offset, one, noise = np.asarray(scheduler.step(denoise(points), t, points, variance_noise=z)).ravel()
            m, v = offset + (one - offset) * m, (one - offset) ** 2 * v + (noise - offset) ** 2
            # The same from the posterior of DDPM, equations 6 and 7, with E[x_0 | x_t] of a Gaussian put in.
            p = table[previous] if previous >= 0 else 1.0
            alpha = a / p
            w0, wt = np.sqrt(p) * (1 - alpha) / (1 - a), np.sqrt(alpha) * (1 - p) / (1 - a)
            gain = np.sqrt(a) * sd**2 / (a * sd**2 + 1 - a)
            closed_m = w0 * (mean + gain * (closed_m - np.sqrt(a) * mean)) + wt * closed_m
            closed_v = (w0 * gain + wt) ** 2 * closed_v + (1 - p) / (1 - a) * (1 - alpha)
        assert abs(m - closed_m) < 1e-4
        assert abs(v - closed_v) < 1e-4
        assert abs(np.sqrt(v) - expected) < 0.03
    student.close()
