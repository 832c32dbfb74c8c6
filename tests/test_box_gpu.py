"""The GPU's side of the box, as far as it can be tested without one: who is let near it, with what, and whose fault it
is when a run on it fails. The texts are torch's own, of version 2.15."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.box import Box, BoxError, gpu, launch
from autograder.box.gpu import NO_GPU, Access, GpuFault, fault, folders_of_drivers, mixed
from autograder.box.inside import parent
from autograder.record import CRASHED, NOT_IMPLEMENTED, TIMED_OUT, Failed
from autograder.student import Student

MIXES = [
    "indices should be either on cpu or on the same device as the indexed tensor (cpu)",
    "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!",
    "Expected all tensors to be on the same device, but got index is on cuda:0, different from other tensors on cpu "
    "(when checking argument in method wrapper_CUDA__index_select)",
    "Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor) should be the same or input should be a "
    "MKLDNN tensor and weight is a dense tensor",
    "Expected a 'cuda' device type for generator but found 'cpu'",
]
FAULTS = [
    ("memory", "CUDA out of memory. Tried to allocate 2.00 MiB. GPU 0 has a total capacity of 8.00 GiB"),
    ("memory", "CUDA error: out of memory"),
    ("memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ("ecc", "CUDA error: uncorrectable ECC error encountered"),
    ("busy", "CUDA error: CUDA-capable device(s) is/are busy or unavailable"),
    ("unsupported", "CUDA error: no kernel image is available for execution on the device"),
    ("start", "CUDA error: initialization error"),
    ("start", "No CUDA GPUs are available"),
    ("start", "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU"),
    ("start", "CUDA driver initialization failed, you might not have a CUDA gpu."),
    ("start", "CUDA error: OS call failed or operation not supported on this OS"),
    ("start", "Torch not compiled with CUDA enabled"),
    ("kernel", "CUDA error: unspecified launch failure"),
    ("kernel", "CUDA error: an illegal memory access was encountered"),
    ("kernel", "CUDA error: device-side assert triggered"),
    ("kernel", "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    ("kernel", "HIP error: an illegal memory access was encountered"),
    ("other", "Input type (torch.cuda.DoubleTensor) and weight type (torch.cuda.FloatTensor) should be the same"),
    ("other", "train.py ended the whole process by SIGKILL instead of returning"),
]


@pytest.mark.parametrize("text", MIXES)
def test_a_mix_of_devices_is_the_students(text):
    assert mixed(text)


@pytest.mark.parametrize(("kind", "text"), FAULTS)
def test_a_failure_of_the_gpu_is_not(kind, text):
    assert not mixed(text)
    assert fault(text).kind == kind
    told = str(fault(f"{text}\nFor debugging, consider passing CUDA_LAUNCH_BLOCKING=1"))
    assert text in told and "debugging" not in told


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (BoxError("a boxed process could not be started (died: )"), "start"),
        (Failed(TIMED_OUT, "train.py did not return within 30 s, so it was stopped"), "hang"),
        (
            Failed(CRASHED, "train.py raised AcceleratorError", "CUDA error: out of memory", ["AcceleratorError"]),
            "memory",
        ),
        (Failed(CRASHED, "train.py ended the whole process by SIGSEGV instead of returning"), "other"),
    ],
)
def test_what_may_be_the_gpu_is_no_verdict(raised, kind, monkeypatch):
    with pytest.raises(GpuFault) as found:
        train_on_a_gpu(raised, monkeypatch)
    assert found.value.kind == kind


@pytest.mark.parametrize(
    "failed",
    [Failed(NOT_IMPLEMENTED, "TODO 2.2 is not implemented yet"), Failed(CRASHED, "x", MIXES[0], ["RuntimeError"])],
    ids=["a TODO", "a mix"],
)
def test_what_is_surely_the_students_is_a_verdict(failed, monkeypatch):
    with pytest.raises(Failed) as found:
        train_on_a_gpu(failed, monkeypatch)
    assert found.value is failed


def train_on_a_gpu(raised, monkeypatch):
    def start(self, *arguments, **options):
        raise raised

    monkeypatch.setattr(Student, "start", start)
    student = Student(None, None, {"train_seconds": 30})
    student.imported = True
    student.training({}, np.zeros(1, np.uint8), "cuda")


# ----- who is let near it, and with what -----


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_process_that_is_not_let_near_the_gpu_sees_none(start, rubric, monkeypatch):
    """A parent that has found one could not be forked any more."""
    for name in NO_GPU:
        monkeypatch.setenv(name, "0")
    with Box(rubric.limits, start=start) as own:
        assert {name: environment(own)[name] for name in NO_GPU} == NO_GPU


@pytest.fixture
def driver():
    """A folder with a driver, where the user of boxed processes may look; pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        Path(folder, "libcuda.so.1").touch()
        yield folder


def test_a_process_near_the_gpu_is_told_which_and_nothing_else(box, monkeypatch, tmp_path, driver):
    monkeypatch.setenv("LD_LIBRARY_PATH", f"/usr/lib:{driver}:{tmp_path}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("NVIDIA_API_KEY", "secret")
    seen = environment(box, gpu=True)
    assert (seen["CUDA_VISIBLE_DEVICES"], seen["LD_LIBRARY_PATH"]) == ("1", driver)
    assert "HIP_VISIBLE_DEVICES" not in seen and "secret" not in seen.values()


def environment(box, gpu=False):
    code = b"import os\nclass DDPMScheduler:\n    def step(self): return tuple(map('='.join, os.environ.items()))[:8]\n"
    process = box.start(box.stage({"scheduler.py": code}), gpu=gpu)
    try:
        process.ask("load", "scheduler", seconds=30)
        _, scheduler = process.ask("new", "DDPMScheduler", {}, seconds=30)
        _, pairs = process.ask("call", scheduler, "step", (), {}, seconds=30)
        return dict(pair.split("=", 1) for pair in pairs)
    finally:
        process.close()


@pytest.mark.skipif(sys.platform != "linux", reason="device files are Linux's")
def test_the_nodes_and_the_groups_that_may_open_them(tmp_path, monkeypatch):
    (tmp_path / "nvidia-caps").mkdir()
    modes = {"nvidia0": 0o660, "nvidiactl": 0o666, "nvidia-caps/nvidia-cap1": 0o444, "kfd": 0o660, "card": 0o600}
    for name, mode in modes.items():
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    patterns = ("nvidia[0-9]*", "nvidia*", "nvidia-caps/*", "kfd", "dri/*", "card")
    monkeypatch.setattr(gpu, "NODES", [f"{tmp_path}/{pattern}" for pattern in patterns])
    access = Access.of_this_process()
    assert {str(Path(node).relative_to(tmp_path)) for node in access.nodes} == modes.keys()
    assert access.groups == [(tmp_path / "kfd").stat().st_gid]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["", ".", "/", "/usr/lib", "relative", "with", "without", "/nowhere"]), max_size=8))
def test_only_the_folders_of_the_driver_are_passed_on(tmp_path_factory, names):
    base = tmp_path_factory.getbasetemp()
    for name in ("with", "without"):
        (base / name).mkdir(exist_ok=True)
    (base / "with" / "libcuda.so").touch()
    paths = [str(base / name) if name.startswith("with") else name for name in names]
    kept = folders_of_drivers(os.pathsep.join(paths))
    assert kept.count(str(base / "with")) == names.count("with")
    assert all(os.path.isabs(path) and list(Path(path).glob("libcuda*")) for path in kept)


# ----- code that asks for a GPU where there is none -----

ASKING = [
    "self.betas = torch.ones(3).to('cuda')",
    "self.betas = torch.ones(3).cuda()",
    "self.betas = torch.zeros(3, device='cuda:0')",
    "self.betas = torch.nn.Linear(1, 1).to(torch.device('cuda'))",
    "self.generator = torch.Generator('cuda')",
    "torch.cuda.set_device(0)",
    "torch.set_default_device('cuda'); torch.zeros(1)",
    "self.betas = torch.ones(3).to('mps')",
    "self.betas = torch.ones(3, device='mps')",
    "self.betas = torch.ones(3).to('xpu')",
]


@pytest.mark.parametrize("line", ASKING)
def test_code_that_asks_for_a_gpu_is_told_that_there_is_none(line, box, rubric):
    body = f"import torch\nclass DDPMScheduler:\n    def __init__(self):\n        {line}\n"
    student = Student(box, box.stage({"scheduler.py": body.encode()}), rubric.limits)
    with pytest.raises(Failed, match="There is no GPU here; take the device from the arguments") as found:
        student.DDPMScheduler()
    student.close()
    assert found.value.verdict == CRASHED and "line 4" in str(found.value)
    assert "fork" not in f"{found.value} {found.value.detail}"


# ----- a process that cannot die, as it waits for a device -----


@pytest.fixture
def undying(monkeypatch):
    """A child that nobody can reap."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    with monkeypatch.context() as patched:
        patched.setattr(
            os, "wait4", lambda pid, options: (0, 0, None) if options else pytest.fail("would wait for ever")
        )
        for module in (launch, parent):
            patched.setattr(module, "KILL_SECONDS", 0.05)
        patched.setattr(parent, "children", lambda: [child.pid])
        yield child
    assert child.wait() == -signal.SIGKILL


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="needs wait4")
def test_a_spawned_process_that_does_not_die_is_not_waited_for(undying):
    assert launch.kill(undying)["stuck"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")
def test_a_forked_process_that_does_not_die_is_not_waited_for_and_not_again(undying):
    alive = set()
    assert parent.stop(undying.pid, alive)["stuck"] and alive == {undying.pid}
    assert "stuck" not in parent.stop(0, alive)
