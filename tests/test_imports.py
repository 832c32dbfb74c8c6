"""What student code may import: the same wherever it is graded, whatever else is installed there."""

import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.record import Failed
from autograder.rubric import Rubric
from autograder.student import Student

ALLOWED = Rubric.load().limits["allowed_imports"]
INSTALLED = ("diffusers", "nbgrader", "hypothesis", "msgpack", "pytest", "setuptools")  # here, and nowhere allowed
# Ways to import, at the top or in a function, each a statement.
WAYS = (
    "import {}",
    "import {} as it",
    "from {} import *",
    "import torch, {}",
    "import importlib; importlib.import_module('{}')",
    "from importlib import import_module; import_module('{}')",
    "__import__('{}')",
    "exec('import {}')",
    "import math; import {}.part",
)


@pytest.fixture
def student(box, rubric):
    """student(source of scheduler.py) -> Student"""
    made = []

    def student(source, **limits):
        made.append(Student(box, box.stage({"scheduler.py": source.encode()}), rubric.limits | limits))
        return made[-1]

    yield student
    for each in made:
        each.close()


few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@few
@given(st.sampled_from(WAYS), st.sampled_from([*INSTALLED, "no_such_package", "utils"]), st.booleans())
def test_what_is_not_allowed_cannot_be_imported(student, way, package, later):
    line = way.format(package)
    if later and "*" not in line:
        source = f"class DDPMScheduler:\n    def __init__(self):\n        {line}\n"
    else:
        source = f"{line}\nclass DDPMScheduler: pass\n"
    with pytest.raises(Failed) as caught:
        student(source).DDPMScheduler()
    assert "ModuleNotFoundError" in caught.value.types and "scheduler.py line" in caught.value.message
    assert f"{package} cannot be imported" in caught.value.detail
    assert all(name in caught.value.detail for name in ALLOWED)


def test_what_is_allowed_can_be_imported(student):
    lines = [f"import {name}" for name in (*ALLOWED, "json", "os.path", "multiprocessing.pool", "xml.dom.minidom")]
    lines += ["from PIL import Image", "import matplotlib.pyplot as plt", "from tqdm.auto import tqdm"]
    lines += ["import torch.nn.functional as F", "from torch.func import vmap", "from safetensors.torch import save"]
    student("\n".join([*lines, "class DDPMScheduler: pass"])).DDPMScheduler()


def test_who_prepares_for_a_missing_package_gets_on(student):
    source = "try:\n    import diffusers\nexcept ImportError:\n    diffusers = None\nassert diffusers is None\n"
    student(source + "class DDPMScheduler: pass").DDPMScheduler()


def test_what_other_code_imports_is_its_own_business(student):
    """torch imports much of what is installed, and lazily; it must find what it finds without the rule."""
    source = "import torch, numpy\nclass DDPMScheduler:\n    def __init__(self):\n"
    source += "        import sys, torch.fx.experimental.symbolic_shapes; assert 'sympy' in sys.modules\n"
    source += "        torch.nn.Linear(1, 1).compile(); torch.fx.symbolic_trace(torch.nn.Linear(1, 1))\n"
    student(source).DDPMScheduler()


def test_relative_imports_say_how_to_write_them(student):
    for line in ("from .unet import UNet", "from . import unet", "from .. import unet"):
        with pytest.raises(Failed) as caught:
            student(line + "\n").DDPMScheduler()
        assert "relative imports do not work here" in caught.value.detail


def test_an_instructor_may_allow_more(student):
    student("import hypothesis\nclass DDPMScheduler: pass", allowed_imports=["hypothesis"]).DDPMScheduler()
    with pytest.raises(Failed, match="ModuleNotFoundError"):
        student("import torch", allowed_imports=["hypothesis"]).DDPMScheduler()


def test_torch_compile_changes_nothing(student):
    source = "import torch\n@torch.compile\ndef one(x): return x\n@torch.compile(dynamic=True)\ndef two(x): return x\n"
    source += "class DDPMScheduler:\n    def step(self): return one(1), torch.compile(two, mode='max-autotune')(2)\n"
    assert student(source).DDPMScheduler().step() == (1, 2)


def test_the_names_of_the_rule_are_packages():
    assert not set(ALLOWED) & set(sys.stdlib_module_names)
    assert all(name.isidentifier() for name in ALLOWED)
