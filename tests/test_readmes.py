"""What the pages for readers point to is there, and the commands that they name are."""

import re

import pytest

from autograder.paths import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "STUDENTS.md", "CONTRIBUTING.md", "VALIDITY.md")),
    *(ROOT / "autograder").rglob("README.md"),
]
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
TARGETS = set(re.findall(r"^([a-z-]+):", "".join((ROOT / name).read_text() for name in (
    "Makefile", "autograder/instructor/instructor.mk")), re.MULTILINE))  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_commands_are_there(page):
    text = page.read_text(encoding="utf-8")
    for link in LINK.findall(text):
        assert link.startswith("http") or (page.parent / link).exists(), link
    assert set(re.findall(r"\bmake ([a-z]+(?:-[a-z]+)*)\b", "; ".join(commands(text)))) <= TARGETS
    for module in re.findall(r"python -m (autograder[\w.]*\w)", text):
        path = ROOT / module.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").exists(), module


def commands(text):
    """What is set as code: between backticks, or indented by four spaces."""
    yield from re.findall(r"`([^`\n]+)`", text)
    yield from (line for line in text.splitlines() if line.startswith("    "))


def test_places_of_the_map_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| [^|]+ \| `([^`]+)`", text, re.MULTILINE)
    assert len(table) >= 6 and all((ROOT / "autograder" / name).exists() for name in table)


def test_a_stranger_reads_it_in_half_a_minute():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 90
