"""The files of the homework that are given, not written: staged beside a student's own, and what the grader measures
with. It takes them from assignment/, which the repository and the student bundle both have; those of a submission are
never used."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from .files import digest
from .paths import ASSIGNMENT

NAMES = ("unet.py", "train.py", "saving.py", "data.py", "evaluate.py", "classifier.py")
RECORDED_WITH = ("unet.py", "train.py", "saving.py", "digits5k.npz", "classifier.py", "classifier.safetensors")
CHECKPOINT = ASSIGNMENT / "checkpoints" / "v_prediction.safetensors"


def files() -> dict[str, bytes]:
    """All that a program in the box may import, by name."""
    return {name: (ASSIGNMENT / name).read_bytes() for name in NAMES}


def version() -> str:
    """What recorded runs of programs must match: the given code and data that they ran with."""
    return digest([*(ASSIGNMENT / name for name in RECORDED_WITH), CHECKPOINT])


def module(name: str) -> ModuleType:
    """One of these modules, for the grader itself. Only those that import no other of them."""
    spec = importlib.util.spec_from_file_location(f"given_{name}", ASSIGNMENT / f"{name}.py")
    assert spec is not None and spec.loader is not None  # for a file that ends in .py there is one
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
