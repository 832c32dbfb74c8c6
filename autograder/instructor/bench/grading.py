"""`make bench`: what grading costs, as medians of one run: all exact checks, public and hidden, in the box with a warm
parent, beside a plain pytest process per submission and beside the same calls in one warm process with no box; and what
naming the mistake adds to a wrong submission."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

import psutil
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ... import checks
from ...box import Box
from ...expectations import Expectations
from ...grading import grade
from ...paths import ROOT
from ...rubric import Rubric
from ..authoring import unboxed
from ..authoring.patches import load_all

SUBMISSIONS = 20


def main() -> None:
    accepted = sorted(path.parent for path in (ROOT / "tests" / "submissions" / "accepted").glob("*/scheduler.py"))
    folders = list(islice(cycle(accepted), SUBMISSIONS))
    rubric, recorded = Rubric.load(), unboxed.expectations()
    boxed, cpu, plain, floor = [], [], [], []
    with Box(rubric.limits) as box:
        grade(folders[0], box, rubric, *recorded, only=checks.EXACT)
        floor_of(folders[0], rubric, recorded)
        # In turn, so that a change in the machine's speed hits all three alike.
        for folder in track(folders, "Grading each three ways", transient=True):
            started, spent = time.perf_counter(), cpu_of(box)
            record = grade(folder, box, rubric, *recorded, only=checks.EXACT)
            boxed.append(time.perf_counter() - started)
            cpu.append(cpu_of(box) - spent)
            assert record.points == record.max_points, [check for check in record.checks if check.message]
            plain.append(plain_of(folder))
            floor.append(floor_of(folder, rubric, recorded))
        named, unnamed = naming(box, rubric, recorded[0])
    report(boxed, cpu, plain, floor)
    added = statistics.median(a - b for a, b in zip(named, unnamed, strict=True))
    Console().print(f"Naming the mistake adds {1000 * added:.0f} ms to a wrong submission (median of {len(named)}).")


def naming(box: Box, rubric: Rubric, public: Expectations) -> tuple[list[float], list[float]]:
    """Seconds to grade known mistakes, every few of the catalogue, with and without the recorded mistakes, in turn."""
    tensors = {key: array for key, array in public.tensors.items() if key.split("/")[1] in ("input", "value", "forms")}
    nameless = Expectations(tensors, {"seed": public.metadata["seed"]})
    named: list[float] = []
    unnamed: list[float] = []
    patches = load_all()
    with tempfile.TemporaryDirectory() as folder:
        for patch in track(patches[:: len(patches) // SUBMISSIONS], "Naming mistakes", transient=True):
            Path(folder, "scheduler.py").write_bytes(patch.files["scheduler.py"])
            for expectations, seconds in ((public, named), (nameless, unnamed)):
                started = time.perf_counter()
                grade(Path(folder), box, rubric, expectations, only=checks.EXACT)
                seconds.append(time.perf_counter() - started)
    return named, unnamed


def cpu_of(box: Box) -> float:
    """CPU seconds of this process, of the box's parent and of the boxed processes that have ended."""
    assert box.parent is not None  # this one forks
    outer = psutil.Process(box.parent.process.pid)
    family = (outer, *outer.children(recursive=True))  # the parent is below bubblewrap, where that is used
    return time.process_time() + sum(sum(each.cpu_times()[:4]) for each in family)


def plain_of(folder: Path) -> float:
    """Seconds of a plain pytest process."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", unboxed.__file__]
    subprocess.run(command, env={**os.environ, "SUBMISSION": str(folder)}, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - started


def floor_of(folder: Path, rubric: Rubric, recorded: Sequence[Expectations]) -> float:
    """Seconds of the same calls in this process.

    recorded  public cases, then hidden ones
    """
    started = time.perf_counter()
    student = unboxed.Unboxed(folder)
    for id in unboxed.IDS:
        unboxed.run(id, student, recorded, rubric)
    student.forget()
    return time.perf_counter() - started


def report(boxed: Sequence[float], cpu: Sequence[float], plain: Sequence[float], floor: Sequence[float]) -> None:
    table = Table("one submission, exact checks, public and hidden", "median", "beside grade", box=None)
    ours = statistics.median(boxed)
    for name, seconds in (
        ("grade: in the box, parent warm, wall", boxed),
        ("grade: CPU of grader, parent and boxed process", cpu),
        ("a plain pytest process, wall", plain),
        ("the same calls in one warm process, no box, wall", floor),
    ):
        median = statistics.median(seconds)
        table.add_row(name, f"{median:.3f} s", f"{median / ours:.2f} x")
    Console().print(table, f"{len(boxed)} submissions, the three ways in turn.")


if __name__ == "__main__":
    main()
