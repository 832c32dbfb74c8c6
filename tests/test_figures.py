"""The figures are those that `make figures` draws, and it can draw."""

import io
import re

import pytest
from handout import HANDOUT, SKELETON
from matplotlib.text import Text

from autograder.diagnosis import catalogue
from autograder.instructor.authoring import figures
from autograder.paths import ROOT


def test_all_are_committed():
    assert {path.name for path in (ROOT / "figures").iterdir()} == {f"{draw.__name__}.png" for draw in figures.FIGURES}


@pytest.mark.parametrize("draw", [figures.noising, figures.schedules])  # the others run a network for a while
def test_drawing(draw):
    file = io.BytesIO()
    draw().savefig(file)
    assert 20_000 < file.tell() < 250_000


@pytest.fixture
def quick(monkeypatch):
    """Figures as they are, but for what a network would take a while for: there it is noise."""

    def sample(model, scheduler, steps, noise, *arguments, **options):
        scheduler.set_timesteps(steps)
        yield from ((t, noise, noise) for t in [*scheduler.timesteps.tolist(), -1])

    monkeypatch.setattr(figures, "sample", sample)
    monkeypatch.setattr(figures, "network", lambda kind: (lambda x, t: x, {"prediction_type": kind}))
    monkeypatch.setattr(figures, "EARLY", 2)
    monkeypatch.setattr(figures, "drawn_by", lambda files, strip: figures.torch.zeros(6, 1, 28, 28))


@pytest.mark.parametrize("draw", [*figures.FIGURES, *figures.OF_CHECKPOINTS])
def test_one_figure_serves_every_language(draw, quick):
    """Beside numbers and formulas there are only names of the code."""
    told = " ".join(text.get_text() for text in draw().findobj(Text))
    words = re.findall(r"\w*[^\W\d_]{3,}\w*", re.sub(r"\$[^$]*\$", "", told))
    code = SKELETON + (ROOT / "solution" / "train.py").read_text(encoding="utf-8")
    assert {*words} <= {*re.findall(r"class (\w+)Scheduler", SKELETON), *re.findall(r'"(\w+)"', code)}


def test_the_strips_of_symptoms_are_those_of_the_table():
    rows = re.findall(r"^\| ([\d, ]+) \| .* \| ([\d., ]+) \|$", HANDOUT, re.MULTILINE)
    sections = {int(strip): cell.split(", ") for strips, cell in rows for strip in strips.split(", ")}
    assert sorted(sections) == list(range(1, len(figures.STRIPS) + 1))
    for number, strip in enumerate(figures.STRIPS, 1):
        assert catalogue()[strip.mistake].section in sections[number], strip


def test_samples_start_in_noise_and_end_in_range():
    model, settings = figures.network("v_prediction")
    noise = figures.torch.randn(2, 1, 28, 28, generator=figures.generator())
    visited = list(figures.sample(model, figures.DDIMScheduler(**settings), 3, noise))
    assert [t for t, _, _ in visited] == [999, 666, 332, -1]
    assert visited[0][1] is noise and visited[-1][1].abs().max() <= 1
