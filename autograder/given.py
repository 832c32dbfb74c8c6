"""The files of the homework that are given, not written: staged beside a student's own, and what the grader measures
with. It takes them from assignment/, which the repository and the student bundle both have; those of a submission are
never used."""

import importlib.util

from .expected import digest
from .paths import ASSIGNMENT

NAMES = ("unet.py", "train.py", "saving.py", "data.py", "evaluate.py", "classifier.py")
CHECKPOINT = ASSIGNMENT / "checkpoints" / "v_prediction.safetensors"


def files():
    """{name: bytes} of all that a program in the box may import."""
    return {name: (ASSIGNMENT / name).read_bytes() for name in NAMES}


def version():
    """What recorded training runs must match: the source of what they ran."""
    return digest(ASSIGNMENT / name for name in ("unet.py", "train.py"))


def module(name):
    """One of these modules, for the grader itself. Only those that import no other of them."""
    spec = importlib.util.spec_from_file_location(f"given_{name}", ASSIGNMENT / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
