"""Samples for the given programs: infer.py makes them, as a program, and no file beside it has what it asks for."""

import ast
import re
import sys
import threading

import handout
import pytest
import reference
import torch

from autograder import given, networks
from autograder.paths import ROOT
from autograder.record import PASSED

sys.path.insert(0, str(ROOT / "solution"))
import evaluate
import sampling

ASSIGNMENT = ROOT / "assignment"
CHECKPOINT = ASSIGNMENT / "checkpoints" / "v_prediction.safetensors"
GIVEN = given.elsewhere()
WRITES = """
import sys
import torch
from safetensors.torch import save_file
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
"""
FAILING = {
    "raise NotImplementedError('TODO 6.1')": "infer.py is not written yet (part 6, TODO 6.1), and samples come from it",
    "raise NotImplementedError('TODO 3.7')": "TODO 3.7 of scheduler.py is not done yet, and infer.py needs it",
    "1 / 0": "infer.py failed: ZeroDivisionError: division by zero",
    "import sys; sys.exit('infer.py: no such file: x')": "infer.py failed: no such file: x",
    "import os; os._exit(3)": "infer.py failed: it printed nothing and ended with exit status 3",
    "": "infer.py ended well and left no file with a tensor `samples` for --samples",
    WRITES
    + "save_file({'x': torch.zeros(1)}, given['--samples'])": "infer.py ended well and left no file with a tensor",
    WRITES
    + "save_file({'samples': torch.zeros(1, 28, 28)}, given['--samples'])": "infer.py has the shape (1, 28, 28);",
}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """written(text) puts an infer.py in the place of the reference's."""
    monkeypatch.setattr(sampling, "INFER", tmp_path / "infer.py")
    return (tmp_path / "infer.py").write_text


def test_samples_are_those_of_the_program_and_of_the_noise(tmp_path):
    noise = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    picture = tmp_path / "it.png"
    samples = sampling.from_noise(CHECKPOINT, noise, 2, eta=0.5, seed=7, picture=picture)
    assert samples.shape == noise.shape and samples.abs().max() <= 1
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert torch.equal(sampling.from_noise(CHECKPOINT, noise, 2, eta=0.5, seed=7), samples)
    assert not torch.equal(sampling.from_noise(CHECKPOINT, noise, 2, eta=0.5, seed=8), samples)


def test_a_flow_is_walked_along_by_its_own_scheduler():
    """Nobody says so; the checkpoint does."""
    flow = ROOT / "solution" / "checkpoints" / "flow.safetensors"
    assert sampling.of_flow(flow) and not sampling.of_flow(CHECKPOINT) and not sampling.of_flow(ROOT / "none")
    noise = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    expected = networks.sample(networks.load(flow)[0], handout.reference.FlowMatchScheduler(), noise, 2)
    torch.testing.assert_close(sampling.from_noise(flow, noise, 2), expected)


@pytest.mark.parametrize("text", FAILING)
def test_why_there_are_none_is_one_line(text, written):
    written(text)
    with pytest.raises(sampling.NoSamples) as caught:
        sampling.from_noise(CHECKPOINT, torch.zeros(2, 1, 28, 28), 1)
    assert FAILING[text] in str(caught.value) and "\n" not in str(caught.value)


def test_without_the_file(written):
    with pytest.raises(sampling.NoSamples, match="is not there yet"):
        sampling.from_noise(CHECKPOINT, torch.zeros(2, 1, 28, 28), 1)


def test_a_program_that_prints_much_and_never_ends_is_stopped(written):
    written("while True: print('x' * 1000)")
    stop = threading.Event()
    threading.Timer(1, stop.set).start()
    with pytest.raises(KeyboardInterrupt):
        sampling.from_noise(CHECKPOINT, torch.zeros(2, 1, 28, 28), 1, stop=stop)


def test_half_a_picture_is_none(written, tmp_path):
    (tmp_path / "samples.png").write_bytes(b"of a minute ago")
    for text in ("", "import sys; open(sys.argv[4], 'w').write('half'); 1 / 0"):
        written(text)
        with pytest.raises(sampling.NoSamples):
            sampling.draw(CHECKPOINT, tmp_path / "samples.png", "cpu")
        assert (tmp_path / "samples.png").read_bytes() == b"of a minute ago"


# ----- what is said of samples ----------------------------------------------------------------------------------------

FLOOR = {"confident": 0.983, "digits": [100] * 10, "frechet": 1.62}


def result(confident, frechet, n=1000):
    return {"confident": confident, "digits": [n] + [0] * 9, "frechet": frechet}


def test_a_share_never_stands_alone():
    said = evaluate.judged(result(0.819, 11.24), FLOOR)
    assert said == "confident 81.9%, Frechet distance 11.24 (real digits: 98.3%, 1.62, the floor)"


def test_of_few_images_other_words_are_said():
    few = FLOOR | {"digits": [8] + [0] * 9}
    assert (
        evaluate.judged(result(0.75, 300.0, n=8), few) == "6 of 8 confident; a Frechet distance takes 65 images or more"
    )
    assert not evaluate.disagree(result(1.0, 3000.0, n=8), few)


@pytest.mark.parametrize(
    ("confident", "frechet", "disagree"),
    [(1.0, 1717.0, True), (0.819, 11.24, False), (0.0, 777.0, False), (0.98, 1.7, False)],
)
def test_a_sure_classifier_and_a_far_distance_disagree(confident, frechet, disagree):
    assert evaluate.disagree(result(confident, frechet), FLOOR) == disagree


def test_evaluate_shows_and_says_it_all(tmp_path, monkeypatch, capsys):
    """Of the checkpoint for epsilon in one step: grains, and the classifier is sure of most of them."""
    grains, picture = ASSIGNMENT / "checkpoints" / "epsilon.safetensors", tmp_path / "it.png"
    options = ["--checkpoint", grains, "--num-images", 65, "--steps", 1, "--device", "cpu", "--picture", picture]
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *map(str, options)])
    evaluate.main()
    said = capsys.readouterr().out
    assert "65 samples, 1 DDIM steps, beside 65 test digits of MNIST" in said
    assert re.search(r"confident (100|[5-9]\d)\.\d%, Frechet distance \d{3}\.", said) and ", the floor)" in said
    assert "They disagree" in said and str(picture) in said and picture.exists()


# ----- what lies beside infer.py --------------------------------------------------------------------------------------


def test_no_given_file_samples_or_loads_a_checkpoint():
    """None takes a scheduler's step, and none puts weights into a network but train.py's resume state."""
    for name in [*GIVEN, "unet"]:
        tree = ast.parse((ASSIGNMENT / f"{name}.py").read_text(encoding="utf-8"))
        calls = {
            ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)
        }  # fmt: skip
        assert not [call for call in calls if call.endswith("scheduler.step") or call.endswith("ddim.step")], name
        loads = {call for call in calls if call.endswith("load_state_dict")}
        known = {"saving": {"run.model", "run.ema", "run.optimizer"}, "classifier": {"classifier"}}.get(name, set())
        assert {call.removesuffix(".load_state_dict") for call in loads} == known, name


@pytest.mark.parametrize("name", GIVEN)
def test_no_given_file_is_there_when_infer_is_graded(name, grade):
    """`from evaluate import sample` once earned all 12 points."""
    source = f"from {name} import *\n" + reference.INFER
    files = {"scheduler.py": (ROOT / "solution" / "scheduler.py").read_bytes(), "infer.py": source.encode()}
    found = grade(files, public_only=True, only=["infer.ddim"])
    (check,) = found.checks
    assert (check.verdict, found.points) == ("crashed", 0)
    assert f"{name}.py is not there when you are graded; infer.py may import unet and scheduler" in check.output


def test_nor_is_what_is_found_by_other_ways(grade):
    """Beside infer.py lie scheduler.py and unet.py, and nothing that could be opened and run."""
    source = "import pathlib, sys\nprint(sorted(p.name for f in sys.path for p in pathlib.Path(f).glob('*.py')\n"
    source += "      if pathlib.Path(__file__).parent in p.parents))\nsys.exit(9)"
    files = {"scheduler.py": (ROOT / "solution" / "scheduler.py").read_bytes(), "infer.py": source.encode()}
    (check,) = grade(files, public_only=True, only=["infer.ddim"]).checks
    assert check.verdict != PASSED and "['infer.py', 'scheduler.py', 'unet.py']" in check.output
