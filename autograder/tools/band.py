"""What the band of the training checks is chosen from: how far the held-out loss of right runs lies from the recorded
one, and that of known mistakes, at the same seeds. Minutes of work.

Right: the accepted submissions in the box, and the reference itself with other numbers of threads and without the
newer instructions of the processor, which change how sums are rounded. Wrong: each known mistake of handout 1 and 2;
what it must lose stands in its patch in solution/mistakes/.
"""

import os
import subprocess
import sys

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from .. import checks, given
from ..box import Box
from ..box.student import Student
from ..diagnosis import catalogue
from ..expected import Expect
from ..paths import ROOT
from ..record import Failed
from ..rubric import Rubric
from . import unboxed
from .patches import load_all, reference
from .record import record

CHECKS = ("training.epsilon", "training.v_prediction")
SEEDS = ("one", "two", "three")
HOSTS = {
    "2 threads": {"OMP_NUM_THREADS": "2"},
    "4 threads": {"OMP_NUM_THREADS": "4"},
    "AVX2 only": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "no vector instructions": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
}


def main():
    rubric = Rubric.load()
    submissions = {"right: the reference": reference()}
    for path in sorted((ROOT / "tests" / "submissions" / "accepted").glob("*/scheduler.py")):
        submissions[f"right: {path.parent.name}"] = {"scheduler.py": path.read_bytes()}
    sections = {id: mistake.section for id, mistake in catalogue().items()}
    for patch in load_all():
        if sections[patch.id] < "3":
            submissions[patch.id] = patch.files
    rows = {}
    with Box(rubric.limits) as box:
        seeds = [record(box, rubric, seed, only=CHECKS) for seed in SEEDS]
        for name, variables in track(HOSTS.items(), "Other hosts, imitated", transient=True):
            rows[f"right: {name}"] = [[elsewhere(id, seed, variables) for seed in SEEDS] for id in CHECKS]
        for name, files in track(submissions.items(), "Submissions", transient=True):
            folder = box.stage(given.files() | files)
            student = Student(box, folder, rubric.limits)
            rows[name] = [[error(student, id, expectations) for expectations in seeds] for id in CHECKS]
            student.close()
            box.discard(folder)
    table = Table("held-out loss off by, in % of the recorded one", *CHECKS, box=None)
    for name, (epsilon, v) in rows.items():
        table.add_row(name, *(f"{100 * min(errors):.3f} to {100 * max(errors):.3f}" for errors in (epsilon, v)))
    Console(width=120).print(table, f"Smallest and largest over {len(SEEDS)} seeds; infinite: no weights to measure.")


def error(student, id, expectations):
    """How far off, relative; infinite where the run gives no finite loss."""
    expect = Expect(expectations, id, tolerance=np.inf)
    try:
        checks.run(id, student, expect)
    except Failed:
        return np.inf
    return expect.answers[0].error


def elsewhere(id, seed, variables):
    """The same for the reference in a process of its own, with these environment variables."""
    command = [sys.executable, "-m", __spec__.name, id, seed]
    run = subprocess.run(command, env={**os.environ, **variables}, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(run.stdout)


def here(id, seed):
    """Print the error of one run in this very process."""
    rubric = Rubric.load()
    with Box(rubric.limits) as box:
        expectations = record(box, rubric, seed, only=[id])
    print(error(unboxed.Unboxed(ROOT / "solution"), id, expectations))


if __name__ == "__main__":
    here(*sys.argv[1:]) if sys.argv[1:] else main()
