"""Courses that ask for other things: rubric.toml with other settings."""

import re

from autograder import checks
from autograder.instructor.authoring.course import Course
from autograder.paths import ROOT, RUBRIC
from autograder.rubric import Rubric

TO_5 = tuple(part for part in checks.EXACT if part not in checks.PART_8)

PART_5 = {"loss": "off", "training": "off"}
SETTINGS = {
    "all": {},
    "without v": {"v_prediction": "off"},
    "without infer": {"infer": "off"},
    "without parts 6 to 8": {"infer": "off", "report": "off"},
    "Fashion-MNIST": {"data": "fashion"},
}
# Beside them, so that each part is off alone at least once, and once with others.
MORE = {
    "without ddim": {"ddim": "off"},
    "without training": PART_5,
    "without a report": {"report": "off"},
    "parts 1 to 3": {"ddim": "off", "infer": "off", "report": "off", "v_prediction": "off", **PART_5},
    "T of 200": {"T": 200},
    "part 8": dict.fromkeys(("flow", "guidance", "editing", "contest"), "bonus"),
    "flow alone": {"flow": "graded", "infer": "off", "training": "off", "loss": "off", "report": "off"},
    "a folder": {"data": "data/KMNIST", "ddim": "off", "infer": "bonus", "points": {"schedule.linear": 2.5}},
}


def rubric_text(data="mnist", T=1000, points=None, **counts):
    """The text of rubric.toml with these settings.

    points  {check: points}
    counts  of parts, such as ddim="off"
    """
    text = RUBRIC.read_text(encoding="utf-8")
    changes = [(r'^(data = )".*?"', rf'\1"{data}"'), (r"^(num_train_timesteps = )\d+", rf"\g<1>{T}")]
    changes += [(rf'^(\[parts\.{part}\]\ntitle = .*\ncounts = )".*"', rf'\1"{how}"') for part, how in counts.items()]
    changes += [(rf'^("{re.escape(id)}" = .*?points = )[\d.]+', rf"\g<1>{n}") for id, n in (points or {}).items()]
    for pattern, new in changes:
        text, times = re.subn(pattern, new, text, flags=re.MULTILINE)
        assert times == 1, pattern
    return text


def course_of(name, root=ROOT, lang="en"):
    """A course of SETTINGS or MORE."""
    return Course(Rubric.read(rubric_text(**{**SETTINGS, **MORE}[name])), root, lang)
