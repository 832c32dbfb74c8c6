"""Naming the mistake: under fresh seeds, in other people's code, two at once, and never on a hunch."""

import re
import secrets
from collections import namedtuple

import pytest
import reference

from autograder import checks
from autograder.box import Box
from autograder.diagnosis import Suspects, alike, catalogue, explains_all, fingerprint, words_of
from autograder.expect import Expect
from autograder.grading import grade as grade_submission
from autograder.instructor.authoring import patches
from autograder.instructor.authoring.recording import record
from autograder.paths import ROOT
from autograder.record import Failed

Result = namedtuple("Result", "verdict")
REFERENCE = reference.SCHEDULER


def mistakes_of(record):
    return {check.id: check.mistake for check in record.checks if check.verdict != "passed"}


def changed(text, *replacements):
    for old, new in replacements:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def test_every_entry_has_a_patch_and_every_patch_an_entry(rubric):
    known = catalogue()
    assert known.keys() == {patch.id for patch in patches.load_all()}
    assert len(known) >= 40
    sections = [tuple(map(int, mistake.section.split("."))) for mistake in known.values()]
    assert sections == sorted(sections), "the catalogue is in the order of the handout"
    handout = (ROOT / "handout.md").read_text()
    assert all(f"### {mistake.section} " in handout for mistake in known.values())


def test_recorded_mistakes_are_those_of_the_patches(public):
    named = {patch.id: [id for id in patch.loses if id not in checks.MEASURED] for patch in patches.load_all()}
    assert public.mistakes["loses"] == named


def test_two_mistakes_in_different_places(grade):
    source = changed(
        REFERENCE,
        ("x0 = a * sample - b * model_output", "x0 = a * sample + b * model_output"),
        ("sigma = eta * variance.sqrt()", "sigma = (eta * variance).sqrt()"),
    )
    named = mistakes_of(grade(source))
    assert named.pop("ddim.eta") == named.pop("ddim.strided") == "ddim_sigma_eta_under_root"
    assert named == {"reverse.predict_v": "predict_v_plus"}


def test_a_step_mistake_on_top_of_a_wrong_predict_is_still_named(grade):
    """The steps of epsilon-prediction are wrong twice over; the carried-forward step tells the two apart."""
    source = changed(
        REFERENCE,
        ("x0 = (sample - b * epsilon) / a", "x0 = (sample - b * epsilon) / alpha_bar"),
        ("sigma = eta * variance.sqrt()", "sigma = (eta * variance).sqrt()"),
    )
    graded = grade(source)
    named = mistakes_of(graded)
    assert named["reverse.predict_epsilon"] == "predict_divided_by_alpha_bar"
    assert named["ddim.eta"] == "ddim_sigma_eta_under_root"
    # What is shown is a case of this mistake, which says that it is right at eta = 1: there, only predict is wrong.
    (shown,) = (check.detail for check in graded.checks if check.id == "ddim.eta")
    assert "eta = 1.0" not in shown


def test_an_unknown_mistake_is_not_guessed_but_what_is_right_is_said(grade):
    source = changed(REFERENCE, ("            epsilon = model_output\n", "            epsilon = 0.97 * model_output\n"))
    check = next(check for check in grade(source).checks if check.id == "reverse.predict_epsilon")
    assert check.mistake is None
    assert check.hint == "What is known: x0_hat is wrong in 7 of 7 cases, epsilon_hat is wrong in 7 of 7 cases."


def test_what_is_right_is_said(grade):
    source = changed(REFERENCE, ("        mean = x0_weight * original", "        mean = 1.1 * x0_weight * original"))
    check = next(check for check in grade(source).checks if check.id == "reverse.posterior")
    assert check.mistake is None
    assert "the posterior variance is right" in check.hint


@pytest.mark.parametrize(
    ("wrong", "pointing", "named"),
    [
        ("ab", "ab", True),
        ("ab", "a", False),  # b is wrong in another way, and nothing else is wrong
        ("abc", "a", True),  # there is a second mistake, which b may have to do with
        ("abc", "bc", False),  # the first check that it must fail says something else
        ("a", "a", False),  # b is right
        ("c", "c", True),  # neither a nor b was asked for
    ],
)
def test_what_speaks_for_a_mistake(wrong, pointing, named):
    """One that must fail the checks a and b, where these are wrong and those point to it."""
    asked = wrong if wrong == "c" else "abc"
    results = {id: Result("wrong" if id in wrong else "passed") for id in asked}
    suspects = {id: Suspects(["it"] if id in pointing else [], [], {}, "", True) for id in wrong}
    assert explains_all("it", {"it": ["a", "b"]}, results, suspects, {"a": "2.2", "b": "2.2", "c": "3.4"}) == named


def test_no_name_where_the_same_code_fails_in_another_way():
    """Both checks test one section; the mistake says that what the second one tests is right."""
    results = {"a": Result("wrong"), "b": Result("wrong")}
    for section, second, named in (("4.2", [], False), ("4.1", [], True), ("4.2", ["other"], True)):
        suspects = {"a": Suspects(["it"], [], {}, "", True), "b": Suspects(second, [], {}, "", True)}
        assert explains_all("it", {"it": ["a"]}, results, suspects, {"a": "4.2", "b": section}) == named


def test_nan_alone_names_nothing_beside_another_error(grade):
    """Many errors end in NaN at the last step; one known mistake shows nothing else."""
    source = changed(REFERENCE, ("            return -1\n", "            return +1\n"))
    graded = grade(source)
    assert any(check.verdict != "passed" for check in graded.checks)
    assert [check.mistake for check in graded.checks if check.mistake] == []
    for faint, named in ((True, False), (False, True)):
        suspects = {"a": Suspects(["it"], [], {}, "", True, faint=faint), "b": Suspects([], [], {}, "", True)}
        results = {"a": Result("wrong"), "b": Result("wrong")}
        assert explains_all("it", {"it": ["a"]}, results, suspects, {"a": "4.2", "b": "4.1"}) == named


def test_other_mistakes_that_look_alike_somewhere_get_no_name(grade):
    """Both fail the checks that a known mistake must fail, and say in one of them what it says."""
    for old, new in (
        ("mean = x0_weight * original_samples + sample_weight * sample", "mean = x0_weight + sample_weight / sample"),
        ("(1 - alpha_bar_prev - sigma**2).sqrt()", "(1 - alpha_bar_prev - sigma**3).sqrt()"),
    ):
        named = mistakes_of(grade(changed(REFERENCE, (old, new))))
        assert named and not any(named.values())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("beta_start=1e-4,", "beta_start=1.0001,"),
        ("alphas = 1 - betas", "alphas = 2 - betas"),
        ("alphas = 1 - betas", "alphas = 1 + betas"),
        ('if beta_schedule == "linear":', 'if beta_schedule != "linear":'),
        ("num_train_timesteps=1000,\n", "num_train_timesteps=1001,\n"),
    ],
)
def test_tables_that_nothing_explains_name_no_later_mistake(grade, old, new):
    """All that comes after computes with them, and may be off in any way. A wrong default is wrong nowhere else."""
    named = mistakes_of(grade(changed(REFERENCE, (old, new))))
    assert named and not any(named.values())


def test_fingerprints():
    import numpy as np

    off = np.random.default_rng(0).standard_normal((3, 2, 2, 3))
    prints = fingerprint(off)[None]
    assert alike(off, prints, 1e-3)[0]
    assert alike(off * (1 + 5e-4), prints, 1e-3)[0]
    assert not alike(off * 1.1, prints, 1e-3)[0]
    assert not alike(-off, prints, 1e-3)[0]
    assert np.isfinite(fingerprint(np.array([np.nan, np.inf, -np.inf, 1e300]))).all()
    # One wrong entry of a long table hardly shows in a projection.
    one, another = np.zeros((2, 1000))
    one[-1], another[-1] = -0.9, -1.0
    assert not alike(one, fingerprint(another)[None], 3e-2)[0]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_first_name_is_the_true_one_under_a_fresh_seed(rubric, tmp_path):
    known = patches.load_all()
    seed = secrets.token_hex(8)
    wrong, nameless = [], []
    with Box(rubric.limits) as box:
        fresh = record(box, rubric, seed, known)
        for patch in known:
            folder = tmp_path / patch.id
            folder.mkdir()
            for name, content in patch.files.items():
                (folder / name).write_bytes(content)
            named = mistakes_of(grade_submission(folder, box, rubric, fresh, only=patch.only))
            loses = {id for id in patch.loses if {id, id.split(".")[0]} & set(patch.only)}
            assert loses <= named.keys() <= {*loses, *patch.may_lose}
            named = [name for name in named.values() if name]
            if not named:
                nameless.append(patch.id)
            elif named[0] != patch.id:
                wrong.append((patch.id, named[0]))
    print(f"seed {seed}: {len(known)} mistakes, wrong names {wrong}, no name {nameless}")
    assert len(wrong) < 0.01 * len(known)
    assert len(wrong) + len(nameless) <= 0.05 * len(known)


def test_what_is_recorded_of_an_exception_quotes_no_line_of_the_reference(public):
    """The public file goes to students, and the line at which a known mistake fails is a line of the reference."""
    failed = Failed("crashed", "step(...) raised IndexError at scheduler.py line 9: return secret[i]\n(at b.py)")
    words = words_of(failed, Expect(public, "reverse.step", tolerance=0))
    assert words == ["crashed", "step(...) raised IndexError at scheduler.py line 9", 0]
    said = [words for by_mistake in public.mistakes["said"].values() for words in by_mistake.values()]
    crashed = [message for verdict, message, _ in said if verdict == "crashed"]
    assert crashed and all(re.search(r"\.py (line|ended with exit status) \d+$", message) for message in crashed)
