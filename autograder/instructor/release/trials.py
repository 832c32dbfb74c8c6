"""Proofs that run: an unpacked bundle is graded where it lies, as a student or Gradescope would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from .leaks import NotProven

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def the_starter_scores_0(folder: Path) -> str:
    """What is handed out earns nothing, and nothing of it fails in another way than by not being written yet."""
    results = graded(folder)
    verdicts = {test["extra_data"]["verdict"] for test in results["tests"]}
    if results["score"] != 0 or verdicts != {"not_implemented"}:
        raise NotProven(f"it scores {results['score']:g}, with the verdicts {', '.join(sorted(verdicts))}")
    return f"0 of {results['max_score']:g} points, {len(results['tests'])} checks not implemented"


def the_reference_scores_full_marks(folder: Path, reference: Mapping[str, bytes], hidden: bool = False) -> str:
    """The reference, dropped into the bundle, earns every point there is: of the public cases, or of all.

    reference  its files by name
    hidden     whether the bundle must know hidden cases; else it must know none
    """
    for name, data in reference.items():
        (folder / "assignment" / name).write_bytes(data)
    results = graded(folder)
    lost = [test["extra_data"]["id"] for test in results["tests"] if test["score"] != test["max_score"]]
    everything = sum(test["max_score"] for test in results["tests"])
    on_top = sum(test["max_score"] for test in results["tests"] if "bonus" in test["extra_data"])
    if lost or results["score"] != everything or not results["max_score"] == everything - on_top > 0:
        raise NotProven(f"it scores {results['score']:g} of {results['max_score']:g}; lost: {', '.join(lost)}")
    if results["extra_data"]["complete"] is not hidden or results["extra_data"]["provisional"] is hidden:
        raise NotProven(f"the bundle graded {'without' if hidden else 'with'} hidden cases")
    cases = "public and hidden cases" if hidden else "public cases"
    return f"{results['score']:g} of {results['max_score']:g} points, {cases}"


def the_stripped_files_import(folder: Path) -> str:
    """scheduler.py imports, infer.py, where it is asked for, stops at its TODO and nowhere else, and the bundle's own
    autograder is used. So do the given programs import."""
    assignment = folder / "assignment"
    given = sorted({path.stem for path in assignment.glob("*.py")} - {"infer"})
    said = {
        "autograder": python(folder, "-c", "import autograder; print(autograder.__file__)"),
        "scheduler.py": python(assignment, "-c", f"import {', '.join(given)}"),
        "infer.py": python(assignment, "infer.py"),
    }
    if not said["autograder"].stdout.startswith(str(folder)):
        raise NotProven(f"the autograder is not its own, but {said['autograder'].stdout.strip()}")
    if said["scheduler.py"].returncode:
        raise NotProven(f"scheduler.py does not import: {last_line(said['scheduler.py'].stderr)}")
    if not (assignment / "infer.py").exists():
        return f"{len(given)} modules import"
    if not last_line(said["infer.py"].stderr).startswith("NotImplementedError: TODO"):
        raise NotProven(f"infer.py does not stop at its TODO: {last_line(said['infer.py'].stderr)}")
    return f"{len(given)} modules import; infer.py stops at its TODO"


def graded(folder: Path) -> dict[str, Any]:
    """results.json of what lies in assignment/ of an unpacked bundle. Raises NotProven where there is none."""
    ended = python(folder, "-m", "autograder", "grade", "assignment", "--out", "results", "--device", "cpu")
    if ended.returncode:
        raise NotProven(f"grading ended with exit status {ended.returncode}: {last_line(ended.stderr)}")
    return json.loads((folder / "results" / "results.json").read_text(encoding="utf-8"))


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python there, with an environment that leads to no other copy of the kit."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment = kept | {"PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["nothing was said"])[-1]
