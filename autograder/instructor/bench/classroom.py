"""What grading a class costs, beside the sequential commands of others: `make bench-class`.

A class is made of what the tests hold: right submissions in many styles, known mistakes (few common, many rare),
unfinished ones, and one in twenty broken or hostile. Each peer grades the same work with the same comparisons, the ones
of the exact parts, in the way its own manual describes and with a cell, a test or an item for each check.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ... import checks
from ...paths import ROOT
from ...rubric import Rubric
from ..authoring import patches, unboxed

TESTS = ROOT / "tests" / "submissions"
# What ends by itself: those that hang are reported apart.
BROKEN = ("syntax_error", "sys_exit", "os_exit_inside", "segfault", "print_flood", "memory_bomb", "fork_bomb_small",
          "forged_prints", "nan_output", "wrong_signature", "returns_numpy", "absent_import")  # fmt: skip
HANGING = ("infinite_loop", "sleeps", "infinite_loop_at_import", "swallow_everything")
REGION = re.compile(r"( *)### BEGIN SOLUTION\n +# TODO (\d\.\d).*?### END SOLUTION\n", re.DOTALL)
Made = Sequence[tuple[str, dict[str, bytes]]]  # (kind, {name: bytes}) of each submission
SHARES = {"right": 0.5, "mistaken": 0.35, "unfinished": 0.1, "broken": 0.05}


def students(size: int, seed: int = 0, broken: Sequence[str] = BROKEN) -> Made:
    """A class, always the same one."""
    rng = random.Random(seed)
    folders = sorted(path.parent for path in TESTS.glob("accepted/*/scheduler.py"))
    right = [{file.name: file.read_bytes() for file in folder.glob("*.py")} for folder in folders]
    mistakes = patches.load_all()
    rng.shuffle(mistakes)
    common = [1 / (n + 1) for n in range(len(mistakes))]  # few are made by many, and many by few
    made = []
    for kind, share in SHARES.items():
        for n in range(round(share * size)):
            files = patches.reference()
            if kind == "right":
                files |= right[n % len(right)]
            elif kind == "mistaken":
                files = rng.choices(mistakes, common)[0].files
            elif kind == "unfinished":
                files["scheduler.py"] = unfinished(files["scheduler.py"].decode(), rng).encode()
            else:
                files |= broken_files(broken[n % len(broken)])
            made.append((kind, files))
    rng.shuffle(made)
    return made


def unfinished(source: str, rng: random.Random) -> str:
    """The reference up to some TODO, and the skeleton from there on."""
    return written(source, rng.randrange(len(REGION.findall(source))))


def written(source: str, start: int) -> str:
    """The reference in so many of its TODOs, and the skeleton in the others."""
    regions = iter(range(len(source)))

    def left(region: re.Match[str]) -> str:
        return region[0] if next(regions) < start else f'{region[1]}raise NotImplementedError("TODO {region[2]}")\n'

    return REGION.sub(left, source)


def broken_files(name: str) -> dict[str, bytes]:
    """The files of one of the tests' broken submissions."""
    if (TESTS / "broken" / name).is_dir():
        return {file.name: file.read_bytes() for file in (TESTS / "broken" / name).glob("*.py")}
    data = tomllib.loads((TESTS / "broken" / f"{name}.toml").read_text(encoding="utf-8"))
    file = data.get("file", "scheduler.py")
    return {file: patches.apply(patches.reference()[file].decode(), data["replace"], name).encode()}


def hand_in(made: Made, folder: Path) -> None:
    """Write each into a folder of its own, as a platform would."""
    for n, (_, files) in enumerate(made):
        path = Path(folder, f"student{n:04d}")
        path.mkdir(parents=True)
        for name, data in files.items():
            (path / name).write_bytes(data)


# ----- the same work, graded by others ------------------------------------------------------------------------------

IDS = [id for id in Rubric.load().checks if id.split(".")[0] in checks.EXACT]
# What their tests run first: the student's names as a module, and one function that makes the comparisons of a check.
SETUP = f"""
import sys, types
sys.path.insert(0, {str(ROOT)!r})
from autograder.rubric import Rubric
from autograder.instructor.authoring import unboxed

def student_of(names):
    sys.modules["scheduler"] = types.ModuleType("scheduler")
    vars(sys.modules["scheduler"]).update(names)
    return unboxed.Unboxed(".")

def run(id, student):
    unboxed.run(id, student, unboxed.expectations(), Rubric.load())
"""


@dataclass
class Cost:
    """Seconds for `number` submissions, and how many checks were passed in all."""

    name: str
    number: int
    wall: float
    cpu: float
    passed: int

    def __add__(self, other: Cost) -> Cost:
        sums = (getattr(self, name) + getattr(other, name) for name in ("number", "wall", "cpu", "passed"))
        return Cost(self.name, *sums)


def cost(
    name: str, number: int, commands: Sequence[Sequence[str | Path]], passed: Callable[[], int], **options
) -> Cost:
    """Run commands one after another, and wait for all that they start.

    passed   counts afterwards how many checks were passed
    options  of subprocess.Popen
    """
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    boxes = {}
    for command in commands:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
        while process.poll() is None:
            boxes |= cpu_of_boxes(process.pid)
            time.sleep(0.1)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(name, number, wall, cpu + sum(boxes.values()), passed())


def cpu_of_boxes(pid: int) -> dict[int, float]:
    """{process: CPU seconds of it and of what it has reaped}, of the boxes' warm parents below a process: bubblewrap,
    which they run under, does not pass on what they used. Their forks look like them, and are among what they reap."""
    found, above = {}, {}
    for each in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            program = " ".join(each.cmdline())
            if "box/inside/parent.py" in program and "bwrap" not in program:
                found[each.pid], above[each.pid] = sum(each.cpu_times()[:4]), each.ppid()
    return {each: seconds for each, seconds in found.items() if above[each] not in found}


def environment(folder: Path, package: str) -> Path:
    """The programs of a virtual environment with a package of its own, and this one's torch. Kept between runs."""
    programs = folder / "bin"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([programs / "pip", "install", "--quiet", package], check=True)
        packages = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
        Path(packages, "zz-torch.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
        (folder / "ready").touch()
    return programs


def ours(made: Made, folder: Path, name: str = "make class") -> Cost:
    """The class run, from nothing: workers, boxes and pages too."""
    hand_in(made, folder / "subs")
    command = [
        sys.executable,
        "-m",
        "autograder.instructor.classroom",
        "grade",
        folder / "subs",
        "--class",
        folder / "class",
    ]

    def passed() -> int:
        results = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("class/results/*/results.json")]
        assert len(results) == len(made)
        return sum(test["status"] == "passed" for result in results for test in result["tests"])

    return cost(name, len(made), [[*map(str, command), "--exact", "--device", "cpu"]], passed, cwd=ROOT)


def hanging(made: Made, folder: Path) -> Cost:
    """The same for those that are ended by a limit of time."""
    return ours(made, folder, "make class, four that hang")


def pytest(made: Made, folder: Path) -> Cost:
    """A process per submission."""
    hand_in(made, folder / "subs")
    commands = []
    for n in range(len(made)):
        setting = f"SUBMISSION={folder}/subs/student{n:04d}"
        report = f"--junit-xml={folder}/{n}.xml"
        commands.append(
            ["env", setting, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", report, unboxed.__file__]
        )

    def passed() -> int:
        count = 0
        for n in range(len(made)):
            suite = ElementTree.parse(folder / f"{n}.xml").find("testsuite")
            assert suite is not None  # pytest writes one
            count += int(suite.attrib["tests"]) - int(suite.attrib["failures"]) - int(suite.attrib["errors"])
        return count

    return cost("pytest, a process each", len(made), commands, passed, cwd=ROOT)


def nbgrader(made: Made, folder: Path, programs: Path) -> Cost:
    """`nbgrader autograde`: a cell with the student's code, one locked cell for each check, a kernel per submission."""
    import nbformat
    from nbformat import NotebookNode
    from nbformat.v4 import new_code_cell, new_notebook

    def notebook(code: str) -> NotebookNode:
        cells = [new_code_cell(code, id="solution", metadata={"nbgrader": settings("solution", False)})]
        for n, id in enumerate(IDS):
            source = f"{SETUP}\nstudent = student_of(globals())\n" if n == 0 else ""
            cell = new_code_cell(f"{source}run({id!r}, student)", id=id.replace(".", "-"))
            cell.metadata["nbgrader"] = settings(id.replace(".", "-"), True) | {"points": 1}
            cells.append(cell)
        kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
        return new_notebook(cells=cells, metadata={"kernelspec": kernel})

    def settings(id: str, test: bool) -> dict[str, Any]:
        base = {"grade_id": id, "schema_version": 3, "solution": not test, "locked": test, "grade": test, "task": False}
        return base

    source = folder / "source" / "homework" / "hw.ipynb"
    source.parent.mkdir(parents=True)
    nbformat.write(notebook("pass"), source)
    for n, (_, files) in enumerate(made):
        path = folder / "submitted" / f"student{n:04d}" / "homework" / "hw.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook(files["scheduler.py"].decode()), path)
    env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    prepare = [programs / "nbgrader", "generate_assignment", "homework", "--create", "--force"]
    subprocess.run(prepare, cwd=folder, env=env, check=True, capture_output=True)

    def passed() -> int:
        # pyrefly: ignore[bad-assignment]  # as version 4 they are no lists
        graded: list[NotebookNode] = [nbformat.read(path, 4) for path in folder.glob("autograded/*/homework/hw.ipynb")]
        assert len(graded) == len(made)
        return sum(not any(o.output_type == "error" for o in cell.outputs) for nb in graded for cell in nb.cells[1:])

    return cost(
        "nbgrader autograde", len(made), [[programs / "nbgrader", "autograde", "homework"]], passed, cwd=folder, env=env
    )


def otter(made: Made, folder: Path, programs: Path) -> Cost:
    """`otter run`, once per submission: it grades one at a time where there are no containers."""
    tests = folder / "tests"
    tests.mkdir(parents=True)
    for id in IDS:
        name = id.replace(".", "_")
        head = f"from otter.test_files import test_case\n{SETUP}\nOK_FORMAT = False\nname = {name!r}\npoints = 1\n"
        check = f"@test_case()\ndef check(env):\n    run({id!r}, student_of(env))\n"
        (tests / f"{name}.py").write_text(f"{head}\n{check}", encoding="utf-8")
    archive = folder / "autograder.zip"
    subprocess.run(
        [programs / "otter", "generate", "-t", tests, "--lang", "python", "-o", archive],
        check=True,
        capture_output=True,
    )
    commands = []
    for n, (_, files) in enumerate(made):
        (folder / str(n)).mkdir()
        (folder / str(n) / "scheduler.py").write_bytes(files["scheduler.py"])
        commands.append(
            [
                programs / "otter",
                "run",
                "--no-logo",
                "-a",
                archive,
                "-o",
                folder / str(n),
                folder / str(n) / "scheduler.py",
            ]
        )

    def passed() -> int:
        results = [json.loads((folder / str(n) / "results.json").read_text(encoding="utf-8")) for n in range(len(made))]
        return sum(test.get("score", 0) > 0 for result in results for test in result["tests"])

    return cost("otter run", len(made), commands, passed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--size", type=int, default=300, help="students in the class")
    parser.add_argument("--sample", type=int, default=20, help="how many of them each peer grades")
    options = parser.parse_args()
    console, environments = Console(), ROOT / "build" / "bench"
    with console.status("Building the environments of nbgrader and otter-grader"):
        programs = {name: environment(environments / name, name) for name in ("nbgrader", "otter-grader")}
    peers: dict[str, Callable[[Made, Path], Cost]] = {
        "pytest": pytest,
        "nbgrader": lambda made, folder: nbgrader(made, folder, programs["nbgrader"]),
        "otter": lambda made, folder: otter(made, folder, programs["otter-grader"]),
    }
    made = students(options.size)
    # A memory bomb or a segmentation fault ends a peer's process or this machine, so they get none of these.
    sample = [one for one in made if one[0] != "broken"][: options.sample]
    halves = sample[: len(sample) // 2], sample[len(sample) // 2 :]
    jobs = [(name, peer, halves[0]) for name, peer in peers.items()]
    jobs += [("class", ours, made), ("hanging", hanging, [("broken", broken_files(name)) for name in HANGING])]
    jobs += [(name, peer, halves[1]) for name, peer in peers.items()]  # a machine that slows down or speeds up hits all
    costs: dict[str, Cost] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for n, (name, measure, submissions) in enumerate(track(jobs, "Grading", console=console, transient=True)):
            found = measure(submissions, Path(scratch) / f"{name}{n}")
            costs[name] = costs[name] + found if name in costs else found
    report(console, costs)


def report(console: Console, costs: Mapping[str, Cost]) -> None:
    """Wall time and CPU time of one submission, and how many times that of the class run."""
    table = Table("", "submissions", "checks passed, each", "wall, each", "", "CPU, each", "", box=None)
    base = costs["class"]
    for one in costs.values():
        each = [one.wall / one.number, one.cpu / one.number]
        times = [each[0] / (base.wall / base.number), each[1] / (base.cpu / base.number)]
        cells = [f"{each[0]:.3f} s", f"{times[0]:.1f} x", f"{each[1]:.3f} s", f"{times[1]:.1f} x"]
        table.add_row(one.name, str(one.number), f"{one.passed / one.number:.1f}", *cells)
    console.print(table, f"The class in all: {base.wall:.0f} s, workers, boxes and pages included.")


if __name__ == "__main__":
    main()
