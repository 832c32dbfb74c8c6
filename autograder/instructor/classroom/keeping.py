"""What is known of each student, kept on disk: a run that was killed goes on from here.

One file per student (store.py) is written whenever a stage of grading ends. It says what the grade depends on, so that
one of another submission, kit or seed is never taken for the present one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ... import checks
from ...grading import Found
from ...record import UNGRADED, CheckResult

if TYPE_CHECKING:
    from ...rubric import Rubric


@dataclass
class Kept:
    """What is kept of one student.

    depends  what the grade depends on: digests of the submission, the kit and the rubric's points, fingerprint of the
             seed
    name     of the submission: the student, and of an earlier hand-in its digest behind a ~
    notes    about what was handed in
    refused  why nothing was run, or ""
    failed   why grading broke off, or "": a fault of ours
    done     names of the stages that were run
    """

    depends: dict[str, str]
    name: str
    notes: list[str]
    refused: str = ""
    failed: str = ""
    done: list[str] = field(default_factory=list)
    found: Found = field(default_factory=Found)

    @property
    def student(self) -> str:
        return self.name.partition("~")[0]

    def missing(self, parts: Collection[str]) -> list[checks.Stage]:
        """The stages that are still to be run, to have these parts."""
        stages = () if self.refused else checks.STAGES
        return [stage for stage in stages if set(stage.parts) & set(parts) and stage.name not in self.done]

    @property
    def parts(self) -> set[str]:
        """The parts that were run, in all their cases or some."""
        return {part for stage in checks.STAGES if stage.name in self.done for part in stage.parts}

    def changed(self, now: Kept) -> list[str]:
        """Names of what another Kept depends on, and this one not."""
        return [name for name, value in now.depends.items() if self.depends.get(name) != value]

    def repriced(self, depends: dict[str, str], rubric: Rubric) -> Kept:
        """The same findings, with the points and titles of another rubric."""

        def at_new_prices(results: dict[str, CheckResult]) -> dict[str, CheckResult]:
            priced = ((rubric.checks[id], result) for id, result in results.items() if id in rubric.checks)
            return {
                entry.id: dataclasses.replace(result, max_points=entry.points, title=entry.title, bonus=entry.bonus)
                for entry, result in priced
            }

        results, waiting = at_new_prices(self.found.results), at_new_prices(self.found.waiting)
        found = dataclasses.replace(self.found, results=results, waiting=waiting)
        return dataclasses.replace(self, depends=depends, found=found)

    @property
    def broken(self) -> bool:
        """Whether it has to be graded again, as something of ours failed."""
        return bool(self.failed) or any(result.verdict == UNGRADED for result in self.found.results.values())
