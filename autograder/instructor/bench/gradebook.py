"""`make bench`: what the gradebook costs per submission, beside nbgrader as it comes, in turn and in one process.

Ours reads, restores and saves the whole report, and no student code runs. nbgrader's own Execute gets a notebook of
three cells that do next to nothing: the report itself would run for minutes, for each student.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.apps import NbGraderAPI
from rich.console import Console
from rich.progress import track
from rich.table import Table
from traitlets.config import Config

from ...paths import ASSIGNMENT
from ...record import PASSED, CheckResult, GradeRecord
from ...reports import gradescope
from ...rubric import Rubric
from ..gradebook.course import Course, metadata, quiet
from ..gradebook.filling import fill
from ..gradebook.results import feedback, grades
from ..handins.collecting import collect

if TYPE_CHECKING:
    from ..handins.collecting import ClassList, HandedIn

STUDENTS = 20
Entry = TypeVar("Entry")


def main() -> None:
    rubric = Rubric.load()
    seconds: dict[str, list[tuple[float, float]]] = {"ours": [], "again": [], "stock": [], "feedback": []}
    with tempfile.TemporaryDirectory() as folder:
        ours, stock = Path(folder, "class"), Path(folder, "stock")
        handed_in = a_class(ours, rubric)
        api = nbgrader_as_it_comes(stock, [entry.student for entry in handed_in])

        def in_turn(entries: Iterable[HandedIn]) -> Iterator[HandedIn]:
            for entry in track(entries, "Grading each two ways", transient=True):
                yield from clocked([entry], seconds["ours"])
                for student in clocked([entry.student], seconds["stock"]):
                    with quiet(), silent():
                        assert api.autograde("stock", student)["success"]

        assert fill(ours, handed_in, rubric, show=in_turn).done == STUDENTS
        assert fill(ours, handed_in, rubric, show=lambda all: clocked(all, seconds["again"])).same == STUDENTS
        feedback(ours, grades(ours, handed_in, rubric), lambda all: clocked(all, seconds["feedback"]))
    table = Table("one submission", "median", "median of CPU", box=None)
    for name, key in (
        ("points, answers and text of the record into the gradebook", "ours"),
        ("the same when nothing changed", "again"),
        ("nbgrader autograde with Execute, three cells", "stock"),
        ("feedback", "feedback"),
    ):
        table.add_row(name, *(f"{statistics.median(column):.3f} s" for column in zip(*seconds[key], strict=True)))
    Console().print(table, f"{STUDENTS} submissions, in one process.")


def clocked(entries: Iterable[Entry], seconds: list[tuple[float, float]]) -> Iterator[Entry]:
    """Yield the entries, and note seconds, wall and CPU, of what is done with each."""
    for entry in entries:
        started, spent = time.perf_counter(), cpu()
        yield entry
        seconds.append((time.perf_counter() - started, cpu() - spent))


@contextmanager
def silent() -> Generator[None]:
    """Kernels warn on the screen of whoever started them."""
    screen = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        yield
    os.dup2(screen, 2)
    os.close(screen)


def cpu() -> float:
    """CPU seconds of this process, and of the kernels that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def a_class(folder: Path, rubric: Rubric) -> ClassList:
    """A class of students without an answer, but with all points of the other parts."""
    checks = [CheckResult(each.id, each.part, each.title, each.points, PASSED) for each in rubric.checks.values()]
    results = gradescope.render(GradeRecord("", checks, True, False, [], {}), Rubric.load())
    for number in range(STUDENTS):
        student = folder / "download" / f"s{number:02}"
        student.mkdir(parents=True)
        (student / "scheduler.py").write_text("")
        (student / "report.ipynb").write_bytes((ASSIGNMENT / "report.ipynb").read_bytes())
        path = Course(folder).results(student.name)
        path.parent.mkdir(parents=True)
        path.write_text(results)
    return collect(folder / "download", folder / "submissions")


def nbgrader_as_it_comes(folder: Path, students: Iterable[str]) -> NbGraderAPI:
    """nbgrader without any configuration of ours, an assignment of three cells, and what students handed in."""
    answer, test = new_code_cell("x = 1"), new_code_cell("assert x == 1")
    answer.metadata.nbgrader = metadata("answer") | {"locked": False, "solution": True}
    test.metadata.nbgrader = metadata("test", grade=True) | {"points": 1}
    text = nbformat.writes(new_notebook(cells=[new_code_cell("import json"), answer, test]))
    for path in ("source/stock", *(f"submitted/{student}/stock" for student in students)):
        Path(folder, path).mkdir(parents=True)
        Path(folder, path, "notebook.ipynb").write_text(text)
    config = Config()
    config.CourseDirectory.root, config.CourseDirectory.course_id = str(folder), "stock"
    config.ClearSolutions.enforce_metadata = False
    config.Exchange.root = str(folder)
    with quiet():
        api = NbGraderAPI(config=config)
        api.log_level = "ERROR"
        done = api.generate_assignment("stock")
    assert done["success"], json.dumps(done)
    return api


if __name__ == "__main__":
    main()
