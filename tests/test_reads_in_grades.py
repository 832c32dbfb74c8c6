"""What the student's code computes, in the grade: for failed public cases only, and never at the cost of a point."""

import json
from io import StringIO

import pytest
import reference
from rich.console import Console
from test_reads import SIGMA
from test_submissions import BROKEN, source

from autograder import reads
from autograder.diagnosis import Suspects, catalogue, hold_to_formulas
from autograder.instructor.authoring import patches
from autograder.paths import ROOT
from autograder.readback.sameness import agree, same
from autograder.record import PASSED, CheckResult
from autograder.reports import gradescope, html, markdown, mistakes

README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = reference.SCHEDULER
FORMULA = "x_prev = [right] · x̂0 + [right for this weight of z] · ε̂ + η·√β_t · z"


def changed(*replacements):
    return patches.apply(REFERENCE, [{"old": old, "new": new} for old, new in replacements], "a test")


def by_id(record):
    return {check.id: check for check in record.checks}


def test_a_wrong_formula_stands_in_every_report(grade, rubric):
    record = grade(changed(SIGMA))
    found = by_id(record)
    for id in ("ddim.eta", "ddim.strided"):
        assert found[id].reads == {"x0_hat": "right", "epsilon_hat": "right", "z": "eta * beta_t**0.5"}
    assert FORMULA in found["ddim.eta"].output and "handout 4.2" in found["ddim.eta"].output
    assert FORMULA not in found["ddim.strided"].output  # it is told once
    assert found["ddim.eta"].mistake == "ddim_sigma_of_table_beta"
    tests = {test["extra_data"]["id"]: test for test in json.loads(gradescope.render(record, rubric))["tests"]}
    assert (
        tests["ddim.eta"]["extra_data"]["reads"]["z"] == "eta * beta_t**0.5" and FORMULA in tests["ddim.eta"]["output"]
    )
    assert "reads" not in tests["reverse.step"]["extra_data"]
    assert "η·√β\\_t · z" in markdown.render(record, rubric)
    page = html.render(record, rubric)
    assert page.count("<math ") == 1 and "<mspace height='0.85em'/><msub><mi>β</mi><mi>t</mi></msub></msqrt>" in page


def test_nothing_is_read_of_what_is_right(grade, monkeypatch):
    monkeypatch.setattr(reads, "Readers", lambda *_: pytest.fail("read"))
    record = grade(ROOT / "solution")
    assert all(check.verdict == PASSED and not check.computes for check in record.checks)


def test_nothing_is_read_of_hidden_cases(grade, public):
    """Public cases are answered rightly: their T is known."""
    drawn = [n for key, n in public.tensors.items() if key.startswith("schedule.scaled_linear/input") and not n.ndim]
    known = {1000, *(int(n) for n in drawn if n > 1)}
    wrong = f"roots**2 if num_train_timesteps in {known} else roots"
    check = by_id(grade(changed(("return roots**2", f"return {wrong}")), only=["schedule"]))["schedule.scaled_linear"]
    assert check.verdict != PASSED and "on a hidden case" in check.output
    assert not check.reads and not check.computes
    shown = by_id(grade(changed(("return roots**2", "return roots")), only=["schedule"]))["schedule.scaled_linear"]
    assert shown.reads and shown.computes


@pytest.mark.parametrize("name", ["Readers", "attempt"])
def test_a_reader_that_fails_changes_no_grade(grade, monkeypatch, name):
    def fails(*_):
        raise RuntimeError("a fault of ours")

    before = grade(changed(SIGMA))
    monkeypatch.setattr(reads, name, fails)
    after = grade(changed(SIGMA))
    assert [(c.id, c.verdict, c.message, c.points) for c in before.checks] == [
        (c.id, c.verdict, c.message, c.points) for c in after.checks
    ]
    assert not any(check.computes for check in after.checks)


@pytest.mark.parametrize(
    "sigma",
    [
        "self.betas[int(timestep)].double().sqrt() * (1 + torch.rand(()).item())",  # another one in each call
        "self.betas[int(timestep)].double() ** CHANCE",  # another one in each construction
    ],
)
def test_answers_by_chance_are_not_read(grade, sigma):
    source = changed(("sigma = eta * variance.sqrt()", f"sigma = eta * {sigma}"))
    source = source.replace("CHANCE", "self.chance")
    source = source.replace(
        "        self.clip_sample = clip_sample\n",
        "        self.clip_sample = clip_sample\n        self.chance = torch.rand(()).item()\n",
    )
    check = by_id(grade(source, public_only=True))["ddim.eta"]
    assert check.verdict != PASSED and not check.reads
    assert [line[0] for line in check.computes if line[0]] == [] and "made again, gives another" in check.output


@pytest.mark.parametrize(
    ("old", "new", "check", "names"),
    [
        ("x_prev = alpha_bar_prev.sqrt() * x0 + direc", "x_prev = 0.05 + alpha_bar_prev.sqrt() * x0 + direc",
         "ddim.deterministic", "x_t, ε̂ and z"),
        ("            x0 = (sample - b * epsilon) / a\n", "            x0 = (sample - b * epsilon) / a + 0.05\n",
         "reverse.predict_epsilon", "x_t and the output"),
        ("(1 - alpha_bar).sqrt() * noise", "(1 - alpha_bar).sqrt() * noise + 0.05", "forward.add_noise", "x_0 and ε"),
    ],
)  # fmt: skip
def test_a_constant_is_told(old, new, check, names, grade):
    found = by_id(grade(changed((old, new)), public_only=True))[check]
    assert f"a weighted sum of {names}, and 0.05 is added everywhere" in found.output


def test_who_takes_too_long_is_not_read(grade):
    source = changed(
        SIGMA,
        (
            "        x0, _ = self.predict(model_output, timestep, sample)\n",
            "        import time; time.sleep(9)\n        x0, _ = self.predict(model_output, timestep, sample)\n",
        ),
    )
    found = by_id(grade(source, public_only=True, call_seconds=1))
    assert found["ddim.eta"].verdict != PASSED and not found["ddim.eta"].computes


def test_what_the_student_prints_while_it_is_read_is_not_shown(grade):
    quiet, loud = (
        by_id(grade(changed(SIGMA, *more), public_only=True))["ddim.strided"]
        for more in ((), (("        direction = (", "        print('here')\n        direction = ("),))
    )
    assert loud.computes == quiet.computes and loud.printed and not quiet.printed


# ----- names ---------------------------------------------------------------------------------------------------------


def named(result_reads, recorded, mistakes=("it",)):
    """Suspects of one check, after they were held to what was read."""
    suspect = Suspects(list(mistakes), [], {"it": ["a"], "other": ["a"]}, "", True)
    result = CheckResult("a", "ddim", "", 1, "wrong", reads=result_reads)
    hold_to_formulas({"a": suspect}, {"a": result}, recorded)
    return suspect.mistakes


@pytest.mark.parametrize(
    ("read", "known", "names"),
    [
        ({"z": "eta * beta_t**0.5"}, {"it": {"a": {"z": "eta * beta_t**0.5"}}}, ["it"]),
        ({"z": "beta_t**0.5 * eta"}, {"it": {"a": {"z": "eta * beta_t**0.5"}}}, ["it"]),
        ({"z": "eta * beta**0.5"}, {"it": {"a": {"z": "eta * beta_t**0.5"}}}, []),
        ({"z": "eta * beta**0.5"}, {"it": {}}, []),
        ({"z": "eta * beta**0.5"}, {"it": {}, "other": {"a": {"z": "eta * beta**0.5"}}}, ["other"]),
        ({"z": "right", "x_t": None}, {"it": {}, "other": {"a": {"z": None, "x_t": "right"}}}, ["it"]),
        ({"z": "eta", "x_t": None}, {"it": {}, "other": {"a": {"z": "eta", "x_t": "right"}}}, []),
        ({"z": "right", "x_t": "abar"}, {"it": {"a": {"z": "eta", "x_t": "abar"}}}, []),
        ({"z": None, "x_t": "abar"}, {"it": {"a": {"z": "eta", "x_t": "abar"}}}, ["it"]),
        ({}, {"it": {"a": {"z": "eta"}}}, ["it"]),
        ({"x0_hat": {"x_t": "abar"}}, {"it": {"a": {"x0_hat": {"x_t": "abar**0.5"}}}}, []),
    ],
)
def test_a_name_is_held_to_the_formula(read, known, names):
    assert named(read, known) == names


def test_same_formulas():
    assert same("beta / alpha_t", "(1 - abar / abar_prev) / (1 - beta_t)")
    assert not same("beta", "beta_t") and not same("abar_lag", "abar_prev") and not same("right", "abar")
    cosine = "1 - cos(((t + 1) / T + 0.008) / 1.008 * pi / 2)**2 / cos((t / T + 0.008) / 1.008 * pi / 2)**2"
    curves = [cosine, *(f"min({cosine}, {bound})" for bound in ("0.999", "0.9999", "0.02", "beta_end"))]
    curves += [f"max({cosine}, 0.0001)", cosine.replace("0.008", "0.009")]
    lists = ["round((S - i) * T / S) - 1", "floor((S - i) * T / S) - 1", "T - i * (T // S) - 1"]
    clips = ["x0_hat", "min(max(x0_hat, -1), 1)", "min(max(x0_hat, 0), 1)", "min(x0_hat, 1)"]
    for group in (curves, lists, clips):
        assert all(same(one, other) == (one == other) for one in group for other in group)
    assert agree({"x": {"z": None}}, {"x": {"z": "abar"}})


# ----- the catalogue -------------------------------------------------------------------------------------------------


def formulas(reads):
    """{term: source} of what is not right, also of terms of terms."""
    found = {term: formulas(one) if isinstance(one, dict) else one for term, one in reads.items()}
    return {term: one for term, one in found.items() if one not in ("right", None, {})}


def test_known_mistakes_are_read_back_to_what_the_catalogue_says(public):
    """Each formula that is recorded for a mistake stands in its entry, and each that stands there is recorded."""
    recorded = public.mistakes["reads"]
    for id, mistake in catalogue().items():
        known = {check: formulas(reads) for check, reads in recorded.get(id, {}).items()}
        told = [form for form in known.values() if form]
        assert all(any(agree(form, one) for one in mistake.form.values()) for form in told), id
        assert all(agree(form, known.get(check, {})) for check, form in mistake.form.items()), id
    assert sum(bool(mistake.form) for mistake in catalogue().values()) >= 100


def test_formulas_of_the_catalogue_can_be_written():
    table = Console(width=200, record=True, file=StringIO())
    table.print(mistakes.render(catalogue().values(), {}))
    assert "z: η·√β_t" in table.export_text()


def test_readme_shows_what_a_wrong_step_of_the_web_gets(grade):
    block = README.split("<!-- one_step_mean -->\n")[1].split("```")[1].strip().splitlines()
    check = by_id(grade(source(BROKEN["one_step_mean"])))["reverse.strided"]
    assert len(block) > 3 and block == check.output.splitlines()[: len(block)]
