"""`make validity`: how often the autograder errs, by grading wrong and right submissions by the hundred: VALIDITY.md.

    mutants    the reference with one small change made by a machine (mutants.py): whatever changes behaviour must lose
               points, and what loses none must stand in survivors.toml, with the reason
    mistakes   the catalogue: each must lose points and be named
    right      the accepted submissions of tests/, under many seeds: none may lose anything
    cheap      the programs of tests/ without a right formula: what do they earn?

Each is graded in the box as a student's work is, on every core at once. Results are kept in build/validity/ as they
come: a run that was cut short goes on where it stopped, and what depends on a changed kit is graded anew.
"""

import argparse
import os
import secrets
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ... import checks
from ...files import write
from ...paths import ROOT
from ...rubric import Rubric
from ..authoring.patches import load_all, reference
from ..fingerprint import kit
from .mutants import mutants
from .page import Survivors, render
from .trials import Subject, Trials

BUILD = ROOT / "build" / "validity"
PAGE = ROOT / "VALIDITY.md"
ACCEPTED = ROOT / "tests" / "submissions" / "accepted"
CHEAP = ROOT / "tests" / "submissions" / "cheap"
# What a wrong file is graded on: no checks that end in one number; and for infer.py those of straight paths, too, as
# `--scheduler flow` is asked for where they pass.
DECIDED = checks.DECIDED | {"infer.py": (*checks.DECIDED["infer.py"], "flow")}
PARTS = {
    file: tuple(id for id in checks.CHECKS if {id, id.split(".")[0]} & set(only) and id not in checks.MEASURED)
    for file, only in DECIDED.items()
}
PART_8 = (*checks.PART_8, "contest")
SEEDS, SEEDS_OF_ALL, VARIANTS_OF_ALL = 20, 2, 5


def wrong_by_machine(seed: str) -> list[Subject]:
    """Every mutant of the reference, but for its part in the contest, which is free to be anything."""
    files = reference("contest")
    return [
        Subject("mutant", mutant.name, file, files | {file: mutant.source.encode()}, only, cases(seed, file))
        for file, only in PARTS.items()
        for mutant in mutants(file, files[file].decode())
    ]


def wrong_by_students(seed: str) -> list[Subject]:
    """The catalogue, in its order. (What a mistake loses in training stands in its patch, and is tested there.)"""
    return [
        Subject("mistake", patch.id, patch.file, patch.files, PARTS[patch.file], cases(seed, patch.file))
        for patch in load_all()
        if set(patch.loses).intersection(PARTS[patch.file])
    ]


def cases(seed: str, file: str) -> tuple[str, str]:
    """The public cases that ship, and hidden ones."""
    return "public", f"{seed}, hidden cases of {file}"


def right(seed: str) -> tuple[list[Subject], list[Subject]]:
    """Every accepted submission on the exact parts for many seeds, and a few on all parts for two; on part 8, who has
    it."""
    found = {path.parent.name: path.parent for path in sorted(ACCEPTED.glob("*/scheduler.py"))}
    files = {n: reference() | {f.name: f.read_bytes() for f in path.glob("*.py")} for n, path in found.items()}
    whole = sorted(found, key=lambda name: not (found[name] / "infer.py").exists())[:VARIANTS_OF_ALL]
    but = {n: ("contest",) if b"FlowMatchScheduler" in files[n]["scheduler.py"] else PART_8 for n in found}
    exact = [
        Subject("right", name, "", files[name], without(but[name], checks.EXACT), (f"{seed}, {n}", None))
        for n in range(SEEDS)
        for name in found
    ]
    every = [
        Subject("right", name, "", files[name], without(but[name], checks.PARTS), (f"{seed}, all parts, {n}", None))
        for n in range(SEEDS_OF_ALL)
        for name in whole
    ]
    return exact, every


def without(left_out: Collection[str], parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(part for part in parts if part not in left_out)


def cheap(seed: str) -> list[Subject]:
    """Each program with as little as possible in it, without training, which would earn it nothing and takes long."""
    only = without(["training"], checks.PARTS)
    return [
        Subject("cheap", path.name, "", {f.name: f.read_bytes() for f in path.glob("*.py")}, only, cases(seed, "cheap"))
        for path in sorted(CHEAP.iterdir())
        if path.is_dir()
    ]


def unearned(submissions: Iterable[Subject], rubric: Rubric) -> dict[str, tuple[float, float]]:
    """{name: (points, points for other checks than those that it answers rightly by all means)}."""
    right = {name: entry["right"] for name, entry in tomllib.loads((CHEAP / "expectations.toml").read_text()).items()}
    found = {}
    for one in submissions:
        assert one.verdicts is not None  # it is graded
        passed = [e for e in rubric.checks.values() if e.part in one.only and e.id not in one.verdicts]
        points = sum(entry.points for entry in passed)
        found[one.name] = points, points - sum(entry.points for entry in passed if entry.id in right[one.name])
    return found


def seed_of(path: Path) -> str:
    """The seed that this run draws its hidden cases from, kept for the runs that continue it."""
    if not path.exists():
        write(path, secrets.token_hex(4))
    return path.read_text(encoding="utf-8")


def commit() -> str:
    """The commit that is measured, and whether the tree differs from it."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=, with changes that are not committed"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return said.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown (no git here)"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser.add_argument("--workers", type=int, default=cores, help="how many to grade at once; one per core")
    options = parser.parse_args()
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    seed = seed_of(BUILD / "seed")
    wrong, known, (exact, every) = wrong_by_machine(seed), wrong_by_students(seed), right(seed)
    little, rubric = cheap(seed), Rubric.load(whole=True)
    measured = commit()
    with (
        Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=console) as progress,
        Trials(BUILD / "results", kit(rubric), rubric, options.workers, progress) as run,
    ):
        for file in PARTS:
            run.grade(f"Mutants of {file}", [one for one in wrong if one.file == file])
            run.grade(f"Known mistakes in {file}", [one for one in known if one.file == file])
        run.grade("Right ones, exact parts", exact)
        run.grade("Right ones, all parts", every)
        run.grade("Cheap programs", little)
        run.compare("Mutants like known mistakes", wrong, known)
    survivors = Survivors.load()
    text, problems = render(measured, seed, wrong, known, exact, every, survivors, unearned(little, rubric))
    write(PAGE, text)
    console.print(f"Written: {PAGE.name}", *problems, sep="\n", style=None, markup=False, highlight=False)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
