"""assignment/ is what the tool makes of solution/, and the tool fails closed."""

import importlib.util
import re

import pytest

from autograder.instructor.authoring import skeleton
from autograder.instructor.authoring.course import Course
from autograder.paths import ROOT
from autograder.rubric import Rubric

REGION = """
def f():
    ### BEGIN SOLUTION
    # TODO 1.1: the answer
    return 42
    ### END SOLUTION
"""


def test_assignment_is_up_to_date():
    for name, content in skeleton.in_every_language(Course(Rubric.load())).items():
        same = (ROOT / "assignment" / name).read_bytes() == content
        assert same, f"assignment/{name} has drifted: run `make skeleton`"


def test_assignment_holds_nothing_else():
    folder = ROOT / "assignment"
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    made = skeleton.in_every_language(Course(Rubric.load()))
    assert {name for name in there if "__pycache__" not in name} == set(made)


def test_every_region_becomes_a_todo_that_raises():
    text = skeleton.strip(REGION)
    assert "42" not in text
    assert "    # TODO 1.1: the answer\n" in text
    with pytest.raises(NotImplementedError, match=r"TODO 1\.1"):
        exec(text + "f()", {})


def test_no_line_of_an_answer_is_left():
    solution = Course.whole().text((ROOT / "solution" / "scheduler.py").read_text(), "scheduler.py")
    regions = re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", solution, re.S)
    outside = re.sub(r"### BEGIN SOLUTION\n.*?### END SOLUTION", "", solution, flags=re.S)
    answers = {line.strip() for region in regions for line in region.splitlines() if "TODO" not in line}
    answers -= {line.strip() for line in outside.splitlines()}
    starter = {line.strip() for line in (ROOT / "assignment" / "scheduler.py").read_text().splitlines()}
    assert len(answers) > 40
    assert not answers & starter


def test_starter_imports_and_builds_nothing():
    spec = importlib.util.spec_from_file_location("starter", ROOT / "assignment" / "scheduler.py")
    starter = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(starter)
    with pytest.raises(NotImplementedError):
        starter.DDPMScheduler()
    with pytest.raises(ValueError, match="linear, scaled_linear, cosine"):
        starter.DDPMScheduler(beta_schedule="quadratic")


@pytest.mark.parametrize(
    "broken",
    [
        REGION.replace("BEGIN SOLUTION", "BEGIN SOLUTON"),
        REGION.replace("BEGIN SOLUTION", "begin solution"),
        REGION.replace("END SOLUTION", "end solution"),
        REGION.replace("### BEGIN", "## BEGIN"),
        REGION.replace("### END SOLUTION", ""),
        REGION.replace("### BEGIN SOLUTION", ""),
        REGION.replace("### BEGIN SOLUTION\n", "### BEGIN SOLUTION\n    ### BEGIN SOLUTION\n"),
        REGION.replace("### BEGIN SOLUTION", "x = 1  ### BEGIN SOLUTION"),
        REGION.replace("    # TODO 1.1: the answer\n", ""),
        REGION + REGION.replace("BEGIN SOLUTION", "Begin Solution").replace("END SOLUTION", "End Solution"),
        "def f():\n    return 42\n",
    ],
    ids="misspelled lower-begin lower-end two-hashes lone-begin lone-end nested after-code no-todo mixed none".split(),
)
def test_lint_fails_closed(broken):
    with pytest.raises(ValueError, match=r"file\.py"):
        skeleton.strip(broken)


@pytest.mark.parametrize("comment", ["### BEGIN SOLUTION", "    # end solution", "#Begin", "x = 1  # the solution"])
def test_a_given_file_with_a_marker_is_refused(comment):
    assert skeleton.given(b"x = 1  # plain\n", "file.py") == b"x = 1  # plain\n"
    with pytest.raises(ValueError, match=r"file\.py"):
        skeleton.given(f"{comment}\n".encode(), "file.py")


def test_no_file_is_both_stripped_and_given():
    assert not set(skeleton.FILES) & set(skeleton.GIVEN)
