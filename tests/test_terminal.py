"""The report in a terminal: it begins with what to do next, what is finished is short, and nothing is told twice."""

import io
import re
from collections import Counter
from dataclasses import replace

import pytest
from rich.console import Console

from autograder.instructor.authoring import patches
from autograder.paths import ROOT
from autograder.record import PASSED
from autograder.reports import terminal

REFERENCE = patches.reference()["scheduler.py"].decode()
SKELETON = (ROOT / "assignment" / "scheduler.py").read_text()
# A row of the table: points, then a part or the section and the id of a check, then the verdict or another check.
ROW = re.compile(r" +([\d.]+)/([\d.]+)  ( *)(\d\.?\d?) (\S+) (.*)")


@pytest.fixture
def lines(grade, rubric):
    """lines(submission) -> those of its report, public cases only"""

    def lines(submission, **settings):
        return shown(grade(submission, public_only=True, **settings), rubric)

    return lines


def shown(record, rubric):
    drawn = io.StringIO()
    Console(file=drawn, width=500).print(terminal.render(record, rubric))
    return [line.rstrip() for line in drawn.getvalue().splitlines()]


def rows(lines):
    """[(what, verdict)] of the table, parts by their number"""
    found = [row.groups() for row in map(ROW.fullmatch, lines) if row]
    return [(where if not indent else name, rest.split("  ")[-1].strip()) for _, _, indent, where, name, rest in found]


def test_the_skeleton_is_short_and_says_where_to_begin(lines):
    told = lines(SKELETON)
    line = SKELETON[: SKELETON.index('raise NotImplementedError("TODO 1.1")')].count("\n") + 1
    assert told[0].startswith(f"Next: TODO 1.1 is not implemented yet (scheduler.py line {line}); The linear schedule")
    assert told[1].startswith("0 of 84 points. Provisional")
    assert told[-1] == "The other 16 points are in parts 5 and 6."
    linear = "follows from schedule.linear"
    assert rows(told)[1:] == [
        *((f"schedule.{name}", "not implemented") for name in ("linear", "scaled_linear", "cosine")),
        *((number, linear) for number in "2345"),
    ]
    told = " ".join(told)
    assert [told.count(f"TODO 1.{number} is") for number in (1, 2, 3)] == [1, 1, 1]


def test_todos_of_their_own_follow_from_nothing(grade):
    """Until now, whatever was not implemented was called the same error as the first TODO."""
    found = {check.id: check for check in grade(SKELETON, public_only=True).checks}
    own = ("schedule.linear", "schedule.scaled_linear", "schedule.cosine")
    assert not any(found[id].follows for id in own) and "Follows" not in "".join(found[id].output for id in own)
    assert found["forward.add_noise"].follows == ["schedule.linear"]


def test_what_is_finished_is_one_line_and_what_is_open_shows_its_checks(lines):
    told = lines(REFERENCE.replace("x0 = a * sample - b * model_output", "x0 = a * sample + b * model_output"))
    assert told[0] == "Next: look at 3.4 again, predict from v (reverse.predict_v)."
    found = rows(told)
    assert [(what, verdict) for what, verdict in found if what in "1245"] == [(n, PASSED) for n in "1245"]
    assert dict(found)["reverse.predict_v"] == "wrong" and dict(found)["reverse.step"] == PASSED
    assert any(line.strip().startswith("x0_hat has wrong values (") for line in told)


@pytest.mark.parametrize(
    "source",
    [
        SKELETON,
        REFERENCE + "\n(",
        REFERENCE.replace("return torch.linspace(beta_start, ", "return torch.linspace(2 * beta_start, "),
        REFERENCE.replace("table = self.alphas_cumprod.double()", "table = np.zeros(1)"),
        REFERENCE.replace("class DDPMScheduler:", "while True: pass\nclass DDPMScheduler:"),
    ],
    ids=["skeleton", "not imported", "a wrong table", "a missing name", "hangs"],
)
def test_nothing_is_told_twice(lines, source):
    assert source != REFERENCE
    told = lines(source, import_seconds=0.5)
    words = [line.removeprefix("Next: ").partition(";")[0].strip() for line in told if line and not ROW.fullmatch(line)]
    assert max(Counter(words).values()) == 1
    assert not [(one, other) for one in words for other in words if one != other and len(one) > 20 and one in other]


def test_a_syntax_error_is_what_the_report_begins_with(lines):
    told = lines("class DDPMScheduler:\n    def f(self:\n")
    assert told[0].startswith("Next: import scheduler raised SyntaxError at scheduler.py line 2: def f(self:; ")
    assert told[5].strip() == "'(' was never closed"
    assert rows(told)[-4:] == [(number, "as for schedule.scaled_linear") for number in "2345"]


def test_when_all_is_right_it_says_what_comes_next(grade, rubric):
    record = grade(REFERENCE, public_only=True)
    told = shown(record, rubric)
    assert told[0] == "Next: Training, handout 5: `make train`."
    assert rows(told) == [(number, PASSED) for number in "12345"]
    every = [
        replace(record.checks[0], id=entry.id, part=entry.part, section=entry.section)
        for entry in rubric.checks.values()
    ]
    assert shown(replace(record, checks=every), rubric)[0] == "Next: the study, handout 7; then `make submit`."
    # With the hidden cases it is the last word.
    assert not shown(replace(record, checks=every, complete=True), rubric)[0].startswith("Next")


def test_what_a_right_submission_prints_is_shown(lines):
    told = lines(f"{REFERENCE}\nprint('here')\n")
    assert [line.strip() for line in told].count("here") == 1
    assert dict(rows(told))["schedule.cosine"] == PASSED
