"""The GPU as the box knows it: files and environment of a process near it, and whose fault a failure is.

Where torch sees a GPU, a process that has used it cannot be forked. So what is forked sees none, and what trains on the
GPU is spawned. A GPU may be full, busy, broken, slow or gone: none of that says anything about a student.
"""

import re

# What an exception says when a student's code mixes devices: a CPU table indexed by CUDA timesteps, an image that came
# back on the CPU. By words: torch gives these errors other classes in every few versions.
MIXED = re.compile(
    r"on the same device|two .*devices|either on cpu or on|Expected a .* device type for generator"
    r"|Input type \(torch\.(?!cuda)\w+\) and weight type \(torch\.cuda",
    re.IGNORECASE,
)
# (kind, what is said then, what staff read), the first that fits.
FAULTS = [
    (kind, re.compile(said, re.IGNORECASE), words)
    for kind, said, words in (
        ("memory", "out of memory|cudaErrorMemoryAllocation|ALLOC_FAILED", "the GPU has no memory left"),
        ("ecc", r"\bECC\b|uncorrectable", "the GPU reports an error of its memory (ECC)"),
        ("busy", "busy or unavailable|exclusive", "the GPU is busy, or kept for another process"),
        (
            "unsupported",
            "no kernel image|invalid device function|not compatible",
            "this torch is not made for this GPU",
        ),
        ("lost", "fallen off|device.{0,20}lost|GPU is lost|NVML|device not ready", "the GPU is gone"),
        (
            "start",
            "initializ|no (CUDA|HIP)|driver|OS call failed|not compiled with|unknown error|invalid device ordinal",
            "the GPU could not be started",
        ),
        ("kernel", "(CUDA|HIP) error|cuDNN|cuBLAS|MIOpen", "a calculation on the GPU failed"),
    )
]


class GpuFault(Exception):
    """A run on the GPU failed, and not by what the student wrote: it must not decide anything.

    kind   memory, ecc, busy, unsupported, lost, start (no CUDA in that process), kernel, hang (no answer in time),
           or other (it ended some other way; on the CPU it may well end the same)
    str()  one sentence for the grade's notes, without a full stop
    """

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


def fault(said):
    """The GpuFault that the words of an error tell of. Not for the student's own mix of devices: see `mixed`."""
    line = " ".join(said.split())[:200]
    for kind, pattern, words in FAULTS:
        if pattern.search(said):
            return GpuFault(kind, f"{words} ({line})")
    return GpuFault("other", f"the run on the GPU failed ({line})")


def mixed(said):
    """Whether an error's words tell of tensors on two devices, which is what code that knows one device ends in."""
    return bool(MIXED.search(said))
