"""The checks, one module per part, in the order of the handout.

A check is a function `check_<name>(student, expect)`: it builds schedulers with `student`, draws inputs from `expect`
and holds the answers against it. The same function records the reference's answers (instructor/authoring/recording.py).
Its id is `<part>.<name>`; its title, points and tolerance stand in rubric.toml.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from . import contest, ddim, editing, flow, forward, guidance, infer, loss, reverse, schedule, smoke, training

if TYPE_CHECKING:
    from ..expect import Expect
    from ..student import Student

SMOKE = "smoke.digits"


class Part(NamedTuple):
    """A part of the homework: the module of the same name holds its checks.

    stage    parts of one stage share a boxed process
    gpu      whether its checks may use a GPU
    hidden   whether it has hidden cases; one without runs only where the rubric asks for it
    seconds  the limit in rubric.toml that it shares with others, beside those of single calls
    measured checks that end in one number: it says that something is wrong and never what, so they take no part in
             naming mistakes
    """

    module: ModuleType
    stage: str
    gpu: bool = False
    hidden: bool = True
    seconds: str = "total_seconds"
    measured: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.module.__name__.rpartition(".")[2]


DECLARED = (
    Part(schedule, stage="exact"),  # exact: single calls of the scheduler, in seconds; the others run programs
    Part(forward, stage="exact"),
    Part(reverse, stage="exact"),
    Part(ddim, stage="exact"),
    Part(loss, stage="exact"),
    Part(training, stage="training", gpu=True, measured=("epsilon", "v_prediction")),
    Part(infer, stage="infer", measured=("digits",)),
    Part(flow, stage="exact"),
    Part(guidance, stage="infer"),
    Part(editing, stage="exact"),
    Part(contest, stage="contest", measured=("few_steps",)),
    Part(smoke, stage="smoke", gpu=True, hidden=False, seconds="smoke_seconds", measured=("digits",)),
)
PARTS = {part.name: part for part in DECLARED if part.hidden}
PART_8 = ("flow", "guidance", "editing")  # what a course may add: most submissions of ours have nothing of it
EXACT = tuple(part.name for part in DECLARED if part.stage == "exact")
# The parts, and single checks, that each file decides alone; training is left out, as it takes long.
DECIDED = {"scheduler.py": (*EXACT, "guidance.guided"), "infer.py": ("infer", "guidance.infer")}


class Stage(NamedTuple):
    """What runs in processes of its own, on any machine: training may need a GPU.

    cases  "public" or "hidden"
    """

    cases: str
    parts: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.cases} cases of {', '.join(self.parts)}"

    @property
    def first(self) -> Part:
        return next(part for part in DECLARED if part.name == self.parts[0])

    @property
    def gpu(self) -> bool:
        return self.first.gpu

    @property
    def seconds(self) -> str:
        return self.first.seconds


def stages(cases: str, parts: Iterable[Part]) -> list[Stage]:
    """One Stage of these cases for all parts that share one, in their order."""
    names: dict[str, list[str]] = {}
    for part in parts:
        if part.hidden or cases == "public":
            names.setdefault(part.stage, []).append(part.name)
    return [Stage(cases, tuple(those)) for those in names.values()]


# One after another. What public cases print is shown, and must not have seen a hidden input: so all of them come first.
STAGES = (*stages("public", DECLARED), *stages("hidden", DECLARED))

FUNCTIONS: dict[str, Callable[[Student, Expect], None]] = {
    f"{part.name}.{name.removeprefix('check_')}": check
    for part in DECLARED
    for name, check in vars(part.module).items()
    if name.startswith("check_")
}
ALL = tuple(FUNCTIONS)
CHECKS = {id: check for id, check in FUNCTIONS.items() if id.split(".")[0] in PARTS}
MEASURED = tuple(f"{part.name}.{name}" for part in DECLARED for name in part.measured)


def run(id: str, student: Student, expect: Expect) -> None:
    """Run one check to its end. Raises Failed at the first thing that is not right."""
    FUNCTIONS[id](student, expect)
    expect.settle()
