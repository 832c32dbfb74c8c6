"""Points that come on top: 115 of 100 is a score like any other, in every report and in the gradebook."""

import csv
import io
import json
import random
import re
from xml.etree import ElementTree

import pytest
from courses import rubric_text
from rich.console import Console

from autograder.grading import result
from autograder.instructor.classroom import page, publishing
from autograder.instructor.classroom.before_marking import grades
from autograder.instructor.classroom.keeping import Kept
from autograder.instructor.gradebook import scores
from autograder.instructor.grades import sheet
from autograder.instructor.grades.exceptions import Agreed
from autograder.instructor.handins.collecting import HandedIn
from autograder.record import WRONG, Failed, GradeRecord
from autograder.reports import gradescope, html, junit, markdown, terminal
from autograder.rubric import Rubric, RubricError

PARTS = ("schedule", "forward", "reverse", "ddim", "infer", "v_prediction")
RULES = [dict.fromkeys(PARTS[n:], "bonus") for n in range(len(PARTS))] + [{"ddim": "bonus", "report": "bonus"}, {}]


def graded(rubric, losing=()):
    """A record in which all checks passed but these."""
    checks = [result(e, Failed(WRONG, "wrong") if e.id in losing else None) for e in rubric.checks.values()]
    return GradeRecord("ada", checks, True, False, [], {"kit_version": "0", "hidden_seed": "0"})


@pytest.fixture(params=range(len(RULES)), ids=lambda n: " ".join(RULES[n]) or "none")
def case(request):
    """(rubric, a record of it that lost some checks, what it earned, what it earned it of)"""
    rubric = Rubric.read(rubric_text(**RULES[request.param], points={"ddim.eta": 7.5}))
    losing = random.Random(request.param).sample(list(rubric.checks), request.param)
    entries = rubric.checks.values()
    bonus = {e.id for e in entries if any(RULES[request.param].get(p) == "bonus" for p in (e.part, *e.needs))}
    points = sum(e.points for e in entries if e.id not in losing)
    most = sum(e.points for e in entries if e.id not in bonus)
    assert {e.id for e in entries if e.bonus} == bonus and rubric.total == most
    return rubric, graded(rubric, losing), points, most


def test_reports_agree(case):
    rubric, record, points, most = case
    assert (record.points, record.max_points) == (points, most)
    results = json.loads(gradescope.render(record, rubric))
    assert (results["score"], results["max_score"]) == (points, most)
    assert sum(test["score"] for test in results["tests"]) == points
    assert sum(test["max_score"] for test in results["tests"] if "bonus" not in test["extra_data"]) == most
    for test in results["tests"]:
        assert test["name"].endswith(" (bonus)") == test["extra_data"].get("bonus", False)
    said = f"{points:g} of {most:g} points"
    shown = html.render(record, rubric)
    assert f'<p class="total">{said}</p>' in shown
    widths = [int(width) for width in re.findall(r'style="width:(\d+)%"', shown)]
    assert widths and max(widths) <= 100
    assert f"ada: {said}" in markdown.render(record, rubric)
    console = Console(width=150, file=io.StringIO())
    console.print(terminal.render(record, rubric))
    assert said in console.file.getvalue()
    cases = [
        {property.get("name"): property.get("value") for property in case.iter("property")}
        for case in ElementTree.fromstring(junit.render(record, rubric)).iter("testcase")
    ]
    assert sum(float(case["points"]) for case in cases) == points
    assert sum(float(case["max_points"]) for case in cases if "bonus" not in case) == most


def test_class_page_and_sheet_agree(case):
    rubric, record, points, most = case
    kept = Kept({}, "ada", [])
    rows = [publishing.row(kept, record, {}), publishing.row(kept, graded(rubric), {})]
    shown = page.bins([row.points for row in rows], most)
    assert sum(bin.count for bin in shown) == 2
    assert float(shown[-1].reach.strip("[]").split(", ")[1]) == max(most, rows[1].points)
    assert page.numbers(rows, rows, rows, None)["all points"] == sum(row.points >= most for row in rows)
    assert f"of {most:g}; those who" in page.render(rows, rubric)
    handed_in = [HandedIn("ada", path="x")]
    (made,) = grades(rows[:1], handed_in, rubric, Agreed())
    assert made.missing == ["report"]
    made.parts["report"], made.missing = 20.0, []
    (row,) = csv.DictReader(io.StringIO(sheet.table([made], handed_in, rubric)))
    assert float(row["points"]) == points + 20
    assert float(row["max_points"]) == most + (20 if rubric.counts["report"] == "graded" else 0)


def test_the_gradebook_tells_points_from_extra_credit(case, tmp_path):
    rubric, record, points, most = case
    path = tmp_path / "results.json"
    path.write_text(gradescope.render(record, rubric))
    parts = scores.read(path)
    assert sum(part.points + (part.extra or 0) for part in parts.values()) == points
    assert sum(part.most for part in parts.values()) == most
    assert {name for name, part in parts.items() if part.extra is not None} == {
        entry.part for entry in rubric.checks.values() if entry.bonus
    }


def test_without_a_report_the_grade_of_the_code_is_the_whole():
    rubric = Rubric.read(rubric_text(report="off"))
    (made,) = grades(
        [publishing.row(Kept({}, "ada", []), graded(rubric), {})], [HandedIn("ada", path="x")], rubric, Agreed()
    )
    assert made.complete and made.points == 100
    (row,) = csv.DictReader(io.StringIO(sheet.table([made], [HandedIn("ada", path="x")], rubric)))
    assert "report" not in row and (row["points"], row["max_points"]) == ("100", "100")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"reverse": "off"}, r"\[parts.reverse\] cannot be off"),
        ({"training": "off"}, "one section"),
        ({"ddim": "of"}, "must be graded, bonus or off"),
        ({"points": {"ddim.eta": "-1"}}, "points is -1"),
        ({"points": {"ddim.eta": "true"}}, "points is True"),
        ({"T": 49}, "from 50 on"),
        ({"data": ""}, "mnist, fashion or a folder"),
        ({"data": "data/a b"}, "letters, digits"),
    ],
)
def test_a_setting_that_makes_no_sense_is_one_line(settings, said):
    with pytest.raises(RubricError, match=said) as error:
        Rubric.read(rubric_text(**settings))
    assert "\n" not in str(error.value)
