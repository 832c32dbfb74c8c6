"""The box: the only place where student code runs.

`Box` stages a submission's files and starts live processes for it: launch.py makes them, confine.py is what they do to
themselves first, process.py watches them. What this host can confine with, and whether it holds, is in host.py. None of
it knows what is asked or which answer is right: see student.py.
"""

from __future__ import annotations

import os
import sys
import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..language import _
from . import proof, scratch
from .gpu import NO_GPU, Access
from .launch import BoxError, Parent, Spawner
from .layers import Layers, tasks_of
from .process import Ended, Process
from .selftest import not_blocked

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    Made = TypeVar("Made")

SIGNALS = 64  # that may wait for a process
ROOM, ROOM_FILES = 16 << 20, 600  # bytes and files on disk, below which it counts as full

__all__ = ["Box", "BoxError", "Ended", "Layers", "Process"]


class Box:
    """Starts boxed processes. Reuse one for many submissions: its warm parent imports torch once.

    limits   the table [limits] of rubric.toml
    layers   what to confine with; by default all that this host has
    start    "fork" from the warm parent, or "spawn" a fresh interpreter each time; by default what this host can do
    secrets  files that the self-test must find closed
    """

    def __init__(
        self,
        limits: dict[str, Any],
        layers: Layers | None = None,
        start: str | None = None,
        secrets: Sequence[Path] = (),
    ) -> None:
        self.limits, self.secrets = limits, secrets
        self.layers = layers or Layers.of_this_host()
        self.start_method = start or ("fork" if sys.platform == "linux" else "spawn")
        self.spool = spool()
        self.own(self.spool)
        self.tasks = tasks_of(self.layers.user if self.layers.user is not None else os_user())
        forks = self.start_method == "fork"
        self.parent = Parent(self.layers.prefix(self.spool), self.layers.user) if forks else None
        self.count = 0
        self.gpu: proof.Gpu | None = None
        self.gpu_fault, self.proofs = "", 0
        self.made: dict[Hashable, Any] = {}

    def __enter__(self) -> Box:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self.parent:
            self.parent.close()
        scratch.remove(self.spool)

    @cached_property
    def not_blocked(self) -> list[str]:
        """What student code can do here although it should not, as the self-test found; [] at tiers A and B."""
        return not_blocked(self)

    @property
    def tier(self) -> str:
        """A, B or E: what the layers promise, if the self-test found it kept."""
        return "E" if self.not_blocked else self.layers.tier

    def expect_room(self) -> None:
        """Raise BoxError where the disk below the spool is so full that the student may be charged for it."""
        try:
            disk = os.statvfs(self.spool)
        except (AttributeError, OSError):  # Windows has none
            return
        if disk.f_bavail * disk.f_frsize < ROOM or (disk.f_files and disk.f_favail < ROOM_FILES):
            told = _(
                "the disk is full: grading needs {mb} MB and {files} files in {folder}; make room there, or set TMPDIR "
                "to another folder",
                mb=ROOM >> 20,
                files=ROOM_FILES,
                folder=self.spool.parent,
            )
            raise BoxError(told)

    def find_gpu(self) -> proof.Gpu | None:
        """The GPU that training may use here; where there is none, `gpu_fault` gives the reason, if there is one.

        It is proven once, and again for the next submission when a run on it failed.
        """
        if self.gpu and self.gpu.trusted:
            return self.gpu
        if self.gpu and self.gpu.worked:
            self.proofs = 0
        if self.gpu and self.proofs == proof.PROOFS:
            told = _("{gpu} failed {count} submissions in a row", gpu=self.gpu.name, count=proof.PROOFS)
            self.gpu, self.gpu_fault = None, told
        elif self.gpu or not self.proofs:
            self.proofs += 1
            self.gpu, self.gpu_fault = proof.prove(self)
        return self.gpu

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make()` gave the first time: what all submissions of this box are held beside."""
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]

    def stage(self, files: Mapping[str, bytes]) -> Path:
        """Write files, given by name, to a fresh folder of the spool. Raises BoxError on a full disk."""
        self.expect_room()
        folder = self.fresh()
        for name, data in files.items():
            (folder / name).write_bytes(data)
            self.own(folder / name)
        return folder

    def discard(self, folder: Path) -> None:
        """Delete a staged folder."""
        scratch.remove(folder)

    def start(self, folder: Path, gpu: bool = False, **changed: Any) -> Process:
        """A fresh boxed process over the files in `folder`.

        gpu      whether it is let near the GPU; it is spawned then, as a fork of a process with CUDA is unsafe
        changed  limits of the rubric that are others for this process
        """
        limits = self.limits | changed
        self.expect_room()
        run = self.fresh()
        (run / "scratch").mkdir(mode=0o700)
        if self.layers.user is not None:
            os.chown(run / "scratch", self.layers.user, self.layers.user)
        near = Access.of_this_process() if gpu else None
        arguments = {
            "folder": str(folder),
            "scratch": str(run / "scratch"),
            "environment": near.environment if near else NO_GPU,
            "confinement": {
                "limits": self.kernel_limits(limits, gpu),
                "threads": limits["processes"],
                "readable": [*self.layers.readable, *(near.readable if near else ()), str(folder)],
                "landlock": self.layers.landlock > 0,
                "seccomp": self.layers.seccomp,
                "nodes": near.nodes if near else None,
            },
        }
        launcher = self.parent
        if gpu or not launcher:
            launcher = Spawner(self.layers.prefix(self.spool, near, tied=True), self.layers.user, near)
        with open(run / "output", "wb") as output, open(run / "noted", "wb") as noted:
            launched = launcher.launch(arguments, output, noted)
        return Process(launched, run, limits)

    def kernel_limits(self, limits: dict[str, Any], gpu: bool) -> dict[str, int]:
        # The kernel counts the threads of a user, which boxes share: it only keeps them from taking all that this
        # machine has, faster than the watchdog looks. Where nothing else keeps a process from starting others, it must.
        most = threads_of_this_machine() // 2 if self.layers.seccomp else limits["processes"]
        kept = {
            "CPU": limits["cpu_seconds"],
            "FSIZE": limits["file_mb"] << 20,
            "NOFILE": limits["open_files"],
            "NPROC": self.tasks + most,
            "MSGQUEUE": 0,
            # Counted for all processes of a user: so few that nobody else, who may have thousands, runs out of them.
            "SIGPENDING": SIGNALS,
        }
        # CUDA reserves huge ranges of addresses: there the watchdog looks at the memory in use.
        return kept if gpu else kept | {"MEMORY": limits["memory_mb"] << 20}

    def fresh(self) -> Path:
        """A new folder of the spool, which the boxed process may read."""
        self.count += 1
        folder = self.spool / f"{self.count:06d}"
        folder.mkdir()
        self.own(folder)
        return folder

    def own(self, path: Path) -> None:
        """Let the boxed process, where it is another user, read a file or folder; nobody else."""
        if self.layers.user is not None:
            os.chown(path, -1, self.layers.user)
            os.chmod(path, 0o750 if path.is_dir() else 0o640)


def spool() -> Path:
    """A new folder for all that the box writes. Raises BoxError where no temporary folder can be written to."""
    try:
        # With every other folder full, Python proposes the present one, which is the student's or the kit's.
        if tempfile.gettempdir() == os.getcwd() != os.environ.get("TMPDIR"):
            raise OSError(_("it is full, or cannot be written to"))
        return Path(tempfile.mkdtemp(prefix="ddpm-box-"))
    except OSError as error:
        told = _("there is no temporary folder to grade in: {error}; make room, or set TMPDIR", error=error)
        raise BoxError(told) from None


def threads_of_this_machine() -> int:
    """How many threads Linux lets there be, of all users together."""
    kept = [Path("/proc/sys/kernel", name) for name in ("pid_max", "threads-max")]
    return min((int(path.read_text()) for path in kept if path.exists()), default=1 << 15)


def os_user() -> int | None:
    return os.getuid() if hasattr(os, "getuid") else None
