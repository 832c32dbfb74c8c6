"""A student's code at work in the box: as it is, with one change, or up to a line. Nothing of it runs anywhere else."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING

from ... import checks
from ...expectations import Expectations
from ...grading import Found, conclude, run
from ...intake.submission import Submission
from ...paths import PUBLIC
from ...record import PASSED, TIMED_OUT
from ...student import Budget, Student

if TYPE_CHECKING:
    from ...box import Box
    from ...record import GradeRecord
    from ...rubric import Rubric

SCHEDULER, INFER = "scheduler.py", "infer.py"
MARK = "what a variable holds"  # comes back with its value
EXACT = checks.Stage("public", checks.EXACT)
SECONDS = 60  # of the student's time for all questions, but for the grades of changed code


class Lab:
    """The files of one student, and the box.

    Raises BoxError and OSError for what is this host's, and Failed for what is the student's.
    """

    def __init__(self, box: Box, rubric: Rubric, files: dict[str, bytes]) -> None:
        self.box, self.rubric, self.files = box, rubric, files
        self.budget = Budget(SECONDS, rubric.limits["wall_factor"])

    @cached_property
    def public(self) -> Expectations:
        return Expectations.load(PUBLIC)

    @cached_property
    def text(self) -> str:
        return as_text(self.files[SCHEDULER])

    @cached_property
    def infer(self) -> str:
        return as_text(self.files.get(INFER, b""))

    @cached_property
    def record(self) -> GradeRecord:
        """The exact parts on public cases, as the code is now."""
        return self.grade(self.files[SCHEDULER])

    def grade(self, scheduler: bytes) -> GradeRecord:
        """The same of another scheduler.py."""
        submission, found = Submission("", {SCHEDULER: scheduler}), Found()
        entries = [entry for entry in self.rubric.checks.values() if entry.part in checks.EXACT]
        run(found, self.box, self.rubric, submission, {"public": self.public}, EXACT, entries)
        return conclude(found, self.rubric, "", [], None)

    @property
    def slow(self) -> bool:
        """Whether anything of it did not return in time: then it is not run again and again."""
        return any(check.verdict == TIMED_OUT for check in self.record.checks)

    def passed(self, *ids: str) -> bool:
        """Whether the public cases of these checks pass, all of which this course has."""
        found = {check.id: check.verdict for check in self.record.checks}
        return all(found.get(id) == PASSED for id in ids)

    def at_work(self, text: str | None = None) -> AbstractContextManager[Student]:
        """A Student with these files, or with another scheduler.py."""
        files = self.files if text is None else self.files | {SCHEDULER: text.encode()}
        return Student.at_work(self.box, files, self.rubric.limits, self.budget)


def returning(text: str, first: int, last: int, name: str) -> str:
    """scheduler.py whose method ends after a statement, and returns a variable.

    first, last  lines of the statement
    """
    lines = text.split("\n")
    indentation = lines[first - 1][: -len(lines[first - 1].lstrip())]
    return "\n".join([*lines[:last], f"{indentation}return {MARK!r}, {name}", *lines[last:]])


def as_text(data: bytes) -> str:
    """A file's text, with line ends as Python counts them."""
    return data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
