"""How far right answers lie from the reference, and wrong ones: what the tolerances in rubric.toml are chosen from.
Prints both for every check that compares values, and writes them beside its tolerance.

Right: the accepted submissions in tests/. Wrong: the known mistakes, each on the checks that it must fail; mistakes in
the tables (handout 1.x) count for the schedules only, since what follows from a slightly wrong table is hardly wrong.
A tolerance is chosen by hand, at least MARGIN times as large as the first, and as much smaller than the second;
training and infer.digits have bands of their own (training_band.py).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ... import checks
from ...box import Box
from ...diagnosis import catalogue
from ...expect import Expect
from ...files import write
from ...paths import ROOT, RUBRIC
from ...record import Failed
from ...rubric import Rubric
from ...student import Student
from ..authoring.patches import load_all, reference
from ..authoring.recording import record

if TYPE_CHECKING:
    from ...expectations import Expectations

SEEDS = ("one", "two", "three")
MARGIN = 10
IDS = [id for id in checks.CHECKS if id not in checks.MEASURED]


@dataclass
class Distances:
    """The right submission that is farthest from the reference, and the mistake that is nearest to it."""

    tolerance: float
    right: float = 0.0
    farthest: str = ""
    wrong: float = np.inf
    nearest: str = ""

    @property
    def margins(self) -> tuple[float, float]:
        return self.tolerance / self.right if self.right else np.inf, self.wrong / self.tolerance


def measure(box: Box, rubric: Rubric, seeds: Iterable[str]) -> dict[str, Distances]:
    """Of each check, under these seeds."""
    found = {id: Distances(rubric.checks[id].tolerance) for id in IDS}
    sections = {id: mistake.section for id, mistake in catalogue().items()}
    accepted = sorted((ROOT / "tests" / "submissions" / "accepted").glob("*/scheduler.py"))
    recorded = [record(box, rubric, seed, only=IDS) for seed in seeds]
    for path in track(accepted, "Right submissions", transient=True):
        files = reference() | {file.name: file.read_bytes() for file in path.parent.glob("*.py")}
        for id, error in errors(box, rubric, files, recorded, IDS, []):
            if error > found[id].right:
                found[id].right, found[id].farthest = error, path.parent.name
    for patch in track(load_all(), "Known mistakes", transient=True):
        loses = [id for id in patch.loses if id in IDS]
        for id, error in errors(box, rubric, patch.files, recorded, loses, loses):
            counts = id.startswith("schedule.") or not sections[patch.id].startswith("1.")
            if counts and error < found[id].wrong:
                found[id].wrong, found[id].nearest = error, patch.id
    return found


def errors(
    box: Box,
    rubric: Rubric,
    files: dict[str, bytes],
    recorded: Iterable[Expectations],
    only: Collection[str],
    loses: Collection[str],
) -> Iterator[tuple[str, float]]:
    """(check, largest error of its answers) per seed; a mistake that shows only in a law or an exception has none."""
    with Student.at_work(box, files, rubric.limits) as student:
        for expectations in recorded:
            for check in only:
                expect = Expect(expectations, check, rubric.checks[check].tolerance, lambda id: id not in loses)
                try:
                    checks.run(check, student, expect)
                except Failed:
                    if not expect.wrong:
                        continue
                yield check, max(answer.error for answer in expect.answers)


def annotated(text: str, found: Mapping[str, Distances]) -> str:
    """The rubric with what was measured as the comment on each check's line; nothing else of it changes."""
    for id, distances in found.items():
        nearest = f"{distances.wrong:.0e}" if np.isfinite(distances.wrong) else "-"
        comment = f"# right {distances.right:.0e}, wrong {nearest}"
        text, lines = re.subn(rf'^("{re.escape(id)}" = {{.*}}).*$', rf"\1  {comment}", text, flags=re.MULTILINE)
        if lines != 1:
            raise ValueError(f"rubric.toml must have one line for {id}, found {lines}")
    return text


def main() -> None:
    rubric = Rubric.load(whole=True)
    with Box(rubric.limits) as box:
        found = measure(box, rubric, SEEDS)
    table = Table(
        "check", "right, at most", "tolerance", "wrong, at least", "margins", "the right one", "the wrong one"
    )
    for id, of in found.items():
        margins = " and ".join(f"{margin:.0f} x" for margin in of.margins)
        numbers = f"{of.right:.1e}", f"{of.tolerance:g}", f"{of.wrong:.1e}"
        table.add_row(id, *numbers, margins, of.farthest, of.nearest, style="red" if min(of.margins) < MARGIN else "")
    Console().print(table)
    write(RUBRIC, annotated(RUBRIC.read_text(encoding="utf-8"), found))


if __name__ == "__main__":
    main()
