"""What only a host with a GPU can show; `make test-gpu`."""

import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from autograder import measure
from autograder.grading import grade
from autograder.paths import ROOT
from autograder.tools.record import record

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not measure.gpu(), reason="no GPU here")]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_the_reference_is_graded_on_the_gpu(seed, box, rubric):
    gpu = measure.gpu()
    expectations = record(box, rubric, f"gpu {seed}", only=["training.epsilon", "training.v_prediction"])
    found = grade(ROOT / "solution", box, rubric, expectations, only=["training"], gpu=gpu)
    assert [check.verdict for check in found.checks] == ["passed", "passed"], [c.message for c in found.checks]
    assert found.made_with["device"] == gpu


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
