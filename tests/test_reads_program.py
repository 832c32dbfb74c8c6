"""What infer.py does is read from whole runs, in words and formulas, and never misread."""

import json

import pytest

from autograder import reads
from autograder.instructor.authoring import patches
from autograder.reports import gradescope
from autograder.student import Student

SLOW = pytest.mark.slow
STEP = "x = scheduler.step(model(x, t), timestep, x, generator=generator, **extra)"
CALL, LIST, SAVE = "timestep, device=x.device)", "in scheduler.timesteps.tolist():", 'save_file({"samples": samples}'
# (what to replace in infer.py, what is read that is not right, a sentence)
PROGRAMS = [
    ((), {}, "right"),
    (((CALL, "timestep / 1000, device=x.device)"),), {"t_net": "t / 1000"}, ""),
    (((STEP, f"{STEP}.clamp(-1, 1)"),), {"x_prev": "min(max(x_prev, -1), 1)"}, ""),
    (((SAVE, 'save_file({"samples": (samples + 1) / 2}'),), {"samples": "(x + 1) / 2"}, ""),
    (((LIST, "in scheduler.timesteps.tolist()[:-1]:"),), {"length": "S - 1", "timesteps": None}, "the last timestep"),
    (
        ((CALL, "999 - timestep, device=x.device)"), (SAVE, 'save_file({"samples": samples / 2}')),
        {"t_net": "", "samples": "x / 2"},
        "",
    ),
    (
        ((STEP, f"{STEP}.clamp(0, 1)"), (LIST, "in scheduler.timesteps.tolist()[1:]:")),
        {"x_prev": "min(max(x_prev, 0), 1)", "length": "S - 1", "timesteps": None},
        "the first timestep",
    ),
    (
        ((STEP, f"{STEP} * 0.99"),),
        dict.fromkeys(("settings", "length", "timesteps", "x_T", "x_prev", "samples")),
        "not read",
    ),
]  # fmt: skip


def found_in(box, rubric, public, replacements):
    files = patches.reference()
    source = files["infer.py"].decode()
    for old, new in replacements:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    with Student.at_work(box, files | {"infer.py": source.encode()}, rubric.limits) as student:
        return reads.attempt(reads.Readers(student, rubric, public), reads.PROGRAM, "infer.py", reads.program)


@pytest.mark.parametrize(
    ("replacements", "odd", "sentence"),
    [pytest.param(*program, marks=[] if n in (0, 2, 5) else SLOW, id=str(n)) for n, program in enumerate(PROGRAMS)],
)
def test_a_program_is_read(replacements, odd, sentence, box, rubric, public):
    found = found_in(box, rubric, public, replacements)
    if odd.get("t_net") == "":  # two formulas agree for T = 1000 only, and other T show that neither is it
        odd = odd | {"t_net": None}
    assert {term: source for term, source in found.reads.items() if source != "right"} == odd
    assert sentence in " ".join(map(str, found.lines))


def test_a_grade_says_what_the_program_does(grade, rubric):
    found = grade(patches.load(patches.MISTAKES / "infer_samples_from_zero_to_one.toml").files, only=("infer",))
    (check,) = (check for check in found.checks if check.id == "infer.ddim")
    assert check.reads["samples"] == "(x + 1) / 2" and "samples = (x+1)/2" in check.output
    assert check.mistake == "infer_samples_from_zero_to_one"
    told = json.loads(gradescope.render(found, rubric))["tests"]
    assert [test["extra_data"]["id"] for test in told if "reads" in test["extra_data"]] == ["infer.ddim"]
