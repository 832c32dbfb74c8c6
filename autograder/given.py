"""The files of the homework that are given, not written: what lies beside a student's own, what trains with them, and
what the grader measures with. It takes them from assignment/, which the repository and the student bundle both have;
those of a submission are never used."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from .files import digest
from .paths import ASSIGNMENT

TRAINING = ("train.py", "saving.py", "sampling.py", "data.py")  # train.py and what it imports
NAMES = ("unet.py", *TRAINING, "classifier.py")  # what a grade is made with
RECORDED_WITH = ("unet.py", "train.py", "saving.py", "digits5k.npz", "classifier.py", "classifier.safetensors")
PREDICTION_TYPES = ("epsilon", "v_prediction")


def checkpoints() -> dict[str, Path]:
    """{prediction type: its trained network} of those that ship: none in a course about other images than MNIST's."""
    paths = {kind: ASSIGNMENT / "checkpoints" / f"{kind}.safetensors" for kind in PREDICTION_TYPES}
    return {kind: path for kind, path in paths.items() if path.exists()}


def checkpoint() -> Path | None:
    """The last of them."""
    return next(reversed(checkpoints().values()), None)


def labelled() -> Path | None:
    """The trained network that knows labels, in a course that has guidance (8.2)."""
    path = ASSIGNMENT / "checkpoints" / "labels.safetensors"
    return path if path.exists() else None


def there(names: Iterable[str]) -> list[Path]:
    """Of these files, those that the course gives: what is off is not there."""
    return [path for path in (ASSIGNMENT / name for name in names) if path.exists()]


def network() -> dict[str, bytes]:
    """All that lies beside the student's own files, by name."""
    return {"unet.py": (ASSIGNMENT / "unet.py").read_bytes()}


def training() -> dict[str, bytes]:
    """What lies there besides while a network is trained, by name."""
    return {path.name: path.read_bytes() for path in there(TRAINING)}


def elsewhere() -> list[str]:
    """The modules that students have at home, beside their own files, and that are not there when they are graded."""
    stems = {path.stem for path in ASSIGNMENT.glob("*.py") if path.stem.isidentifier()}  # infer.zh.py is no module
    return sorted(stems - {"unet", "scheduler", "infer"})


def version() -> str:
    """What recorded runs of programs must match: the given code and data that they ran with."""
    network = checkpoint()
    return digest([*there(RECORDED_WITH), *([network] if network else [])])


def module(name: str) -> ModuleType:
    """One of these modules, for the grader itself. Only those that import no other of them."""
    spec = importlib.util.spec_from_file_location(f"given_{name}", ASSIGNMENT / f"{name}.py")
    assert spec is not None and spec.loader is not None  # for a file that ends in .py there is one
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
