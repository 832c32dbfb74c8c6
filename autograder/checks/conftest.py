"""`pytest autograder/checks --submission PATH`: the checks as pytest items, with the verdicts of `autograder grade`.

The submission is graded once, in the box; each item reports one check of the record. It is not how grades are made.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder import checks
from autograder.box.host import strongest
from autograder.expectations import Expectations
from autograder.grading import grade
from autograder.paths import HIDDEN, PUBLIC, SECRETS
from autograder.record import BLOCKED, PASSED, UNGRADED, CheckResult
from autograder.rubric import Rubric


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--submission", type=Path, help="the folder, zip or tar to grade")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Part | None:
    if file_path.stem in checks.PARTS and parent.config.getoption("submission"):
        return Part.from_parent(parent, path=file_path)
    return None


class Part(pytest.File):
    """One part of the homework."""

    def collect(self) -> Iterator[Check]:
        for id in Rubric.load().checks:
            if id.startswith(f"{self.path.stem}."):
                yield Check.from_parent(self, name=id)


class Check(pytest.Item):
    """One check of the grade record."""

    def runtest(self) -> None:
        found = results(self.config)[self.name]
        if found.verdict == BLOCKED:
            pytest.skip(found.message)
        if found.verdict == UNGRADED:
            raise RuntimeError(found.message)
        if found.verdict != PASSED:
            pytest.fail(f"{found.verdict}: {found.message}", pytrace=False)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.name


RESULTS: pytest.StashKey[dict[str, CheckResult]] = pytest.StashKey()


def results(config: pytest.Config) -> dict[str, CheckResult]:
    """The results of the submission by check id; it is graded on first use."""
    if RESULTS not in config.stash:
        rubric = Rubric.load()
        hidden = Expectations.load(HIDDEN) if HIDDEN.exists() else None
        with strongest(rubric.limits, SECRETS) as box:
            record = grade(config.getoption("submission"), box, rubric, Expectations.load(PUBLIC), hidden)
        config.stash[RESULTS] = {check.id: check for check in record.checks}
    return config.stash[RESULTS]
