"""The checks, one module per part, in the order of the handout.

A check is a function `check_<name>(student, expect)`: it builds schedulers with `student`, draws inputs from `expect`
and holds the answers against it. The same function records the reference's answers (instructor/authoring/recording.py).
Its id is `<part>.<name>`; its title, points and tolerance stand in rubric.toml.
"""

from typing import NamedTuple

from ..files import digest
from ..paths import PACKAGE
from . import ddim, forward, infer, reverse, schedule, smoke, training

PARTS = {
    "schedule": schedule,
    "forward": forward,
    "reverse": reverse,
    "ddim": ddim,
    "training": training,
    "infer": infer,
}
SMOKE = "smoke.digits"  # only where the rubric asks for it, and of public cases only
EXACT = ("schedule", "forward", "reverse", "ddim")  # single calls of the scheduler, in seconds; the others run programs


class Stage(NamedTuple):
    """What runs in processes of its own, on any machine: training may need a GPU.

    cases  "public" or "hidden"
    """

    cases: str
    parts: tuple

    @property
    def name(self):
        return f"{self.cases} cases of {', '.join(self.parts)}"


# One after another. What public cases print is shown, and must not have seen a hidden input: so all of them come first.
STAGES = (
    *(Stage("public", parts) for parts in (EXACT, ("training",), ("infer",), ("smoke",))),
    *(Stage("hidden", parts) for parts in (EXACT, ("training",), ("infer",))),
)
ON_GPU = (("training",), ("smoke",))  # the parts of stages that may use a GPU
# These end in one number, which says that something is wrong and never what: they take no part in naming mistakes.
MEASURED = ("training.epsilon", "training.v_prediction", "infer.digits", SMOKE)

CHECKS = {
    f"{part}.{name.removeprefix('check_')}": check
    for part, module in PARTS.items()
    for name, check in vars(module).items()
    if name.startswith("check_")
}


ALL = (*CHECKS, SMOKE)


def run(id, student, expect):
    """Run one check to its end. Raises Failed at the first thing that is not right."""
    check = smoke.check_digits if id == SMOKE else CHECKS[id]
    check(student, expect)
    expect.settle()


def version():
    """What recorded expectations must match: the checks, all that they put beside a student's files, and the comparison
    of answers."""
    rooms = (PACKAGE / "checks", PACKAGE / "expect")
    sources = [path for room in rooms for path in room.glob("*.py") if path.name != "conftest.py"]
    return digest([*sources, PACKAGE / "measure.py"])
