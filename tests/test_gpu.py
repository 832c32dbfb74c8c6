"""What only a host with a GPU can show; `make test-gpu`."""

import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from autograder import checks
from autograder.box.gpu import Access, GpuFault
from autograder.grading import grade
from autograder.instructor.authoring import patches
from autograder.instructor.authoring.recording import record
from autograder.paths import ROOT
from autograder.rubric import Rubric
from autograder.student import Student

TRAINING = ["training.epsilon", "training.v_prediction"]
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not Access.of_this_process().nodes, reason="no GPU here")]


@pytest.fixture
def train(box, rubric, tmp_path):
    """train(files, seed) -> the GradeRecord of the training checks, on the GPU."""

    def train(files, seed="1"):
        assert box.find_gpu(), box.gpu_fault
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        return grade(
            tmp_path, box, rubric, record(box, rubric, f"gpu {seed}", only=TRAINING), only=["training"], gpu=True
        )

    return train


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_the_reference_is_graded_on_the_gpu(seed, train, box):
    """What is recorded is of the CPU."""
    found = train(patches.reference(), seed)
    assert [check.verdict for check in found.checks] == ["passed", "passed"], [c.message for c in found.checks]
    assert found.made_with["device"] == box.find_gpu().name


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("mistake", "verdict"), [("add_noise_variance_as_std", "wrong"), ("extract_table_left_on_the_cpu", "crashed")]
)
def test_mistakes_lose_on_the_gpu(mistake, verdict, train, box):
    found = train(patches.load(patches.MISTAKES / f"{mistake}.toml").files)
    assert [check.verdict for check in found.checks] == [verdict, verdict]
    assert found.made_with["device"] in (box.find_gpu().name, "cpu")


@pytest.mark.timeout(600)
def test_a_fault_of_the_host_is_not_the_students(train, box, monkeypatch):
    """Memory that others hold, as torch tells of it."""
    real = Student.training

    def full(self, settings, digits, device="cpu", **changed):
        if device != "cpu":
            raise GpuFault("memory", "the GPU has no memory left")
        return real(self, settings, digits, device, **changed)

    monkeypatch.setattr(Student, "training", full)
    found = train(patches.reference())
    assert [check.verdict for check in found.checks] == ["passed", "passed"]
    assert found.made_with["device"] == "cpu" and any("no memory left" in note for note in found.notes)


@pytest.mark.timeout(600)
def test_the_smoke_test_passes(box, tmp_path):
    wanted = Rubric.load(smoke=True)
    found = grade(
        ROOT / "solution", box, wanted, record(box, wanted, "gpu", only=[checks.SMOKE]), only=["smoke"], gpu=True
    )
    assert [check.verdict for check in found.checks] == ["passed"], found.checks[0].output


@pytest.mark.timeout(120)
def test_infer_samples_on_the_gpu(tmp_path):
    """The same picture as on the CPU, where no noise is drawn but at the start."""
    save_file({"noise": np.random.default_rng(0).standard_normal((4, 1, 28, 28), dtype=np.float32)}, tmp_path / "noise")
    samples = []
    for device in ("cpu", "cuda"):
        command = [
            sys.executable,
            "infer.py",
            "--checkpoint",
            "checkpoints/v_prediction.safetensors",
            "--device",
            device,
        ]
        files = [
            "--output",
            tmp_path / "out.png",
            "--samples",
            tmp_path / device,
            "--initial-noise",
            tmp_path / "noise",
        ]
        subprocess.run([*command, *files], cwd=ROOT / "solution", check=True)
        samples.append(load_file(tmp_path / device)["samples"])
    assert np.abs(samples[0] - samples[1]).mean() < 0.01
