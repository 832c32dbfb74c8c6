"""Public cases come before hidden ones, and of the hidden ones nothing is told but the verdict."""

import numpy as np
import pytest

from autograder import checks, grading
from autograder.instructor.authoring import patches
from autograder.paths import ROOT
from autograder.record import PASSED, TIMED_OUT, UNGRADED, VERDICTS, Failed


def test_all_public_cases_come_first_and_no_process_sees_both(grade, monkeypatch):
    asked = []

    def check(student, entry, expectations, public, found, progress, carries):
        student.imported = True
        asked.append((public, student, entry.id))
        return grading.result(entry, None)

    monkeypatch.setattr(grading, "check", check)
    record = grade(patches.reference(), only=())
    assert [check.id for check in record.checks] == list(checks.CHECKS)
    assert [public for public, *_ in asked] == [True] * len(checks.CHECKS) + [False] * len(checks.CHECKS)
    seen = [{student for public, student, _ in asked if public is one} for one in (True, False)]
    assert len(seen[0]) == len(seen[1]) == len(checks.stages("hidden", checks.PARTS.values())) and not seen[0] & seen[1]


def test_a_check_that_fails_in_public_is_not_asked_again(grade, monkeypatch):
    hidden = []

    def check(student, entry, expectations, public, found, progress, carries):
        student.imported = True
        hidden.extend([] if public else [entry.id])
        return grading.result(entry, Failed("wrong", "no") if public and entry.part == "forward" else None)

    monkeypatch.setattr(grading, "check", check)
    grade(patches.reference())
    assert hidden and not [id for id in hidden if id.startswith("forward.")]


def test_what_times_out_in_public_takes_no_hidden_case_of_others(box, rubric, public, monkeypatch):
    """Two time-outs end a part, for the cases that they came in: what had passed there is still asked."""

    def check(student, entry, expectations, public, found, progress, carries):
        student.imported = True
        slow = public and entry.id in ("schedule.scaled_linear", "schedule.cosine")
        return grading.result(entry, Failed(TIMED_OUT, "it hangs") if slow else None)

    monkeypatch.setattr(grading, "check", check)
    record = grading.grade(ROOT / "solution", box, rubric, public, public, ["schedule"])
    assert [check.verdict for check in record.checks] == [PASSED, TIMED_OUT, TIMED_OUT]


@pytest.mark.parametrize("verdict", [verdict for verdict in VERDICTS if verdict != PASSED])
def test_of_hidden_cases_only_the_verdict_is_told(verdict, grade, monkeypatch):
    """Whatever student code chose: message, detail, picture, hint, and what it printed."""
    told = set()
    for number in range(3):
        secret = f"secret {number}"

        def check(student, entry, expectations, public, found, progress, carries, secret=secret, number=number):
            student.imported = True
            if public:
                return grading.result(entry, None, printed="public")
            evidence = np.zeros(number)
            return grading.result(entry, Failed(verdict, secret, secret), secret, evidence, secret)

        monkeypatch.setattr(grading, "check", check)
        found = grade(patches.reference()).checks
        told.add(repr([(c.verdict, c.output, c.mistake, c.evidence, c.printed) for c in found]))
        assert secret not in str(told)
    assert len(told) == 1
    assert set(grading.TOLD) == set(VERDICTS) - {PASSED}
    assert UNGRADED in grading.TOLD


COUNTING = """

TOLD = []
RIGHT = DDPMScheduler.predict


def predict(self, model_output, timestep, sample):
    x0, epsilon = RIGHT(self, model_output, timestep, sample)
    if not TOLD:
        TOLD.append(round(abs(model_output.double().sum().item()) * 1000))
    TOLD.append(0)
    return (x0 + 5 if TOLD[0] != PUBLIC and len(TOLD) <= 2 + COUNT else x0), epsilon


DDPMScheduler.predict = predict
"""


def test_hints_of_hidden_cases_count_nothing(grade, public):
    """However many results are wrong there, the student reads the same."""
    first = next(array for array in public.inputs("reverse.predict_epsilon") if array.ndim == 4)
    number = round(abs(np.float64(first).sum()) * 1000)
    source, told = patches.reference()["scheduler.py"].decode(), set()
    for count in (1, 3):
        text = source + COUNTING.replace("PUBLIC", str(number)).replace("COUNT", str(count))
        found = next(c for c in grade(text, only=["reverse"]).checks if c.id == "reverse.predict_epsilon")
        told.add((found.verdict, found.output))
    assert told == {("wrong", "a result is wrong (on a hidden case)")}
