"""A host with a GPU takes no points: the whole kit on a pretended one (pretended_gpu/); `make test-rig`, as root.

The pretended runtime answers and computes nothing, so training on it fails, and the CPU decides. That is what these
tests are about: forks, layouts of devices and drivers, tiers, and a GPU that is full, broken, busy or silent.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from autograder.instructor.authoring import patches
from autograder.paths import ROOT

RIG = Path(__file__).parent / "pretended_gpu"
ACCEPTED = sorted(
    path for path in (RIG.parent / "submissions" / "accepted").iterdir() if (path / "scheduler.py").exists()
)
PACKAGES = Path(sysconfig.get_path("purelib"))
LAYOUTS = {"one": "", "two": "two", "MIG": "mig", "Colab": "colab", "nodes of a group": "mode=0660", "Turing": "turing"}
FAULTS = {"full": "no memory left", "ecc": "ECC", "busy": "busy", "hang": "no answer", "nonodes": ""}


def lacking():
    """Why the rig cannot be built here, or ""."""
    if sys.platform != "linux" or os.getuid() != 0:
        return "needs root on Linux, to pretend device files"
    tools = [tool for tool in ("gcc", "nm", "unshare") if not shutil.which(tool)]
    if tools:
        return f"needs {', '.join(tools)}"
    if not list(PACKAGES.glob("nvidia/*/lib/libcudart.so.13")):
        return "needs the CUDA build of torch, with CUDA 13"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        return "needs a mount namespace of its own"
    return ""


pytestmark = [
    pytest.mark.rig,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(WHY := lacking()), reason=WHY or "-"),
]


@pytest.fixture(scope="module")
def pretended(tmp_path_factory):
    """pretended(flags, *command) -> CompletedProcess of a command that sees the pretended GPU."""
    built = tmp_path_factory.mktemp("runtime")
    subprocess.run(["bash", RIG / "build.sh", PACKAGES, built], check=True)

    def run(flags, *command, **environment):
        whole = ["bash", RIG / "run.sh", PACKAGES, built, flags, sys.executable, *command]
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | environment
        return subprocess.run(whole, cwd=ROOT, env=environment, capture_output=True, text=True)

    return run


@pytest.fixture
def in_the_box(pretended):
    """in_the_box(flags, tier, *submissions) -> what in_the_box.py finds."""

    def run(flags, tier, *submissions, **environment):
        done = pretended(flags, RIG / "in_the_box.py", tier, *map(str, submissions), **environment)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout.splitlines()[-1])
        if found["tier"] != tier:
            pytest.skip(f"this host reaches tier {found['tier']}, not {tier}")
        return found

    return run


def without_full_marks(found):
    return {name: got["verdicts"] for name, got in found["grades"].items() if got["points"] != got["of"]}


def test_torch_sees_the_pretended_gpu(pretended):
    """Else all the others would pass without a cause."""
    done = pretended("", "-c", "import torch; print(torch.cuda.get_device_name(), torch.ones(1).cuda().device)")
    assert done.stdout.split() == ["NVIDIA", "Fake", "A", "cuda:0"], done.stderr


@pytest.mark.parametrize("tier", "ABE")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_reference_has_all_points_and_the_skeleton_none(layout, tier, in_the_box):
    found = in_the_box(LAYOUTS[layout], tier, ROOT / "solution", ROOT / "assignment")
    assert found["near"] == [2 if layout == "two" else 1, "NVIDIA Fake A"]
    reference, skeleton = found["grades"].values()
    assert (reference["points"], skeleton["points"]) == (100, 0), found
    assert any("Training was graded on the CPU" in note for note in reference["notes"])  # it was tried


@pytest.mark.parametrize("tier", "ABE")
def test_the_gpu_of_the_grader_is_the_gpu_of_the_box(tier, in_the_box):
    assert in_the_box("two", tier, CUDA_VISIBLE_DEVICES="1")["near"] == [1, "NVIDIA Fake B"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_gpu_that_fails_costs_nothing(fault, pretended, tmp_path):
    done = pretended(fault, "-m", "autograder", "grade", "solution", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["score"] == 100
    assert FAULTS[fault] in json.dumps(results) and "Traceback" not in done.stdout + done.stderr


def test_accepted_submissions_keep_full_marks(in_the_box):
    assert without_full_marks(in_the_box("", "A", *ACCEPTED[:20])) == {}


def test_mistakes_lose_what_they_lose(in_the_box):
    chosen = [patch for patch in patches.load_all() if patch.file == "scheduler.py"][:10]
    found = in_the_box("", "A", *(patch.id for patch in chosen))
    for patch in chosen:
        lost = found["grades"][patch.id]["verdicts"].keys()
        assert set(patch.loses) <= lost <= {*patch.loses, *patch.may_lose, "infer.digits"}


def test_recording_needs_no_gpu(pretended):
    """Also not one that is there, and broken."""
    code = """
from autograder.box import Box
from autograder.rubric import Rubric
from autograder.instructor.authoring.recording import record
with Box(Rubric.load().limits) as box:
    print(len(record(box, Rubric.load(), "a seed", only=["training.epsilon"]).tensors))
"""
    done = pretended("ecc", "-c", code)
    assert done.returncode == 0 and int(done.stdout) > 0, done.stderr
