"""Whatever a stranger wrote can be read anywhere: on a terminal, in every report and table, in a log."""

import csv
import io
import json
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from autograder.__main__ import GRADED, USAGE, main
from autograder.grading import Found, conclude
from autograder.instructor.classroom import before_marking, page, publishing
from autograder.instructor.classroom.keeping import Kept
from autograder.instructor.grades import sheet
from autograder.instructor.grades.exceptions import Agreed
from autograder.instructor.handins.collecting import HandedIn
from autograder.intake.handin import zipped
from autograder.record import CRASHED, PASSED, UNGRADED, CheckResult, Failed
from autograder.reports import gradescope, html, junit, markdown, terminal
from autograder.rubric import Rubric
from autograder.text import readable

ACTING = [
    "\x1b[2J\x1b[1;1H",  # clears a screen
    "\x1b]0;owned\x07\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",  # a title, a link
    "\x9b31m\x90q\x9c\x9d0;x\x9c",  # C1: the same in one byte
    "\x08\x08\x7f\x00\r\n\x0b\x0c\x1c\x85\u2028\u2029100 of 100 points",
    "\u202e\u2066\u2067\u2069\u200f\u061c",  # directions
    "\u200b\u200c\u200d\u2060\ufeff\xad\u3164\u115f\u2800\U000e0041\ufe0f\u034f",  # nobody sees them
    "\ud800\udce9\udfff",  # halves of pairs
    "\uffff\ufdd0\U0010ffff\ue000",  # nobody's
]
RUBRIC = Rubric.load()
texts = st.text(st.characters(exclude_categories=()), max_size=40) | st.sampled_from(ACTING)


def is_readable(text):
    """Whether text may go anywhere: what a report adds itself are line breaks, tabs and plain characters."""
    return all(c in "\n\t" or (c.isprintable() and c == readable(c)) for c in text)


@settings(max_examples=300, deadline=None)
@given(texts, st.booleans(), st.none() | st.integers(1, 50))
def test_shown_is_readable_and_the_same_again(text, lines, limit):
    once = readable(text, limit, lines)
    assert is_readable(once) and (lines or "\n" not in once) and readable(once, limit, lines) == once
    once.encode("utf-8")


@pytest.mark.parametrize("text", ["", "x_t = √ᾱ_t x_0 + é ü 中文 فارسی हिन्दी 🎲", "a  b", "<b>&amp;[x](y)"])
def test_what_is_readable_stays(text):
    assert readable(text) == text and readable("a\tb\r\nc\u3000d", lines=True) == "a\tb\nc d"


def made(text):
    """A record in which this text stands everywhere that text of a student can stand."""
    results = {}
    for n, (id, entry) in enumerate(RUBRIC.checks.items()):
        failed = Failed(CRASHED if n % 2 else UNGRADED, f"add_noise(...) raised {text}", text, types=[text])
        told = {"verdict": failed.verdict, "message": failed.message, "detail": failed.detail}
        told |= {"hint": text, "printed": text, "facts": {"traceback": text, "signal": text}}
        results[id] = CheckResult(id, entry.part, entry.title, entry.points, **told)
    runs = [{"ended": "died", "signal": text, "denied": [text, "x"]}]
    found = Found(results, runs=runs, box={"box_tier": "A", "box_not_blocked": [text]})
    return conclude(found, RUBRIC, text, [text], "seed")


def all_reports(record):
    drawn = io.StringIO()
    Console(file=drawn, width=120).print(terminal.render(record, RUBRIC))
    return {
        "terminal": drawn.getvalue(),
        "markdown": markdown.render(record, RUBRIC),
        "html": html.render(record, RUBRIC),
        "junit": junit.render(record, RUBRIC),
        "json": gradescope.render(record, RUBRIC),
    }


@settings(max_examples=25, deadline=None)
@given(texts)
def test_every_report_of_every_text_is_readable(text):
    record = made(text)
    reports = all_reports(record)
    for name, report in reports.items():
        assert is_readable(report), name
    assert is_readable("".join(ElementTree.fromstring(reports["junit"]).itertext()))
    assert is_readable("".join(strings(json.loads(reports["json"]))))
    assert all(check.message.isprintable() for check in record.checks)


def strings(value):
    """All texts in plain data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from strings(item)


@settings(max_examples=15, deadline=None)
@given(texts)
def test_every_page_and_table_of_a_class_is_readable(text):
    depends = {"seed": "s", "device": "cpu"}
    rows = [publishing.row(kept := Kept(depends, "ada", [text], refused=text), publishing.record(kept, RUBRIC, {}), {})]
    rows.append(publishing.row(Kept(depends, "bob", [text], failed=text), None, {}))
    rows.append(publishing.row(Kept(depends, "eve", [text]), made(text), {}))
    class_list = [HandedIn(row.student, "x", notes=[text]) for row in rows]
    text = sheet.table(before_marking.grades(rows, class_list, RUBRIC, Agreed()), class_list, RUBRIC)
    assert is_readable(page.render(rows, RUBRIC)) and is_readable("".join(map(publishing.summary, rows)))
    assert is_readable(text) and len(list(csv.reader(io.StringIO(text)))) == len(rows) + 1


NAMES = [b"w\xff\xfe.zip", b"w\x1b[2J\x1b]0;x\x07.zip", "w\u202e\u200b\u2028.zip".encode(), b"[red]\n"]


def refused(tmp_path, name):
    """A submission of this name that is refused."""
    path = os.fsdecode(os.path.join(os.fsencode(tmp_path), name))
    with open(path, "wb") as file:
        file.write(zipped({"../scheduler.py": b""}))
    return path


@pytest.mark.skipif(os.name == "nt", reason="such names do not exist there")
@pytest.mark.parametrize("name", NAMES)
def test_an_archive_of_any_name_is_refused_and_reported(name, tmp_path, grade):
    record = grade(Path(refused(tmp_path, name)), public_only=True)
    assert "leads outside" in record.notes[0]
    ElementTree.fromstring(junit.render(record, RUBRIC))
    for report in all_reports(record).values():
        assert is_readable(report)


@pytest.mark.skipif(os.name == "nt", reason="such names do not exist there")
def test_the_command_line_takes_any_name(tmp_path, capsys):
    path = refused(tmp_path, NAMES[0] + NAMES[1])
    assert main(["grade", path, "--out", str(tmp_path / "out"), "--public", "--only", "schedule"]) == GRADED
    for report in (tmp_path / "out").iterdir():
        assert is_readable(report.read_text(encoding="utf-8")), report
    assert main(["grade", f"{path}-gone"]) == USAGE and main(["debug", "ddim.eta", "--submission", path]) == USAGE
    captured = capsys.readouterr()
    assert is_readable(captured.out) and is_readable(captured.err) and "leads outside" in captured.err


ATTACK = """
ESC = {text!r}

def raises(self, *args, **kwargs):
    raise type(ESC[:60].replace("\\0", "") or "X", (Exception,), {{}})(ESC)

def returns(self, *args, **kwargs):
    print(ESC)
    return type(ESC.replace("\\0", ""), (), {{}})()

def todo(self, *args, **kwargs):
    raise NotImplementedError("TODO " + ESC)

DDPMScheduler.add_noise, DDPMScheduler.get_velocity, DDPMScheduler.predict = raises, returns, todo
"""


def test_what_comes_out_of_the_box_is_readable(grade):
    source = reference.SCHEDULER
    record = grade(source + ATTACK.format(text="".join(ACTING[:6])), only=("forward", "reverse"), public_only=True)
    lost = {check.id: check for check in record.checks if check.verdict != PASSED}
    assert lost["forward.add_noise"].verdict == CRASHED and "?[2J" in lost["forward.add_noise"].message
    for report in all_reports(record).values():
        assert is_readable(report)
