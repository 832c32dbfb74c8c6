"""The GPU as the box knows it: files and environment of a process near it, and whose fault a failure is.

Where torch sees a GPU, a process that has used it cannot be forked. So what is forked sees none, and what trains on the
GPU is spawned. A GPU may be full, busy, broken, slow or gone: none of that says anything about a student.
"""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from ..language import N_, _

# For all that must see none: an invalid number hides every one from CUDA and HIP (Windows knows no empty variable).
NO_GPU = dict.fromkeys(("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"), "-1")
# Which GPU the grader was given. By name: others that begin alike hold keys (NVIDIA_API_KEY).
SELECTING = (
    "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES",
    "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "HSA_OVERRIDE_GFX_VERSION",
)  # fmt: skip
DRIVERS = ("libcuda.so*", "libamdhip64.so*", "libhsa-runtime64.so*")
NODES = (
    "/dev/nvidia[0-9]*", "/dev/nvidiactl", "/dev/nvidia-uvm*",
    "/dev/nvidia-caps/*",  # parts of a GPU (MIG)
    "/dev/dxg",  # WSL 2
    "/dev/kfd", "/dev/dri/*",  # ROCm
)  # fmt: skip
FILES = (
    "/proc/driver/nvidia", "/proc/devices", "/proc/modules", "/proc/sys/vm/mmap_min_addr", "/sys/devices", "/sys/bus",
    "/sys/module", "/sys/class/kfd", "/sys/class/drm", "/opt/rocm",
)  # fmt: skip

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
        ("memory", "out of memory|cudaErrorMemoryAllocation|ALLOC_FAILED", N_("the GPU has no memory left")),
        ("ecc", r"\bECC\b|uncorrectable", N_("the GPU reports an error of its memory (ECC)")),
        ("busy", "busy or unavailable|exclusive", N_("the GPU is busy, or kept for another process")),
        (
            "unsupported",
            "no kernel image|invalid device function|not compatible",
            N_("this torch is not made for this GPU"),
        ),
        ("lost", "fallen off|device.{0,20}lost|GPU is lost|NVML|device not ready", N_("the GPU is gone")),
        (
            "start",
            "initializ|no (CUDA|HIP)|driver|OS call failed|not compiled with|unknown error|invalid device ordinal",
            N_("the GPU could not be started"),
        ),
        ("kernel", "(CUDA|HIP) error|cuDNN|cuBLAS|MIOpen", N_("a calculation on the GPU failed")),
    )
]


@dataclass(frozen=True)
class Access:
    """What a process needs that is let near the GPU.

    nodes        device files to open for reading and writing
    readable     other files and folders to read
    environment  variables, which say where the driver is and which GPU to use
    groups       numbers of the groups that may open a node that not everybody may
    """

    nodes: list[str] = field(default_factory=list)
    readable: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    groups: list[int] = field(default_factory=list)

    @classmethod
    def of_this_process(cls) -> Access:
        """What gives another process the GPU that this one would use."""
        nodes = sorted({path for pattern in NODES for path in glob.glob(pattern) if not os.path.isdir(path)})
        environment = {name: os.environ[name] for name in SELECTING if name in os.environ}
        drivers = folders_of_drivers(os.environ.get("LD_LIBRARY_PATH", ""))
        if drivers:
            environment["LD_LIBRARY_PATH"] = os.pathsep.join(drivers)
        readable = [path for path in (*FILES, *drivers, *map(os.path.realpath, drivers)) if os.path.exists(path)]
        status = [os.stat(node) for node in nodes]
        groups = sorted(
            {node.st_gid for node in status if node.st_mode & 0o060 == 0o060 and node.st_mode & 0o006 != 0o006}
        )
        return cls(nodes, list(dict.fromkeys(readable)), environment, groups)


def folders_of_drivers(paths: str) -> list[str]:
    """Those of a list of folders, as in LD_LIBRARY_PATH, that hold a GPU's driver library, as on Colab."""
    absolute = [path for path in paths.split(os.pathsep) if os.path.isabs(path)]
    return [path for path in absolute if any(any(Path(path).glob(name)) for name in DRIVERS)]


class GpuFault(Exception):
    """A run on the GPU failed, and not by what the student wrote: it must not decide anything.

    kind   memory, ecc, busy, unsupported, lost, start (no CUDA in that process), kernel, hang (no answer in time),
           or other (it ended some other way; on the CPU it may well end the same)
    str()  one sentence for the grade's notes, without a full stop
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def fault(said: str) -> GpuFault:
    """What the words of an error tell of. Not for the student's own mix of devices: see `mixed`."""
    first, *_advice = said.strip().splitlines() or [_("nothing was said")]  # what follows is on debugging CUDA
    line = first[:200]
    for kind, pattern, words in FAULTS:
        if pattern.search(said):
            return GpuFault(kind, _("{fault} ({line})", fault=_(words), line=line))
    return GpuFault("other", _("the run on the GPU failed ({line})", line=line))


def mixed(said: str) -> bool:
    """Whether an error's words tell of tensors on two devices, which is what code that knows one device ends in."""
    return bool(MIXED.search(said))
