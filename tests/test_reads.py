"""`python -m autograder reads` in the box: what is wrong is read back, and what is right is not written out."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest
import reference

from autograder import __main__, reads
from autograder.instructor.authoring import patches
from autograder.intake.submission import read
from autograder.rubric import Rubric

ACCEPTED = Path(__file__).parent / "submissions" / "accepted"


@pytest.fixture
def found(box, rubric, public, tmp_path):
    """found(path, or [(old, new)] to replace in the reference) -> {check: Found}"""

    def found(submission):
        if isinstance(submission, list):
            text = reference.SCHEDULER
            changes = [{"old": old, "new": new} for old, new in submission]
            (tmp_path / "scheduler.py").write_text(patches.apply(text, changes, "a test"), encoding="utf-8")
            submission = tmp_path
        has_part_8 = b"FlowMatchScheduler" in read(submission).files["scheduler.py"]
        asked = rubric if has_part_8 else Rubric.load()
        return {one.check: one for one in reads.read(box, read(submission), asked, public)}

    return found


SIGMA = ("sigma = eta * variance.sqrt()", "sigma = eta * self.betas[int(timestep)].double().sqrt()")
LARGE = ("variance = 1 - alpha_bar / alpha_bar_prev", "variance = self.betas[int(timestep)].double()")
CLIP = (".clamp(max=0.999)", ".clamp(1e-4, 0.9999)")
PREDICTED = ("x0 = (sample - b * epsilon) / a", "x0 = (sample - b * b * epsilon) / a")
LIST = (
    "steps = [round((S - i) * T / S) - 1 for i in range(S)]",
    "steps = [T - 1 - i * round(T / S) for i in range(S)]",
)


@pytest.mark.parametrize("path", [patches.ROOT / "solution", ACCEPTED / "angles", ACCEPTED / "float32_throughout"])
def test_what_is_right_is_called_right_and_no_more(found, path):
    made = found(path)
    assert {str(line).split(": ")[-1] for one in made.values() for line in one.lines} == {"right"}
    assert set(leaves(reads.as_data(made.values()))) == {"right"}


def test_wrong_formulas_are_read_back(found):
    made = found([SIGMA, LARGE, CLIP])
    assert made["ddim.eta"].reads == {"x0_hat": "right", "epsilon_hat": "right", "z": "eta * beta_t**0.5"}
    assert list(map(str, made["ddim.eta"].lines[:2])) == [
        "x_prev = [right] · x̂0 + [right for this weight of z] · ε̂ + η·√β_t · z",
        "not as it should be: the weight of z; right: x̂0",
    ]
    assert made["reverse.step_large"].reads == {"x0_hat": "right", "x_t": "right", "z": "beta_t**0.5"}
    assert "right in all 14 over the full list" in made["reverse.step_large"].cases[-1]
    betas = made["schedule.cosine"].reads["betas"]
    assert betas.startswith("min(max(1 - cos(") and betas.endswith(", 0.0001), 0.9999)")
    assert str(made["reverse.step"].lines[0]) == "x_prev: right"


def test_predict_and_the_list_are_read_back(found):
    made = found([PREDICTED, LIST])
    assert made["reverse.predict_epsilon"].reads["x0_hat"] == {"x_t": "right", "output": "-(1 - abar) / abar**0.5"}
    assert made["reverse.timesteps"].reads == {"timesteps": "T - i * round(T / S) - 1", "length": "right"}
    assert "not read" in str(made["reverse.step"].lines[0])  # it is made of predict, and of the list


@pytest.mark.parametrize(
    "change",
    [
        # beyond the library, only here and there, of neighbours in the table: nothing fits by chance
        ("sigma = eta * variance.sqrt()", "sigma = 0.93 * eta * variance.sqrt()"),
        ("z = draw_noise(sample, generator) if variance_noise is None else variance_noise\n        return",
         "z = variance_noise * (2 if 300 < timestep < 650 else 1)\n        return"),
        ("beta = 1 - alpha\n", "beta = -alpha.log()\n"),
        (
            "return table[int(timestep)], table[previous] if",
            "return table[int(timestep)], table[min(previous + 2, 999)] if",
        ),
        # no numbers at all
        ("return mean + variance.sqrt() * z", "return mean * math.nan"),
        ("return mean + variance.sqrt() * z", "return 'mean'"),
        ("return mean + variance.sqrt() * z", "raise KeyError('\\x1b[31m' + chr(27))"),
        ("self.betas = betas.float()", "self.betas = None"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_not(found, change):
    made = found([change])
    assert set(leaves(reads.as_data(made.values()))) <= {"right", None}
    assert "not read" in reads.as_text(made.values()) and "\x1b" not in reads.as_text(made.values())


def test_a_right_formula_in_the_wrong_place_is_not_written_out(found):
    made = found([("if self.previous_timestep(timestep) < 0:", "if timestep == 0:")])
    (line,) = made["reverse.step_large"].lines
    assert str(line) == "x_prev = [right] · x̂0 + [right] · x_t + [right but in the last step] · z"


def test_the_command(monkeypatch, capsys, box, tmp_path):
    monkeypatch.setattr(__main__, "strongest", lambda *_: nullcontext(box))
    (tmp_path / "scheduler.py").write_text("raise ValueError('no import')")
    assert __main__.main(["reads", str(tmp_path), "--json"]) == __main__.GRADED
    assert set(leaves(json.loads(capsys.readouterr().out))) == {None}
    assert __main__.main(["reads", str(tmp_path)]) == __main__.GRADED
    assert "scheduler.py (schedule.linear)\n  not read: import scheduler raised" in capsys.readouterr().out
    assert __main__.main(["reads", str(tmp_path / "nothing")]) == __main__.USAGE


def leaves(data):
    return [leaf for value in data.values() for leaf in leaves(value)] if isinstance(data, dict) else [data]
