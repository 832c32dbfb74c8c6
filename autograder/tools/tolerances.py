"""How far right answers lie from the reference, and wrong ones: what the tolerances in rubric.toml are chosen from.

Right: the accepted submissions in tests/. Wrong: the known mistakes, each on the checks that it must fail; mistakes in
the tables (handout 1.x) count for the schedules only, since what follows from a slightly wrong table is hardly wrong.
"""

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
from .patches import load_all, reference
from .record import record

SEEDS = ("one", "two", "three")


def main():
    rubric = Rubric.load()
    sections = {id: mistake.section for id, mistake in catalogue().items()}
    accepted = sorted((ROOT / "tests" / "submissions" / "accepted").glob("*/scheduler.py"))
    right = dict.fromkeys(checks.CHECKS, (0.0, ""))
    wrong = dict.fromkeys(checks.CHECKS, (np.inf, ""))
    with Box(rubric.limits) as box:
        seeds = [record(box, rubric, seed) for seed in SEEDS]
        for path in track(accepted, "Right submissions", transient=True):
            files = reference() | {file.name: file.read_bytes() for file in path.parent.glob("*.py")}
            for check, error in errors(box, rubric, files, seeds, checks.CHECKS, []):
                right[check] = max(right[check], (error, path.parent.name))
        for patch in track(load_all(), "Known mistakes", transient=True):
            for check, error in errors(box, rubric, patch.files, seeds, patch.loses, patch.loses):
                if check.startswith("schedule.") or not sections[patch.id].startswith("1."):
                    wrong[check] = min(wrong[check], (error, patch.id))
    table = Table(
        "check", "right, at most", "tolerance", "wrong, at least", "margins", "the right one", "the wrong one"
    )
    for check, entry in rubric.checks.items():
        (near, who), (far, what) = right[check], wrong[check]
        margins = f"{entry.tolerance / near if near else np.inf:.0f} x, {far / entry.tolerance:.0f} x"
        table.add_row(check, f"{near:.1e}", f"{entry.tolerance:g}", f"{far:.1e}", margins, who, what)
    Console().print(table)


def errors(box, rubric, files, seeds, only, loses):
    """(check, largest error of its answers) per seed; a mistake that shows only in a law or an exception has none."""
    folder = box.stage(given.files() | files)
    student = Student(box, folder, rubric.limits)
    for expectations in seeds:
        for check in only:
            expect = Expect(expectations, check, rubric.checks[check].tolerance, lambda id: id not in loses)
            try:
                checks.run(check, student, expect)
            except Failed:
                if not expect.wrong:
                    continue
            yield check, max(answer.error for answer in expect.answers)
    student.close()
    box.discard(folder)


if __name__ == "__main__":
    main()
