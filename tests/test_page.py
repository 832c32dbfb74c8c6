"""handout.html: every formula is turned, nothing comes from a network, and what cannot be turned is an error."""

import re
import shutil
from html import unescape

import pytest
from handout import CODE, HANDOUT

from autograder.instructor.authoring.course import Course
from autograder.instructor.authoring.handout_page import joined, mathml, render, sources
from autograder.paths import ROOT
from autograder.rubric import Rubric


@pytest.fixture(scope="module")
def page():
    return render(HANDOUT, ROOT)


def test_every_formula_is_turned(page):
    text = CODE.sub("", HANDOUT)
    displays = len(re.findall(r"^\$\$$", text, re.MULTILINE)) // 2
    inlines = (text.count("$") - 4 * displays) // 2
    assert page.count('MathML" display="block">') == displays
    assert page.count('MathML" display="inline">') == inlines
    assert "$" not in re.sub(r"<code>.*?</code>", "", page, flags=re.DOTALL)
    assert "\\" not in re.sub(r"<code>.*?</code>", "", page, flags=re.DOTALL)


def test_the_committed_page_is_that_of_the_course():
    page = render(joined(Course(Rubric.load())), ROOT)
    assert (ROOT / "handout.html").read_text(encoding="utf-8") == page, "run `make handout` and commit handout.html"


def test_a_page_tells_what_it_was_made_from(page, tmp_path):
    """A release compares this, and renders nothing: every byte of text, pictures and style counts."""
    (tmp_path / "figures").symlink_to(ROOT / "figures")
    assert sources(HANDOUT, tmp_path) in page
    assert sources(HANDOUT + " ", tmp_path) not in page
    (tmp_path / "figures").unlink()
    shutil.copytree(ROOT / "figures", tmp_path / "figures")
    picture = next((tmp_path / "figures").iterdir())
    picture.write_bytes(picture.read_bytes() + b"x")
    assert sources(HANDOUT, tmp_path) not in page


def test_nothing_is_loaded(page):
    assert not re.search(r"<(script|link|iframe|object)\b|url\(|@import|srcset", page)
    sources = re.findall(r'src="(.{20})', page)
    assert len(sources) == HANDOUT.count("![") and set(sources) == {"data:image/png;base6"}
    assert len(page) < 2_000_000


def test_links_lead_somewhere(page):
    links = set(re.findall(r'href="(.*?)"', page))
    anchors = {link[1:] for link in links if link.startswith("#")}
    assert anchors and anchors <= set(re.findall(r'id="(.*?)"', page))
    assert all(link.startswith(("#", "https://")) for link in links)


def test_pictures_keep_their_words(page):
    assert list(map(unescape, re.findall(r'alt="(.*?)"', page))) == re.findall(r"^!\[(.*)\]", HANDOUT, re.MULTILINE)


@pytest.mark.parametrize("formula", [r"\nosuchcommand x", r"\mathcal Q", r"\begin{aligned} a &= b \end{aligned}"])
def test_what_cannot_be_turned_is_an_error(formula):
    with pytest.raises(ValueError, match=r"no MathML|no letter"):
        mathml(formula, display=True)


def test_a_missing_picture_is_an_error():
    with pytest.raises(FileNotFoundError):
        render("# Title\n\n![words](figures/nosuch.png)\n", ROOT)
