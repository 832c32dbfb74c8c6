"""What is known of one student before the talk: files, record, earlier attempts, and their code at work in the box."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ...intake import parsing
from ...paths import ASSIGNMENT
from . import source
from .lab import SCHEDULER, Lab

if TYPE_CHECKING:
    from ...record import CheckResult, GradeRecord
    from .source import Change, Variable


@dataclass
class Attempt:
    """What a student handed in earlier.

    name   what to call it
    text   scheduler.py, or "" where it is not kept
    """

    name: str
    text: str
    record: GradeRecord


@dataclass
class Desk:
    """One student.

    record   of the class run, None where it has none of these files
    earlier  attempts, the oldest first
    secret   what the draw depends on beside the student
    faults   kinds of questions that could not be made, and why
    """

    student: str
    lab: Lab
    secret: str
    record: GradeRecord | None = None
    earlier: list[Attempt] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def draw(self, what: str) -> random.Random:
        """The student's own, for one kind of question: the same in every run."""
        return random.Random(f"{self.secret} {self.student} {what}")

    @cached_property
    def checks(self) -> dict[str, CheckResult]:
        """What is known of each check: of the class run, else of the public cases now."""
        found = {check.id: check for check in self.lab.record.checks}
        return found | {check.id: check for check in (self.record.checks if self.record else [])}

    @cached_property
    def places(self) -> tuple[list[Variable], list[Change]]:
        """Of source.py; none where scheduler.py cannot be read."""
        given = [line.strip() for line in (ASSIGNMENT / SCHEDULER).read_text(encoding="utf-8").split("\n")]
        try:
            variables, changes = parsing.parse(source.__name__, "places", self.lab.text, given)
        except parsing.Unparsable:
            return [], []
        return [tuple(one) for one in variables], [tuple(one) for one in changes]
