"""What the tests share: one box with a warm parent, and expectations of two seeds."""

import pytest

from autograder import checks
from autograder.box import Box
from autograder.expected import Expectations
from autograder.grading import grade as grade_submission
from autograder.paths import PUBLIC
from autograder.rubric import Rubric
from autograder.tools.record import record


@pytest.fixture(scope="session")
def rubric():
    return Rubric.load()


@pytest.fixture(scope="session")
def box(rubric):
    with Box(rubric.limits) as box:
        yield box


@pytest.fixture(scope="session")
def public():
    return Expectations.load(PUBLIC, checks.version())


@pytest.fixture(scope="session")
def hidden(box, rubric):
    return record(box, rubric, "a test seed")


@pytest.fixture
def grade(box, rubric, public, hidden):
    """grade(path) -> GradeRecord, on public and hidden cases."""
    return lambda path: grade_submission(path, box, rubric, public, hidden)
