"""The targets take any path: what stands in a variable arrives as one argument, letter for letter."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from autograder.paths import ROOT

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="needs make")

ODD = [
    "submissions (1).zip",
    "a  b/[x] {y} *?~!.zip",
    """it's "mine" & `yours`; $HOME $(shell id) $$ %s #.zip""",
    "Größe-देवी-王.zip",
    "back\\slash, comma=equals:colon.zip",
]
PYTHON = """#!{python}
import json, os, sys
with open(os.environ["SAID"], "a") as file:
    file.write(json.dumps(sys.argv[1:]) + chr(10))
"""


@pytest.fixture
def run(tmp_path):
    """run(target, **variables) -> arguments of each call of Python that the target makes."""
    python, said = tmp_path / "bin" / "python3", tmp_path / "said"
    python.parent.mkdir()
    python.write_text(PYTHON.format(python=sys.executable))
    python.chmod(0o755)

    def run(target, **variables):
        said.write_text("")
        words = [f"{name}={value}" for name, value in variables.items()]
        path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "SAID": str(said)}
        done = subprocess.run(["make", target, *words], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        calls = [json.loads(line) for line in said.read_text().splitlines()]
        before = {"-c", "autograder.instructor.authoring.recording"}
        return [call for call in calls if not before & set(call)]

    return run


@pytest.mark.parametrize("value", ODD)
def test_every_path_arrives_as_it_is(run, value):
    for target, names in {
        "grade": ("SUBMISSION", "OUT"),
        "check": ("SUBMISSION", "OUT"),
        "watch": ("SUBMISSION",),
        "look": ("SUBMISSION", "OUT"),
        "debug": ("SUBMISSION", "CHECK"),
        "reads": ("SUBMISSION",),
        "submit": ("SUBMISSION",),
        "infer": ("CHECKPOINT",),
        "class": ("SUBMISSIONS", "ROSTER", "CLASS"),
        "regrade": ("CLASS", "STUDENT"),
        "gradebook": ("CLASS", "SUBMISSIONS", "ROSTER"),
        "formgrader": ("CLASS",),
        "feedback": ("CLASS", "CANVAS", "MOODLE", "COLUMN"),
        "canvas": ("CLASS", "COURSE", "ASSIGNMENT"),
        "similar": ("CLASS", "KNOWN"),
        "viva": ("CLASS", "STUDENT"),
    }.items():
        given = {name: f"{name} {value}" for name in names}
        (call,) = run(target, **given)
        arrived = [word.partition("=")[2] if word.startswith("--") else word for word in call]
        for text in given.values():
            assert text in arrived, (target, call)


def test_arguments_are_words_of_the_shell(run):
    (call,) = run("feedback", ARGS="--canvas 'my export $x.csv' --column \"A b\"")
    assert call[2:] == ["feedback", "--canvas", "my export $x.csv", "--column", "A b", "--", "class"]
