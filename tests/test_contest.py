"""Part 8.4, the contest: what it measures, how often the network may be asked, and where the best are listed."""

import json

import pytest
from courses import rubric_text

from autograder import reports
from autograder.checks import contest
from autograder.instructor.authoring import patches
from autograder.instructor.classroom import page
from autograder.instructor.classroom.keeping import Kept
from autograder.instructor.classroom.publishing import row
from autograder.record import NOT_IMPLEMENTED, PASSED, WRONG, CheckResult, GradeRecord
from autograder.rubric import Rubric

RUBRIC = Rubric.read(rubric_text(contest="bonus"))
FILES = patches.reference()
ASKED = "x = scheduler.step(model(x, t), timestep, x, generator=generator, **extra)"


def changed(*pairs):
    """The reference with an infer.py in which these are replaced."""
    program = FILES["infer.py"].decode()
    for before, after in pairs:
        assert before in program
        program = program.replace(before, after)
    return FILES | {"infer.py": program.encode()}


@pytest.fixture
def judged(grade, monkeypatch):
    """judged(files) -> the result of a contest of few images, on public cases."""
    monkeypatch.setattr(contest, "IMAGES", 4)

    def judge(files, public_only=True):
        return grade(files, public_only, only=["contest"], asked=RUBRIC).checks[0]

    return judge


def test_who_does_not_take_part_hears_so_in_a_line(judged):
    option = '    parser.add_argument("--contest", action="store_true")\n'
    check = judged(changed((option, ""), ("options.contest", "0")))
    assert (check.verdict, check.message, check.standing) == (NOT_IMPLEMENTED, "infer.py has no --contest", {})


AT_ONCE = "model(torch.cat([x, x]), torch.cat([t, t - 1]))[: len(x)]"
TOO_OFTEN = {
    "twice in each step": "model(x, t); " + ASKED,
    "about two timesteps in one call": ASKED.replace("model(x, t)", AT_ONCE),
}


@pytest.mark.parametrize("line", TOO_OFTEN.values(), ids=TOO_OFTEN)
def test_the_network_is_asked_about_an_image_as_often_as_there_are_steps(line, judged):
    check = judged(changed((ASKED, line)))
    assert check.verdict == WRONG and "more often than there are steps" in check.message
    assert check.detail == "with --steps 1, it asks 2 times for each image"


def test_many_small_calls_are_counted_all(judged):
    one_by_one = "[model(x[i : i + 1], t[i : i + 1]) for i in range(len(x)) for _ in range(300)]; "
    check = judged(changed((ASKED, one_by_one + ASKED)))
    assert check.detail == "with --steps 1, it asks 301 times for each image"


def test_who_breaks_the_rules_in_four_steps_stands_nowhere(judged):
    """The noise of public cases is known, so it must not be the one to be ranked by."""
    again = "(model(x, t) if len(scheduler.timesteps) == 4 else None); "
    check = judged(changed((ASKED, again + ASKED)))
    assert check.detail == "with --steps 4, it asks 8 times for each image" and check.standing == {}


def test_digits_that_no_network_draws_do_not_count(judged):
    check = judged(changed((ASKED, ASKED.replace("model(x, t)", "x"))))
    assert (check.verdict, check.message) == (WRONG, "infer.py --contest draws samples without the network")


@pytest.mark.slow
def test_the_reference_comes_nearer_than_ddim_and_ddim_does_not(grade):
    record = grade(FILES, only=["contest"], asked=RUBRIC)
    (check,) = record.checks
    assert check.verdict == PASSED, check.output
    assert check.points == 0 and list(check.standing) == ["1 step", "2 steps", "4 steps"]
    assert sorted(check.standing.values(), reverse=True) == list(check.standing.values())
    plain = grade(changed(("options.contest and", "0 and")), public_only=True, only=["contest"], asked=RUBRIC).checks[0]
    assert plain.verdict == WRONG and "less than that of DDIM in no number of steps" in plain.message
    assert all(plain.standing[name] > distance for name, distance in check.standing.items())


# ----- where the best are listed --------------------------------------------------------------------------------------


def record_of(student, standing):
    entry = RUBRIC.checks["contest.few_steps"]
    check = CheckResult(entry.id, entry.part, entry.title, 0, PASSED, standing=standing)
    return GradeRecord(student, [check], complete=True, provisional=False, notes=[], runs=[], made_with={}, seconds=1.0)


def test_gradescope_gets_a_leaderboard_and_only_of_those_who_took_part():
    results = json.loads(reports.gradescope.render(record_of("ada", {"1 step": 322.5, "4 steps": 61.25}), RUBRIC))
    assert results["leaderboard"] == [
        {"name": "Frechet distance, 1 step", "value": 322.5, "order": "asc"},
        {"name": "Frechet distance, 4 steps", "value": 61.25, "order": "asc"},
    ]
    assert "leaderboard" not in json.loads(reports.gradescope.render(record_of("bob", {}), RUBRIC))


def test_the_page_of_the_class_lists_the_best_first():
    standings = {"ada": {"1 step": 322.5, "4 steps": 70.0}, "bob": {"4 steps": 61.25}, "eve": {}}
    rows = [row(Kept({}, student, []), record_of(student, found), {}) for student, found in standings.items()]
    assert page.contest(rows) == {"1 step": [("ada", 322.5)], "4 steps": [("bob", 61.25), ("ada", 70.0)]}
    shown = page.render(rows, RUBRIC)
    assert shown.index("61.2 ") < shown.index("70.0 ") and 'href="#contest"' in shown
    assert 'href="#contest"' not in page.render(rows[2:], RUBRIC)
