"""`make debug`: a script that runs on its own and shows the failing public call."""

import re
import subprocess
import sys

import pytest
import reference
from slow import one_in

from autograder import checks
from autograder.debug import script
from autograder.intake.submission import read
from autograder.paths import ROOT

REFERENCE = reference.SCHEDULER


def run(text, tmp_path):
    (tmp_path / "debug.py").write_text(text)
    return subprocess.run([sys.executable, tmp_path / "debug.py"], capture_output=True, text=True, cwd=tmp_path)


@pytest.fixture
def debug(box, rubric, public):
    def debug(check, folder):
        return script(check, box, read(folder).files, folder, rubric, public)

    return debug


@pytest.mark.parametrize(
    ("check", "old", "new"),
    [
        pytest.param("schedule.cosine", ".clamp(max=0.999)", "", marks=pytest.mark.slow),
        ("forward.add_noise", "(1 - alpha_bar).sqrt() * noise", "(1 - alpha_bar) * noise"),
        pytest.param(
            "reverse.predict_v",
            "x0 = a * sample - b * model_output",
            "x0 = a * sample + b * model_output",
            marks=pytest.mark.slow,
        ),
        ("reverse.strided", "return mean + variance.sqrt() * z", "return mean + variance * z"),
        pytest.param("flow.strided", "(s_prev - s) * (", "(s - s_prev) * (", marks=pytest.mark.slow),
        ("editing.inpaint", "x = torch.where(mask, kept, x)", "x = torch.where(mask, x, kept)"),
    ],
)
def test_the_script_shows_the_error(debug, tmp_path, check, old, new):
    assert REFERENCE.count(old) == 1
    (tmp_path / "scheduler.py").write_text(REFERENCE.replace(old, new))
    text = debug(check, tmp_path)
    assert "autograder" not in text
    done = run(text, tmp_path)
    assert done.returncode == 0, done.stderr
    error = re.search(r"largest error (\S+)", done.stdout)[1]
    assert error == "nan" or float(error) > 1e-4
    # The same script with the right scheduler: the numbers in it are the expected ones.
    (tmp_path / "scheduler.py").write_text(REFERENCE)
    right = run(text, tmp_path).stdout
    assert float(re.search(r"largest error (\S+)", right)[1]) < 1e-3


def test_the_script_shows_the_case_that_the_grade_tells_of(debug, grade, tmp_path):
    """The worst case, not the first; and not one that is right for the student's own, also wrong, predict."""
    source = REFERENCE.replace("x0 = (sample - b * epsilon) / a\n", "x0 = (sample - b * epsilon) / alpha_bar\n")
    source = source.replace("sigma = eta * variance.sqrt()", "sigma = (eta * variance).sqrt()")
    (tmp_path / "scheduler.py").write_text(source)
    graded = next(check for check in grade(source).checks if check.id == "ddim.eta")
    where, expected = re.fullmatch(r"(.*): expected (\S+), got .*", graded.detail).groups()
    text = debug("ddim.eta", tmp_path)
    assert f'"""ddim.eta: x_prev {where}\n' in text
    assert f"{float(expected):.4f}"[:-1] in run(text, tmp_path).stdout
    assert "passes on all public cases" in debug("ddim.deterministic", tmp_path)


def test_an_exception_is_raised_again_where_it_was(debug, tmp_path):
    (tmp_path / "scheduler.py").write_text(
        REFERENCE.replace("x_prev = alpha_bar_prev.sqrt() * x0 + direc", "x_prev = y + direc")
    )
    done = run(debug("ddim.eta", tmp_path), tmp_path)
    assert "NameError: name 'y' is not defined" in done.stderr


def test_a_starter_raises_its_todo(debug, tmp_path):
    assert "NotImplementedError: TODO 1.1" in run(debug("ddim.eta", ROOT / "assignment"), tmp_path).stderr


@pytest.mark.parametrize("check", one_in(6, checks.CHECKS))
def test_every_check_that_passes_shows_its_first_call(debug, check):
    text = debug(check, ROOT / "solution")
    assert "passes on all public cases" in text
    compile(text, "debug.py", "exec")
