"""What the band of the training checks is chosen from: how far the held-out loss of right runs lies from the recorded
one, and that of known mistakes, at the same seeds. Minutes of work, on every core and on the GPU where there is one.

Right: the accepted submissions in the box, and the reference itself with other numbers of threads and without the
newer instructions of the processor, which change how sums are rounded. Wrong: each known mistake of handout 1 and 2;
what it must lose stands in its patch in solution/mistakes/.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ... import checks
from ...box import Box
from ...diagnosis import catalogue
from ...expect import Expect
from ...paths import ROOT
from ...record import Failed
from ...rubric import Rubric
from ...student import Student
from ..authoring import unboxed
from ..authoring.patches import load_all, reference
from ..authoring.recording import record
from ..classroom.pools import cores

if TYPE_CHECKING:
    from ...expectations import Expectations

CHECKS = ("training.epsilon", "training.v_prediction")
SEEDS = ("one", "two", "three")
RIGHT = "right: "
HOSTS = {
    "2 threads": {"OMP_NUM_THREADS": "2"},
    "4 threads": {"OMP_NUM_THREADS": "4"},
    "AVX2 only": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "no vector instructions": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
}


def main() -> None:
    with Box(Rubric.load().limits) as box:
        near = box.find_gpu()
        print(f"Trains on {near.name if near else 'the CPU'}; what is recorded is of the CPU.")
    rows = {}
    for name, variables in track(HOSTS.items(), "Other hosts, imitated", transient=True):
        rows[f"{RIGHT}{name}"] = [[elsewhere(id, seed, variables) for seed in SEEDS] for id in CHECKS]
    found = errors(submissions(), SEEDS)
    rows |= dict(track(found, "Submissions", total=len(submissions()), transient=True))
    table = Table("held-out loss off by, in % of the recorded one", *CHECKS, box=None)
    for name, (epsilon, v) in rows.items():
        table.add_row(name, *(f"{100 * min(errors):.3f} to {100 * max(errors):.3f}" for errors in (epsilon, v)))
    Console(width=120).print(table, f"Smallest and largest over {len(SEEDS)} seeds; infinite: no weights to measure.")


def submissions() -> dict[str, dict[str, bytes]]:
    """{name: files}: the reference and the accepted submissions, which are right, and the known mistakes."""
    found = {f"{RIGHT}the reference": reference()}
    for path in sorted((ROOT / "tests" / "submissions" / "accepted").glob("*/scheduler.py")):
        found[f"{RIGHT}{path.parent.name}"] = {"scheduler.py": path.read_bytes()}
    sections = {id: mistake.section for id, mistake in catalogue().items()}
    return found | {patch.id: patch.files for patch in load_all() if sections[patch.id] < "3"}


def errors(
    submissions: Mapping[str, dict[str, bytes]], seeds: Sequence[str], workers: int | None = None
) -> Iterator[tuple[str, list[list[float]]]]:
    """(name, errors of each check at each seed) of each submission, on the GPU where there is one."""
    context = multiprocessing.get_context("spawn")  # the box needs processes that no thread was copied into
    with ProcessPoolExecutor(workers or cores(), context) as pool:
        yield from zip(submissions, pool.map(partial(errors_of, seeds=seeds), submissions.values()), strict=True)


def errors_of(files: dict[str, bytes], seeds: Sequence[str]) -> list[list[float]]:
    """Those of each check at each seed."""
    box = desk()
    with Student.at_work(box, files, box.limits, gpu=box.find_gpu()) as student:
        return [[error(student, id, recorded(seed)) for seed in seeds] for id in CHECKS]


@cache
def desk() -> Box:
    """The box of this process."""
    return Box(Rubric.load().limits)


@cache
def recorded(seed: str) -> Expectations:
    return record(desk(), Rubric.load(), seed, only=CHECKS)


def error(student: Student, id: str, expectations: Expectations) -> float:
    """How far off, relative; infinite where the run gives no finite loss."""
    expect = Expect(expectations, id, tolerance=np.inf)
    try:
        checks.run(id, student, expect)
    except Failed:
        pass  # it may have a loss all the same, and break a law
    return expect.answers[0].error if expect.answers else np.inf


def elsewhere(id: str, seed: str, variables: Mapping[str, str]) -> float:
    """The same for the reference in a process of its own, with these environment variables."""
    command = [sys.executable, "-m", __spec__.name, id, seed]
    run = subprocess.run(command, env={**os.environ, **variables}, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(run.stdout)


def here(id: str, seed: str) -> None:
    """Print the error of one run in this very process."""
    rubric = Rubric.load()
    with Box(rubric.limits) as box:
        expectations = record(box, rubric, seed, only=[id])
    print(error(unboxed.Unboxed(ROOT / "solution"), id, expectations))


if __name__ == "__main__":
    here(*sys.argv[1:]) if sys.argv[1:] else main()
