"""Part 8.2, guidance: what the line obeys, and infer.py, which asks a network that knows labels."""

import runpy
import sys

import pytest
import torch
from handout import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from autograder import checks, networks
from autograder.instructor.authoring import patches
from autograder.paths import ROOT
from autograder.record import PASSED

SOLUTION = ROOT / "solution"
FILES = patches.reference()


def pair(shape=(2, 1, 3, 3)):
    return torch.randn(2, *shape, dtype=torch.float64)


@settings(deadline=None)
@given(st.floats(-3, 10))
def test_a_point_of_the_line_through_both(scale):
    a, b = pair()
    g = reference.guided(a, b, scale)
    torch.testing.assert_close(g - b, scale * (a - b))
    torch.testing.assert_close(reference.guided(a, b, 1 - scale), reference.guided(b, a, scale))
    assert torch.equal(reference.guided(a, b, 0), b)
    torch.testing.assert_close(reference.guided(a, b, 1), a)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["epsilon", "v_prediction", "flow"]), st.integers(0, 999), st.floats(0, 8))
def test_it_may_be_done_to_what_is_predicted_but_not_to_what_is_clipped(kind, t, scale):
    """Both ends of the path are linear in the output, so guiding them is guiding it; and a clip is not linear."""
    make = reference.FlowMatchScheduler if kind == "flow" else reference.DDIMScheduler
    free, clipped = (make(prediction_type=kind, clip_sample=clip) for clip in (False, True))
    (a, b), x = pair(), pair()[0]
    ends = free.predict(reference.guided(a, b, scale), t, x)
    guided = [reference.guided(*both, scale) for both in zip(free.predict(a, t, x), free.predict(b, t, x), strict=True)]
    torch.testing.assert_close(ends, tuple(guided))
    if scale > 1.5 and kind == "flow" and t > 500:
        late = reference.guided(clipped.predict(a, t, x)[0], clipped.predict(b, t, x)[0], scale)
        assert not torch.allclose(late, clipped.predict(reference.guided(a, b, scale), t, x)[0])


# ----- infer.py -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A small network that knows labels, as training begins but for weights that are 0 there."""
    network = networks.given.module("unet").UNet(channels=(8, 8), time_channels=8, num_heads=2, num_classes=10)
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=generator)
    path = tmp_path_factory.mktemp("labels") / "model.safetensors"
    config = '{"unet": {"channels": [8, 8], "time_channels": 8, "num_heads": 2, "num_classes": 10}, '
    config += '"prediction_type": "flow", "num_train_timesteps": 1000}'
    save_file(network.state_dict(), path, {"config": config})
    return path


@pytest.fixture
def infer(monkeypatch, tmp_path):
    """infer(checkpoint, *options) -> samples, of two images in three steps; what ends the program is raised."""
    monkeypatch.syspath_prepend(SOLUTION)

    def infer(checkpoint, *options):
        output = tmp_path / "out.safetensors"
        arguments = ["--checkpoint", checkpoint, "--output", tmp_path / "out.png", "--samples", output]
        arguments += ["--device", "cpu", "--num-images", 2, "--steps", 3, *options]
        monkeypatch.setattr(sys, "argv", ["infer.py", *map(str, arguments)])
        runpy.run_path(str(SOLUTION / "infer.py"), run_name="__main__")
        return load_file(output)["samples"]

    return infer


def test_the_program_draws_what_is_asked_for(checkpoint, infer, tmp_path):
    noise, (network, _) = torch.randn(2, 1, 28, 28), networks.load(checkpoint)
    save_file({"noise": noise}, tmp_path / "noise.safetensors")
    got = infer(
        checkpoint, "--scheduler", "flow", "--initial-noise", tmp_path / "noise.safetensors", "--label", 7,
        "--guidance", 2.5,
    )  # fmt: skip

    def guided(x, t):
        return reference.guided(network(x, t, torch.full((2,), 7)), network(x, t), 2.5)

    torch.testing.assert_close(got, networks.sample(guided, reference.FlowMatchScheduler(), noise, 3))


def test_a_checkpoint_of_another_kind_is_one_line(infer):
    with pytest.raises(SystemExit) as ended:
        infer(SOLUTION / "checkpoints" / "epsilon.safetensors", "--scheduler", "flow")
    assert "epsilon" in ended.value.code and "\n" not in ended.value.code


def test_a_label_for_a_network_that_knows_none_is_wrong_usage(infer, capsys):
    with pytest.raises(SystemExit) as ended:
        infer(SOLUTION / "checkpoints" / "epsilon.safetensors", "--label", 7)
    assert ended.value.code == 2 and "knows no labels" in capsys.readouterr().err


# ----- grades ---------------------------------------------------------------------------------------------------------


def test_a_right_program_keeps_its_points_beside_a_wrong_line_or_a_wrong_step(grade):
    """Each is charged where it is written."""
    line = b"return unconditional + scale * (conditional - unconditional)"
    for old, new in ((line, line.replace(b"+", b"-")), (b"(s_prev - s) * (noise", b"(s - s_prev) * (noise")):
        assert FILES["scheduler.py"].count(old) == 1
        files = FILES | {"scheduler.py": FILES["scheduler.py"].replace(old, new)}
        record = grade(files, only=["flow", "guidance"], public_only=True)
        lost = {check.id for check in record.checks if check.verdict != PASSED}
        assert lost == ({"guidance.guided"} if old == line else {"flow.step", "flow.strided"})


def test_the_network_that_knows_labels_must_draw_what_is_asked_for(grade, monkeypatch):
    """A course with guidance has such a network: what is right for the one in closed form may not draw with it."""
    monkeypatch.setattr(networks.given, "labelled", lambda: SOLUTION / "checkpoints" / "labels.safetensors")
    only = {*checks.EXACT, "guidance"}  # beside a mistake in the steps nobody can draw digits
    assert all(check.verdict == PASSED for check in grade(FILES, only=only, public_only=True).checks)
    knows = b"return guided(model(x, t, torch.full_like(t, label))"
    forgets = knows.replace(b"label)", b"label if hasattr(model, 'pattern') else 3)")
    files = FILES | {"infer.py": FILES["infer.py"].replace(knows, forgets)}
    assert files != FILES
    said = {check.id: check.message for check in grade(files, only=only, public_only=True).checks}
    assert "of 20 samples as that digit" in said["guidance.infer"]
