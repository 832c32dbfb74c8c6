"""The checks without the box, for benchmarks only: student code in this process, with everything it should not see.

Also a pytest file: `SUBMISSION=path pytest autograder/instructor/authoring/unboxed.py` is the plain way to
grade: a pytest process per submission that imports the student's file and makes the same comparisons.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ... import checks
from ...box.inside import wire
from ...expect import Expect
from ...expectations import Expectations
from ...paths import HIDDEN, PACKAGE, PUBLIC
from ...rubric import Rubric
from ...student import Student, Training, parcel

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np


class Unboxed(Student):
    """A Student whose calls happen here and now."""

    def __init__(self, folder: Path) -> None:
        sys.modules["wire"] = wire  # the worker knows it by this name
        sys.path.insert(0, str(PACKAGE / "box" / "inside"))
        from worker import StudentCode

        sys.path.insert(0, str(folder))
        self.limits, self.trained_on = Rubric.load().limits, []
        self.gpu = None
        self.code = StudentCode(str(folder))
        self.code.load("scheduler")

    def load(self) -> None:
        pass

    def ask(self, shown: str, request: str, *arguments: Any, seconds: float | None = None) -> Any:
        try:
            return getattr(self.code, request)(*arguments)
        except Exception as error:
            types = [cls.__name__ for cls in type(error).__mro__]
            raise self.exception(shown, {"types": types, "text": error, "line": 0}) from error

    def apart(self, shown: str, request: str, *arguments: Any, **_: Any) -> Any:
        return self.ask(shown, request, *arguments)

    def training(self, settings: dict[str, Any], digits: np.ndarray, device: str = "cpu", **_: Any) -> Training:
        return Training(self, device, self.piece("training", settings, parcel(digits), device))

    def forget(self) -> None:
        """Make room for the next submission's scheduler.py."""
        sys.path.remove(self.code.folder)
        del sys.modules["scheduler"]


IDS = [id for id in Rubric.load().checks if id.split(".")[0] in checks.EXACT]


def expectations() -> list[Expectations]:
    return [Expectations.load(path) for path in (PUBLIC, HIDDEN)]


def run(id: str, student: Student, recorded: Iterable[Expectations], rubric: Rubric) -> None:
    for public, expectations in zip((True, False), recorded, strict=True):
        expect = Expect(expectations, id, rubric.checks[id].tolerance, public=public)
        checks.run(id, student, expect)


if "SUBMISSION" in os.environ:

    @pytest.fixture(scope="module")
    def student() -> Unboxed:
        return Unboxed(Path(os.environ["SUBMISSION"]))

    @pytest.fixture(scope="module")
    def recorded() -> list[Expectations]:
        return expectations()

    @pytest.mark.parametrize("id", IDS)
    def test_check(id: str, student: Unboxed, recorded: list[Expectations]) -> None:
        run(id, student, recorded, Rubric.load())
