"""The smoke test, at a size that takes seconds: right submissions pass, mistakes and broken samplers fail, and a word
about the progress is always there."""

from dataclasses import replace

import numpy as np
import pytest

from autograder import checks, measure
from autograder.__main__ import main
from autograder.box import Box
from autograder.box.gpu import GpuFault
from autograder.checks import smoke
from autograder.expectations import Expectations
from autograder.grading import grade as grade_submission
from autograder.instructor.authoring import patches
from autograder.instructor.authoring.recording import record
from autograder.paths import ROOT
from autograder.record import PASSED
from autograder.reports import html
from autograder.rubric import Rubric
from autograder.student import Student

TINY = replace(smoke.ON_CPU, steps=60, batch_size=16, images=100, pieces=30)
SMALL = {"channels": [16, 24], "time_channels": 16}
BLOT = """
class Blots(DDIMScheduler):
    def step(self, model_output, timestep, sample, **options):
        x = torch.full_like(sample, -1.0)
        x[:, :, 4:24, 13:16] = 1.0
        return x


DDIMScheduler = Blots
"""


@pytest.fixture(scope="module")
def with_smoke():
    return Rubric.load(smoke=True)


@pytest.fixture(scope="module")
def recorded(box, with_smoke):
    return record(box, with_smoke, "a smoke seed", only=[checks.SMOKE])


@pytest.fixture
def run(box, with_smoke, recorded, tmp_path, monkeypatch):
    """run(files, ...) -> the GradeRecord of the smoke test."""
    monkeypatch.setattr(smoke, "ON_CPU", TINY)
    monkeypatch.setattr(smoke, "UNET", SMALL)

    def run(files, gpu=False, told=lambda text: None):
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        none = Expectations({}, recorded.metadata)  # no hidden case is asked for
        return grade_submission(tmp_path, box, with_smoke, recorded, none, [checks.SMOKE], told, gpu)

    return run


def scheduler(path=ROOT / "solution", more=""):
    return {"scheduler.py": (path / "scheduler.py").read_bytes() + more.encode()}


@pytest.mark.parametrize("name", ["the reference", "float64_inside", pytest.param("score_sde", marks=pytest.mark.slow)])
def test_right_submissions_pass(name, run, with_smoke):
    path = ROOT / "solution" if name == "the reference" else ROOT / "tests" / "submissions" / "accepted" / name
    told = []
    found = run(scheduler(path), told=told.append)
    (check,) = found.checks
    assert (check.verdict, found.max_points) == (PASSED, 0), check.output
    assert "held-out loss" in check.hint and "Frechet distance" in check.hint
    assert any("your run: 100%, 0:00 left" in line for line in told)
    page = html.render(found, with_smoke)
    assert f'src="data:image/png;base64,{check.picture}"' in page and len(check.picture) > 1000


@pytest.mark.parametrize(
    "name",
    [
        "velocity_sign",
        "ddim_x0_weight_missing",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("add_noise_factors_swapped", "velocity_plus", "predict_v_plus")
        ),
    ],
)
def test_mistakes_fail(name, run):
    (check,) = run(patches.load(patches.MISTAKES / f"{name}.toml").files).checks
    assert check.verdict == "wrong", check.output


def test_confident_blots_are_no_digits(run):
    """The classifier is sure of every one of them."""
    blots = np.full((100, 1, 28, 28), -1, np.float32)
    blots[:, :, 4:24, 13:16] = 1
    assert measure.digits(blots)["confident"] == 1
    (check,) = run(scheduler(more=BLOT)).checks
    assert (check.verdict, "worse than the reference's" in check.message) == ("wrong", True)
    assert "Frechet" in check.detail and check.picture


def test_a_sampler_that_gives_no_images(run):
    (check,) = run(scheduler(more=BLOT.replace("return x\n", "return x[:, :, :14]\n"))).checks
    assert check.verdict in ("bad_output", "crashed"), check.output
    (check,) = run(scheduler(more=BLOT.replace("return x\n", "return x * float('nan')\n"))).checks
    assert (check.verdict, "NaN" in check.message) == ("bad_output", True)


def test_a_gpu_that_fails_leaves_it_to_the_cpu(run, monkeypatch):
    from autograder.box.proof import Gpu

    gpu, training = Gpu("cuda", "Imaginary"), Student.training

    def fails(self, settings, digits, device="cpu", **changed):
        if device != "cpu":
            raise GpuFault("ecc", "the GPU reports an error of its memory (ECC)")
        return training(self, settings, digits, device, **changed)

    monkeypatch.setattr(Box, "find_gpu", lambda self: gpu)
    monkeypatch.setattr(Student, "training", fails)
    found = run(scheduler(), gpu=True)
    assert [check.verdict for check in found.checks] == [PASSED]
    assert any("as it failed 2 times on Imaginary" in note for note in found.notes)


def test_it_is_part_of_a_grade_only_where_the_rubric_says_so(tmp_path):
    assert checks.SMOKE not in Rubric.load().checks and "smoke" not in Rubric.load().parts
    text = (ROOT / "autograder" / "rubric.toml").read_text()
    assert text.count("\nsmoke = false\n") == 1
    (tmp_path / "rubric.toml").write_text(text.replace("\nsmoke = false\n", "\nsmoke = true\n"))
    changed = Rubric.load(tmp_path / "rubric.toml")
    assert list(changed.checks) == [*Rubric.load().checks, checks.SMOKE]
    assert sum(entry.points for entry in changed.checks.values()) == 100


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(smoke, "ON_CPU", TINY)
    monkeypatch.setattr(smoke, "UNET", SMALL)
    assert main(["smoke", str(ROOT / "solution"), "--device", "cpu", "--out", str(tmp_path)]) == 0
    assert "smoke.digits" in capsys.readouterr().out
    assert "data:image/png" in (tmp_path / "report.html").read_text()


def test_recorded_scalars_walk_as_ddim_does(box, rubric):
    """The reference that is played from tables takes the reference's own steps, clipping included."""
    import torch

    student = Student(box, box.stage(scheduler()), rubric.limits)
    rows = smoke.walk(student.DDIMScheduler(prediction_type="v_prediction", clip_sample=False), 7)
    clipped = student.DDIMScheduler(prediction_type="v_prediction")
    clipped.set_timesteps(7)
    x, output = np.random.default_rng(0).standard_normal((2, 3, 1, 4, 4)) * 2
    for t, of_x, of_output, of_x0, rest in rows.tolist():
        x0 = torch.from_numpy(of_x * x + of_output * output).clamp(-1, 1).numpy()
        np.testing.assert_allclose(of_x0 * x0 + rest * x, clipped.step(output, int(t), x), atol=1e-3)
    student.close()
