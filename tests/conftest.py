"""What the tests share: one box with a warm parent, and expectations of two seeds."""

import os
from collections import Counter
from dataclasses import replace

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: threads that wait for each other crawl on busy cores

import pytest
from courses import TO_5
from filelock import FileLock

from autograder.box import Box
from autograder.expectations import Expectations
from autograder.files import write
from autograder.grading import grade as grade_submission
from autograder.instructor.authoring.recording import file_of, record
from autograder.paths import PUBLIC
from autograder.rubric import Rubric


def pytest_collection_modifyitems(items):
    """Files in an order that keeps two workers busy: the longest first, which records the hidden cases; then, for who
    would have to wait for them, all that need none; then the others, small ones last."""
    needs = Counter(item.path for item in items if "hidden" in item.fixturenames)
    order = {path: number for number, (path, _count) in enumerate(needs.most_common())}
    items.sort(key=lambda item: order.get(item.path, 0.5))


@pytest.fixture(scope="session")
def rubric():
    """With all parts, those that are off as it ships as a bonus."""
    return Rubric.load(whole=True)


@pytest.fixture(scope="session")
def shipped():
    """As the kit ships."""
    return Rubric.load()


@pytest.fixture(scope="session")
def box(rubric):
    with Box(rubric.limits) as box:
        yield box


@pytest.fixture(scope="session")
def public():
    return Expectations.load(PUBLIC)


@pytest.fixture(scope="session")
def hidden(box, rubric, tmp_path_factory):
    """Expectations of another seed, recorded once for all workers of pytest-xdist."""
    folder = tmp_path_factory.getbasetemp()
    path = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "hidden.safetensors"
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            write(path, file_of(record(box, rubric, "a test seed")))
    return Expectations.load(path)


@pytest.fixture
def grade(box, rubric, public, hidden, tmp_path):
    """grade(submission, **limits) -> GradeRecord, on public and hidden cases, or on public ones only.

    submission  a path, {name: bytes} of the files, or a whole scheduler.py as text
    only        the parts to run; those of parts 1 to 5 that run no program by default
    asked       a Rubric that asks for other things
    limits      of the rubric, changed for this grade
    """

    def grade(submission, public_only=False, only=TO_5, asked=rubric, **limits):
        if isinstance(submission, str):
            submission = {"scheduler.py": submission.encode()}
        if isinstance(submission, dict):
            files, submission = submission, tmp_path / "submission"
            submission.mkdir(exist_ok=True)
            for name, content in files.items():
                (submission / name).write_bytes(content)
        changed = replace(asked, limits=asked.limits | limits)
        return grade_submission(submission, box, changed, public, None if public_only else hidden, only)

    return grade
