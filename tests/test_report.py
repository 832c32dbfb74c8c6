"""report.html: self-contained, escaped, and with a picture where one explains."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
import reference

from autograder.record import Evidence
from autograder.reports import html
from autograder.reports.pictures import picture

REFERENCE = reference.SCHEDULER


class Page(HTMLParser):
    """Collects the tags; an unbalanced one is an error."""

    VOID = ("meta", "polyline", "rect", "circle", "path", "line", "link", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.seen = [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_a_wrong_submission_gets_pictures_and_a_hint(grade, rubric):
    source = REFERENCE.replace(".clamp(max=0.999)", ".clamp(max=0.02)")
    source = source.replace("sigma = eta * variance.sqrt()", "sigma = (eta * variance).sqrt()")
    text = html.render(grade(source), rubric)
    page = Page(text)
    tags = [tag for tag, _ in page.seen]
    assert "polyline" in tags and "rect" in tags and "circle" in tags
    assert "It looks like this" in text
    assert not {"script", "link", "img", "iframe"} & set(tags)
    assert not re.search(r"https?://", text)
    assert not any(name.startswith("on") or name in ("src", "href") for _, names in page.seen for name in names)


def test_what_a_student_wrote_is_escaped(grade, rubric):
    hostile = "</pre><script>alert(1)</script><b onload=x>"
    source = REFERENCE.replace("import math\n", f"import math\nprint({hostile!r})\n", 1)
    source = source.replace("        alpha = alpha_bar / alpha_bar_prev", f"        raise ValueError({hostile!r})")
    text = html.render(grade(source), rubric)
    assert "script" not in [tag for tag, _ in Page(text).seen]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_hidden_cases_show_no_numbers(grade, public):
    """Right where the public numbers are recognised: of the hidden failure, no number, print or picture is shown."""
    seen = {int(a) for key, a in public.tensors.items() if "/input/" in key and a.ndim == 0 and a.dtype == np.int64}
    source = REFERENCE.replace(
        "        alphas = 1 - betas\n",
        f"        print('T is', num_train_timesteps)\n"
        f"        if num_train_timesteps not in {seen | {1000, 30}}:\n"
        "            betas = betas * 1.1\n"
        "        alphas = 1 - betas\n",
    )
    check = grade(source).checks[0]
    assert (check.id, check.verdict) == ("schedule.linear", "wrong")
    assert check.message == "a result is wrong (on a hidden case)"
    assert check.detail == "" and check.evidence is None
    shown = {int(number) for number in re.findall(r"T is (\d+)", check.printed)}
    assert shown <= seen | {1000}


@pytest.mark.parametrize("shape", [(3,), (1000,), (3, 2, 2, 3), (1, 1, 6, 6)])
@pytest.mark.parametrize("broken", [np.nan, np.inf, 1e30, 0.0])
def test_pictures_of_anything(shape, broken):
    expected = np.linspace(0, 1, int(np.prod(shape))).reshape(shape)
    got = expected.copy()
    got.flat[1] = broken
    cases = [("at t = 3", False), ("at t = 4", True), ("at t = 9", True)]
    drawn = picture(Evidence("betas", "at t = 3", got, expected, cases))
    Page(drawn)
    assert not re.search(r"\b(nan|inf)\b", drawn)
