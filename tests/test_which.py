"""Which cases are right, in words: what is said must be true."""

import re
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.which import apart, certain
from autograder.which import settings as read

PREDICTIONS, CLIPS, ETAS = ("epsilon", "v_prediction"), ("not clipped", "clipped"), (0.3, 1.0)
CASES = [
    f"for {prediction}, {clip}, at t = {t} with eta = {eta}"
    for (prediction, clip), eta, t in zip(
        [pair for pair in product(PREDICTIONS, CLIPS) for _ in range(4)], ETAS * 8, [3, 50, 400, 900] * 4, strict=True
    )
]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.booleans(), min_size=16, max_size=16))
def test_what_is_said_of_any_cases_is_true(rights):
    """Read back from the sentence alone, each case that it speaks of is what it says."""
    said = apart(list(zip(CASES, rights, strict=True)))
    if "; " not in said or " t = " in said:
        return
    for part in said.split("; "):
        word, rest = part.split(" ", 1)
        if rest.endswith("in all other cases"):
            continue
        for group in rest.split(" and "):
            words = re.sub(r" \(\d+ cases\)", "", group).removeprefix("with eta between 0 and").split(", ")
            meant = [
                right for where, right in zip(CASES, rights, strict=True) if set(words) <= set(read(where).values())
            ]
            assert set(meant) <= {word == "right"}, said


def test_one_setting_tells_them_apart():
    told = apart([(where, "epsilon" in where) for where in CASES])
    assert told == "right for epsilon (8 cases); wrong for v_prediction (8 cases)"


def test_two_settings_tell_them_apart():
    right, wrong = apart([(where, "epsilon, not" in where) for where in CASES]).split("; ")
    assert right == "right for epsilon, not clipped (4 cases)"
    assert wrong == "wrong for epsilon, clipped (4 cases) and for v_prediction (8 cases)"


def test_timesteps_tell_them_apart():
    assert apart([(f"at t = {t}", t < 50) for t in (0, 3, 400, 999)]) == "right up to t = 3; wrong from t = 400 on"
    assert apart([(f"at t = {t}", t > 0) for t in (0, 3, 400)]) == "wrong at t = 0; right from t = 3 on"


def test_what_is_certain_is_said_of_some():
    """Right with eta = 1, and in some other cases."""
    cases = [(where, "eta = 1.0" in where or i < 3) for i, where in enumerate(CASES)]
    assert certain(cases) == "right in all 8 with eta = 1"


def test_nothing_is_said_where_all_are_alike_or_nothing_tells_them_apart():
    assert apart([(where, False) for where in CASES]) == ""
    assert apart([(where, i % 3 == 0) for i, where in enumerate(CASES)]) == ""


def test_where_most_is_wrong_only_what_is_right_is_said():
    """ "Wrong in all 5 for v_prediction" sent a student to v, who was wrong wherever noise is added."""
    cases = [(f"{kind} at t = {t}, eta = {eta}", eta == 0 and t == 0)
             for kind in ("epsilon", "v_prediction") for t in (0, 500, 999) for eta in (0, 1)]  # fmt: skip
    assert "wrong" not in certain(cases)
    mostly_right = [(where, not right) for where, right in cases]
    assert "right" in certain(mostly_right) or certain(mostly_right) == ""
