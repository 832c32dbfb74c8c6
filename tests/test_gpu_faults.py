"""Whose fault it is when a run on the GPU fails. The texts are torch's own, of version 2.15."""

import numpy as np
import pytest

from autograder.box import BoxError
from autograder.box.gpu import GpuFault, fault, mixed
from autograder.box.student import Student
from autograder.record import CRASHED, NOT_IMPLEMENTED, TIMED_OUT, Failed

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
    assert text in str(fault(text))


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
    def apart(self, *arguments, **options):
        raise raised

    monkeypatch.setattr(Student, "apart", apart)
    Student(None, None, {"train_seconds": 30}).train({}, np.zeros(1, np.uint8), "cuda")
