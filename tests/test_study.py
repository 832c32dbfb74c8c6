"""The study: whatever interrupts it, it ends in the same results, and it never shows results of something else."""

import csv
import json
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from autograder.paths import ROOT

sys.path.insert(0, str(ROOT / "solution"))
import bound
import study
import tables
from unet import UNet

T, STEPS, ETAS = 10, (1, 5, 10), (0.0, 1.0)
CALLS = sum(STEPS) * len(ETAS) + 2 * T  # of the network for one image


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def checkpoint(tmp_path):
    return save(tmp_path / "small.safetensors")


def save(path, seed=0):
    """A checkpoint of a small network that was never trained, with T = 10."""
    unet = {"channels": [8, 8], "time_channels": 8}
    model = UNet(**unet)
    for weights in model.parameters():
        torch.nn.init.normal_(weights, std=0.1, generator=torch.Generator().manual_seed(seed + weights.numel()))
    config = {"unet": unet, "prediction_type": "v_prediction", "beta_schedule": "linear", "num_train_timesteps": T,
              "beta_start": 1e-3, "beta_end": 0.5}  # fmt: skip
    save_file(model.state_dict(), path, {"config": json.dumps(config)})
    return path


class Stop:
    """An event that sets itself after so many images."""

    def __init__(self, images):
        self.left = images

    def is_set(self):
        self.left -= 1
        return self.left < 0


def do(checkpoint, folder, stop=None, number=3, workers=1, batch=2):
    """(results, calls of the network per image) of a study."""
    digits = torch.linspace(-1, 1, 3 * 784).view(3, 1, 28, 28)
    work = study.Study([checkpoint], study.noise_of("somebody", number), digits, folder, "cpu", workers, stop)
    work.batch = batch
    calls = []
    work.progress.advance = lambda task, images: calls.append(images)
    rows, codes = work.run(STEPS, ETAS)
    return [numbers(rows), [code["code"].bits.tolist() for code in codes]], sum(calls) / 3


def numbers(rows):
    return [{key: value.tolist() if key == "images" else value for key, value in row.items()} for row in rows]


def test_interrupted_anywhere_it_ends_the_same(checkpoint, tmp_path):
    whole, calls = do(checkpoint, tmp_path / "whole")
    assert calls == CALLS
    assert do(checkpoint, tmp_path / "whole") == (whole, 0), "nothing is missing"
    for images in (1, 30, 55):
        shutil.rmtree(tmp_path / "broken", ignore_errors=True)
        with pytest.raises(KeyboardInterrupt):
            do(checkpoint, tmp_path / "broken", Stop(images))
        again, calls = do(checkpoint, tmp_path / "broken")
        assert again == whole
        assert calls < CALLS or images == 1
    assert not list(tmp_path.rglob("*.part"))


def test_threads_change_nothing(checkpoint, tmp_path):
    assert do(checkpoint, tmp_path / "one")[0] == do(checkpoint, tmp_path / "three", workers=3)[0]


def test_results_of_something_else_are_not_shown(checkpoint, tmp_path):
    first, _ = do(checkpoint, tmp_path / "out")
    save(checkpoint, seed=1)
    second, calls = do(checkpoint, tmp_path / "out")
    assert calls == CALLS and second != first, "another checkpoint under the same name"
    piece = tmp_path / "out" / "pieces" / "small-5-1.safetensors"
    piece.write_bytes(piece.read_bytes()[:-9])
    assert do(checkpoint, tmp_path / "out") == (second, 5), "a damaged piece"
    more, _ = do(checkpoint, tmp_path / "out", number=4)
    assert {row["n"] for row in more[0]} == {4}


def test_all_settings_start_alike_and_more_images_start_with_the_same():
    assert torch.equal(study.noise_of("a", 5)[:2], study.noise_of("a", 2))
    assert not torch.equal(study.noise_of("a", 1), study.noise_of("b", 1))
    assert abs(study.noise_of("a", 50).std() - 1) < 0.02


def test_another_student_has_other_noise_in_the_steps_as_well(checkpoint, tmp_path):
    """Else two students at eta = 1 would see the same luck, and take it for a result."""
    drawn = []
    for student in ("a", "b", "a"):
        work = study.Study([checkpoint], study.noise_of(student, 2), torch.zeros(0), tmp_path)
        drawn.append(torch.rand(3, generator=work.generator(0, work.noise)).tolist())
    assert drawn[0] == drawn[2] != drawn[1]


def test_one_step_has_no_use_for_eta(checkpoint, tmp_path):
    (rows, _), _ = do(checkpoint, tmp_path / "out")
    one = [row["images"] for row in rows if row["steps"] == 1]
    full = [row["images"] for row in rows if row["steps"] == T]
    assert one[0] == one[1] and full[0] != full[1]


def test_what_it_writes(checkpoint, tmp_path):
    pytest.importorskip("matplotlib")
    study_out = tmp_path / "out"
    work = study.Study([checkpoint], study.noise_of("a", 3), torch.zeros(2, 1, 28, 28), study_out)
    rows, codes = work.run(STEPS, ETAS)
    floor = {"confident": 1.0, "digits": [3] + [0] * 9, "frechet": 1.5, "line": "", "coded_line": "", "student": "a"}
    tables.write_all(study_out, rows, codes, floor)
    names = ("study.csv", "timesteps.csv", "study.md", "samples.png", "steps.png", "timesteps.png", "distortion.png")
    assert {path.name for path in study_out.iterdir()} == {*names, "pieces"}
    with open(study_out / "study.csv") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(STEPS) * len(ETAS) + 1 and lines[-1]["frechet"] == "1.500"
    with open(study_out / "timesteps.csv") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2 * T
    total = codes[0]["code"].total.mean().item()
    assert float(lines[0]["rate"]) + float(lines[0]["bits"]) == pytest.approx(total, rel=1e-4)
    text = (study_out / "study.md").read_text()
    assert "| small | 0 | 0" in text.replace("100.0%", "0.0%") and f"| {total:.3g} |" in text


def test_a_sampler_without_numbers_is_a_row_without_digits(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(study.DDIMScheduler, "step", lambda self, output, t, x, **options: x * float("nan"))
    (rows, _), _ = do(checkpoint, tmp_path / "out")
    assert {row["confident"] for row in rows} == {0.0} and {row["frechet"] for row in rows} == {float("inf")}


@pytest.mark.slow
def test_bound_of_a_shipped_checkpoint():
    """Between what the decoder alone needs and twice that, and the digit is there in the end and not at first."""
    model, config = study.load_checkpoint(ROOT / "solution" / "checkpoints" / "v_prediction.safetensors")
    scheduler = study.DDPMScheduler(**study.schedule_of(config))
    code = bound.send(model, scheduler, study.real_digits(2)[0], torch.Generator().manual_seed(0))
    assert 0.8 < code.total.mean() < 3
    assert code.rmse[0].mean() < 3 < 30 < code.rmse[999].mean()


def test_refusals_are_one_line(tmp_path, checkpoint, monkeypatch, capsys):
    def said(*arguments):
        monkeypatch.setattr(sys, "argv", ["study.py", "--out", str(tmp_path / "out"), *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            study.main()
        return f"{end.value.code} {capsys.readouterr().err}"

    assert "not a checkpoint" in said(__file__)
    assert "two checkpoints are called small" in said(checkpoint, checkpoint)
    assert "2 usage" in (line := said("--num-images", "1")) and "--num-images" in line


@pytest.mark.slow
def test_an_unfinished_scheduler_is_one_line(tmp_path):
    folder = tmp_path / "handed out"
    shutil.copytree(ROOT / "assignment", folder)
    command = [sys.executable, "study.py", "--num-images", "2"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "study.py: TODO 1.1 of scheduler.py is not done yet, and the study needs all of it\n"
