"""What infer.py does in a run, beside the stand-in in place of the student's scheduler (checks/stand_in.py).

Each step of the stand-in is in closed form, so a run can be followed with one thing changed: what the network is called
with, which turns the loop takes, where it starts, what it does to x after a step and at the end. What fits every run is
read; the list of the network's calls is made in the student's process, and only words hang on it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from safetensors.numpy import load

from .. import checks
from ..checks.program import NAMES, NOISE, STAND_IN, Case, samples_in
from ..checks.stand_in import plan
from ..expect import Expect
from ..language import N_, _, listed
from ..readback.expression import Expression
from ..record import Failed
from .collecting import Collected
from .found import RIGHT, Found, not_read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..student import Finished, Student
    from .collecting import Readers

    Loop = tuple[str, str, str, str, str]  # (forgotten, taken, start, after, end)

PROGRAM = "infer.ddim"
# The right one first, then the simplest.
NETWORK = (
    "t", "i", "t / T", "t / (T - 1)", "t / 1000", "T - 1 - t", "S - 1 - i", "S - i", "t + 1", "t - 1", "i + 1", "0",
    "i / S", "T - t",
)  # fmt: skip
TURNS = {"": slice(None), "[:-1]": slice(None, -1), "[1:]": slice(1, None), "[::-1]": slice(None, None, -1)}
SHORT = ("[:-1]", "[1:]")
SAID = {
    "[:-1]": N_("The loop does not visit the last timestep of the list."),
    "[1:]": N_("The loop does not visit the first timestep of the list."),
    "[::-1]": N_("The loop visits the timesteps of the list from the last to the first."),
}
START = ("noise", "0 * noise", "min(max(noise, -1), 1)", "(noise + 1) / 2", "-noise", "2 * noise", "noise / 2")
AFTER = ("x_prev", "min(max(x_prev, -1), 1)", "min(max(x_prev, 0), 1)")
END = ("x", "(x + 1) / 2", "min(max(x, 0), 1)", "2 * x - 1", "-x", "x / 2")
CLOSE = 1e-3  # of samples, in units of a pixel's half range
FEWEST = 2  # runs
NO_CLIP = N_("The scheduler is made with clip_sample=False.")
STEPS_FIXED = N_("--steps has no effect: there are always 50.")
# What a program forgets of the checkpoint's settings or of its arguments, and what holds then.
DEFAULTS = {"prediction_type": "epsilon", "beta_schedule": "linear", "num_train_timesteps": 1000, "beta_start": 1e-4,
            "beta_end": 0.02}  # fmt: skip
FORGOTTEN: dict[str, dict[str, Any]] = {
    "": {},
    **{
        ", ".join(names): {name: DEFAULTS[name] for name in names}
        for count in range(1, 1 + len(DEFAULTS))
        for names in combinations(DEFAULTS, count)
    },
    NO_CLIP: {"clip_sample": False},
    STEPS_FIXED: {"steps": 50},
}
MOST = 2  # things that a loop does otherwise
RIGHTS = ("", "", START[0], AFTER[0], END[0])
SHOWN = {
    "t_net": N_(", what the network is called with; t is the timestep of the list"),
    "x_T": N_(", where the loop starts; noise is that of --initial-noise"),
    "x_prev": N_(", after each step"),
    "samples": N_(", what --samples receives; x is clamped"),
}


@dataclass
class Run:
    """A run of infer.py with the stand-in. `called` is what the network's timestep was, turn by turn, (n,)."""

    case: Case
    noise: np.ndarray
    steps: int
    samples: np.ndarray
    called: np.ndarray

    def turns(self, forgotten: str, taken: str) -> list[tuple[int, float, float, float]]:
        """The stand-in's turns that the loop takes: (timestep, weight of the sample, of the output, of the noise)."""
        settings: dict[str, Any] = {"steps": self.steps} | self.case.settings | FORGOTTEN[forgotten]
        return plan("ddim", **settings)[TURNS[taken]]

    def network(self, source: str, turns: Sequence[tuple[int, float, float, float]]) -> np.ndarray:
        """What a formula says that the network is called with in these turns, (n,)."""
        t, i = np.array([turn[0] for turn in turns], float), np.arange(len(turns), dtype=float)
        known = {"t": t, "i": i, "T": float(self.case.settings["num_train_timesteps"]), "S": float(self.steps)}
        return np.broadcast_to(Expression(source).value(known), len(turns))

    def gives(self, forgotten: str, taken: str, start: str, after: str, end: str) -> bool:
        """Whether a loop of these turns and formulas gives the samples."""
        turns = self.turns(forgotten, taken)
        if len(turns) != len(self.called):
            return False
        x = Expression(start).value({"noise": self.noise})
        for (_rest, of_sample, of_output, _rest), t in zip(turns, self.called, strict=True):
            t = int(np.clip(t, 0, self.case.tables.shape[1] - 1))  # as the probe looks it up
            # pyrefly: ignore[bad-argument-type, bad-assignment]  # an array, as the noise is one
            x = Expression(after).value({"x_prev": of_sample * x + of_output * self.case.output(x, t)})
        x = Expression(end).value({"x": np.clip(x, -1, 1)})
        return bool(np.abs(x - self.samples).max() <= CLOSE)


class Watch:
    """A Student whose infer.py runs a second time, with the stand-in, wherever it is given its noise."""

    def __init__(self, student: Student) -> None:
        self.student, self.limits, self.output = student, student.limits, ""
        self.runs: list[Run] = []

    def infer(self, arguments: list[str], files: dict[str, bytes], wanted: list[str], seconds: float) -> Finished:
        run = self.student.infer(arguments, files, wanted, seconds)
        if run.status == 0 and NOISE in files:
            again = self.student.infer(arguments, files | STAND_IN, wanted, seconds)
            self.runs += filter(None, [understood(arguments, files, again)])
        return run


class Quiet(Expect):
    """An Expect that compares nothing, and ends a check where its laws would begin."""

    def compare(self, *_: Any) -> None:  # pyrefly: ignore[bad-override]
        return None

    def settle(self) -> NoReturn:
        raise Collected


def understood(arguments: Sequence[str], files: Mapping[str, bytes], run: Finished) -> Run | None:
    """The Run; None where it left no samples or called the network with what is no number."""
    content = files[NAMES["checkpoint"]]
    settings = json.loads(json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]["config"])
    settings.pop("unet")
    weights, noise = load(content), load(files[NOISE])["noise"]
    case = Case(settings, weights["pattern"], np.stack([weights["slope"], weights["offset"]]))
    steps = int(arguments[arguments.index("--steps") + 1]) if "--steps" in arguments else 50
    try:
        # pyrefly: ignore[bad-assignment]  # float64 of an array is one
        samples: np.ndarray | None = np.float64(samples_in(run, len(noise), finite=False)) if run.status == 0 else None
        called = np.array([float(call[0]) for call in run.calls])
    except (Failed, TypeError, ValueError, IndexError):
        return None
    return Run(case, noise, steps, samples, called) if samples is not None and len(called) else None


def program(readers: Readers, found: Found) -> None:
    """What one turn of the loop in infer.py does, and its two ends."""
    found.reads = dict.fromkeys(("t_net", "settings", "length", "timesteps", "x_T", "x_prev", "samples"))
    watch, why = Watch(readers.student), _("too few runs from --initial-noise end with samples")
    try:
        # pyrefly: ignore[bad-argument-type]  # a Watch stands in for a Student
        checks.run(PROGRAM, watch, Quiet(readers.public, PROGRAM, readers.rubric.checks[PROGRAM].tolerance))
    except Collected:
        pass
    except Failed as failed:
        why = failed.message
    if len(watch.runs) < FEWEST:
        found.say(not_read(why))
        return
    loop = fitting(watch.runs)
    forgotten, taken, start, after, end = loop or ("", "", None, None, None)
    net = network(watch.runs, forgotten, taken)
    if loop == RIGHTS and net == RIGHT:
        found.reads = dict.fromkeys(found.reads, RIGHT)
        found.say(_(RIGHT))
        return
    found.reads["t_net"] = net
    if loop:
        found.reads |= {"x_T": start, "x_prev": after, "samples": end}
        found.reads |= {term: RIGHT for term in ("x_T", "x_prev", "samples") if found.reads[term] in RIGHTS}
        found.reads |= {"timesteps": None if taken else RIGHT, "length": "S - 1" if taken in SHORT else RIGHT}
        found.reads["settings"] = None if forgotten else RIGHT
    for sentence in filter(None, (forgetting(forgotten), _(SAID[taken]) if taken else "")):
        found.say(sentence)
        found.notable = True
    for term, where in SHOWN.items():
        if found.reads[term] not in (RIGHT, None):
            found.say(_(where), f"{term} == {found.reads[term]}")
    if not loop:
        found.say(_("nothing else was read") if found.lines else not_read(""))


def forgetting(forgotten: str) -> str:
    """What a program forgets, in a sentence; "" for nothing."""
    if not forgotten or forgotten in (NO_CLIP, STEPS_FIXED):
        return _(forgotten) if forgotten else ""
    names = forgotten.split(", ")
    says = N_("The checkpoint's {names} does not reach the scheduler.")
    if len(names) > 1:
        says = N_("The checkpoint's {names} do not reach the scheduler.")
    return _(says, names=listed(names))


def fitting(runs: Sequence[Run]) -> Loop | None:
    """The simplest loop that gives the samples of all runs, or None."""
    runs = sorted(runs, key=lambda run: run.steps)  # the shortest rule most of them out
    return next((loop for loop in loops() if all(run.gives(*loop) for run in runs)), None)


@cache
def loops() -> list[Loop]:
    """All loops that are looked for, the simplest first."""

    def oddities(loop: Loop) -> int:
        return sum(part != right for part, right in zip(loop, RIGHTS, strict=True))

    found = [loop for loop in product(FORGOTTEN, TURNS, START, AFTER, END) if oddities(loop) <= MOST]
    return sorted(found, key=oddities)


def network(runs: Sequence[Run], forgotten: str, taken: str) -> str | None:
    """What the network is called with: RIGHT, the source of a formula, or None."""
    for source in NETWORK:
        wanted = [run.network(source, run.turns(forgotten, taken)) for run in runs]
        if all(same_calls(run.called, calls) for run, calls in zip(runs, wanted, strict=True)):
            return RIGHT if source == NETWORK[0] else source
    return None


def same_calls(called: np.ndarray, wanted: np.ndarray) -> bool:
    return called.shape == wanted.shape and np.allclose(called, wanted, atol=1e-4)
