"""nbgrader as the gradebook: every notebook is graded, no student code runs, no number is invented, and only staff sees
the guide."""

import base64
import copy
import csv
import io
import json
import random
import re
import shutil
import sqlite3
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from types import SimpleNamespace
from xml.etree import ElementTree

import nbformat
import pytest
from courses import rubric_text
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader import api
from nbgrader.utils import determine_grade, is_solution

from autograder.instructor.authoring import course as authoring
from autograder.instructor.authoring import skeleton
from autograder.instructor.gradebook import course as courses
from autograder.instructor.gradebook import filling, guide, rendering, restoring, results, scores
from autograder.instructor.gradebook.__main__ import MISSING, USAGE, main
from autograder.instructor.gradebook.course import ASSIGNMENT, Course, CourseError
from autograder.instructor.gradebook.filling import fill
from autograder.instructor.gradebook.filling import grades as grades_of
from autograder.instructor.grades import lateness, sheet
from autograder.instructor.handins.collecting import People, collect, load_class
from autograder.instructor.handins.roster import Person, Roster
from autograder.intake import parsing
from autograder.intake.handin import STUBS, unwritten, zipped
from autograder.paths import ROOT
from autograder.record import PASSED, UNGRADED, WRONG, CheckResult, GradeRecord
from autograder.reports import gradescope
from autograder.rubric import Rubric
from autograder.text import readable

HANDED_OUT = (ROOT / "assignment" / "report.ipynb").read_text(encoding="utf-8")
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 20).decode()
QUESTIONS = {"warmup": 2, "schedules_answer": 3, "training_answer": 3}
DUE = "2026-11-24T23:59+01:00"
LATE = {"due": DUE, "policy": "per_day", "grace_minutes": 10, "per_day_percent": 10, "last_day": 7}


def rubric(**late):
    return replace(Rubric.load(), late=LATE | late)


def record(losing=(), ungraded=(), provisional=False, message="too large", rubric=None):
    """A grade record as text: the checks that lose their points, and those that could not be graded."""
    checks = []
    for entry in (rubric or Rubric.load()).checks.values():
        verdict = WRONG if entry.id in losing else UNGRADED if entry.id in ungraded else PASSED
        told = {"message": message if verdict != PASSED else "", "bonus": entry.bonus}
        checks.append(CheckResult(entry.id, entry.part, entry.title, entry.points, verdict, **told))
    made = GradeRecord("x", checks, not provisional, provisional, [], {})
    return gradescope.render(made, Rubric.load())


def notebook(**answers):
    """The notebook that was handed out, with some answers."""
    made = nbformat.reads(HANDED_OUT, 4)
    for cell in made.cells:
        if cell.id in answers:
            cell.source = answers[cell.id]
    return made


def cell_of(made, id):
    return next(cell for cell in made.cells if restoring.grade_id(cell) == id)


# ----- notebooks of every kind -------------------------------------------------------------------------------


def cell_deleted(made):
    made.cells = [cell for cell in made.cells if cell.id not in ("warmup", "warmup_question")]


def cell_renamed(made):
    cell_of(made, "warmup").metadata.nbgrader.grade_id = "mine"


def cell_copied(made):
    made.cells.insert(3, copy.deepcopy(cell_of(made, "warmup")))


def flags_edited(made):
    cell_of(made, "warmup").metadata.nbgrader |= {"points": 99, "solution": False, "locked": True}
    cell_of(made, "warmup_question").metadata.nbgrader |= {"grade": True, "points": 50}


def metadata_broken(made):
    made.metadata = {"language": 7, "kernelspec": "x"}
    made.cells[0].metadata["nbgrader"] = ["no", "dictionary"]
    made.cells[1].metadata["nbgrader"] = {"grade_id": ["a", "list"]}


def picture_missing(made):
    cell_of(made, "warmup").source = "See ![this](attachment:gone.png) and <img src='attachment:gone.png'>"


def all_copied(made):
    made.cells += copy.deepcopy(made.cells)


HTML = "<script>document.title='taken'</script><img src=x onerror=alert(1)>"
ACTING = [
    HTML,
    "[a](javascript:alert(1)) [b](java&#115;cript:alert(1)) [c](javascript&colon;alert(1)) [d]( data:text/html,x)",
    "![e](http://evil.example/x.png) ![![f](http://evil.example/y.png)](attachment:z) ![g][h]",
    "[h]: http://evil.example/z.png",
    r"$\href{javascript:alert(1)}{x} \style{position:fixed}{y} \require{x}$ $\\\href{javascript:alert(1)}{x}$",
    "\n\n".join(
        rf"[a]({scheme}\:alert(1)) [b](<{scheme}&colon;x>) [c][{n}]" + f"\n\n[{n}]: {scheme}\\:x"
        for n, scheme in enumerate(("javascript", "JaVaScRiPt", "vbscript", "data", "file", "blob", "//evil.example/"))
    ),
    '```mermaid\nflowchart LR\n A\n click A href "javascript:alert(1)"\n```',
    "</div></div></body></html><bdo dir=rtl>x</bdo><form action=http://evil.example><button>y</button></form>",
    "<iframe src='http://evil.example'></iframe> <svg/onload=alert(1)> &lt;b&gt; <!-- -->",
]


def hostile(made):
    cell_of(made, "warmup").source = "\n\n".join(ACTING)
    made.cells.insert(1, new_markdown_cell("\n\n".join(ACTING)))
    outputs = [
        new_output("display_data", data={"text/html": HTML, "text/plain": HTML}),
        new_output("display_data", data={"application/javascript": "alert(1)", "image/svg+xml": HTML}),
        new_output("display_data", data={"image/png": f"{PNG}'/>{HTML}"}),
        new_output("stream", name="stderr", text=HTML),
        new_output("error", ename=HTML, evalue="\x1b[31m" + HTML, traceback=[HTML]),
    ]
    made.cells.insert(2, new_code_cell(f"open('/tmp/ran', 'w')  # {HTML}", outputs=outputs))


NOTEBOOKS = {
    function.__name__: function
    for function in (
        cell_deleted,
        cell_renamed,
        cell_copied,
        flags_edited,
        metadata_broken,
        picture_missing,
        all_copied,
        hostile,
    )
}
# What is no notebook at all, and how staff hear of it.
NONE = {
    "missing": (None, "No report.ipynb was handed in."),
    "corrupt": (b'{"cells": [', "report.ipynb cannot be read as a notebook: "),
    "latin": (b"\xff\xfe\x00", "report.ipynb cannot be read as a notebook: "),
    "list": (b"[1, 2]", "report.ipynb cannot be read as a notebook: "),
    "cells": (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": "no"}', "report.ipynb cannot be read"),
    "old": (b'{"nbformat": 2, "worksheets": 7}', "report.ipynb cannot be read as a notebook: "),
}
PEOPLE = [
    *(Person(id, "Ada", f"Lovelace, {id}", f"{id}@example.edu") for id in [*NOTEBOOKS, *NONE]),
    Person("good", "=HYPERLINK(1)", 'O"Neil; Jr.'),
    Person("untouched", "Zoë", "@Müller"),
    Person("refused"),
    Person("broken_record"),
    Person("no_record"),
    Person("unfinished"),
    Person("public"),
    Person("nothing"),
]


class Classroom:
    """A class in a folder."""

    def __init__(self, folder, people):
        self.folder, self.course, self.source = folder, Course(folder), folder / "download"
        self.roster, self.rubric = Roster(people), rubric()

    def hand_in(self, student, report):
        path = self.source / student / "report.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "scheduler.py").write_text("x = 1\n")
        if report is not None:
            path.write_bytes(report)

    def record(self, student, text):
        path = self.course.results(student)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def fill(self, roster=None, **late):
        self.now = roster or self.roster
        self.handed_in = collect(self.source, self.folder / "submissions", self.now)
        self.filled = fill(self.folder, self.handed_in, rubric(**late), self.now)
        return self.filled

    def by_hand(self, student, **points):
        with self.course.gradebook() as gradebook:
            for grade in grades_of(gradebook, student):
                if grade.name in points:
                    grade.manual_score, grade.needs_manual_grade = points[grade.name], False
            gradebook.db.commit()

    def grades(self, **late):
        made = results.grades(self.folder, self.handed_in, rubric(**late), self.now)
        return {grade.student: grade for grade in made}

    def autograded(self, student):
        return nbformat.read(self.course.autograded(student), 4)


@pytest.fixture(scope="module")
def classroom(tmp_path_factory):
    """Notebooks and records of every kind, filled in once, as when nobody activated the environment."""
    made = Classroom(tmp_path_factory.mktemp("class"), PEOPLE)
    for student in PEOPLE:
        made.record(student.id, record(losing=["ddim.eta"]))
    for name, spoil in NOTEBOOKS.items():
        spoiled = notebook(warmup="It is the mean.")
        spoil(spoiled)
        made.hand_in(name, json.dumps(spoiled).encode())
    for name, (data, _) in NONE.items():
        made.hand_in(name, data)
    answered = notebook(warmup="The **mean** of all data, $x_0$.", steps_answer="Twenty steps.")
    answered.cells.insert(0, new_code_cell("plot()", outputs=[new_output("display_data", {"image/png": PNG})]))
    made.hand_in("good", json.dumps(answered).encode())
    made.hand_in("untouched", json.dumps(notebook(warmup="", steps_answer="*Your answer:* \n\n...")).encode())
    for name in ("broken_record", "no_record", "unfinished", "public"):
        made.hand_in(name, HANDED_OUT.encode())
    (made.source / "refused.zip").write_bytes(zipped({"../scheduler.py": b"", "report.ipynb": b"{}"}))
    made.record("broken_record", re.sub(r'"points": [\d.]+', '"points": 1e9', record()))
    made.course.results("no_record").unlink()
    made.record("unfinished", record(ungraded=["training.epsilon"]))
    made.record("public", record(provisional=True))
    made.record("refused", record(losing=made.rubric.checks))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/usr/bin:/bin")
        made.fill()
    return made


def test_everybody_is_graded_but_the_one_whose_record_is_wrong(classroom):
    assert classroom.filled.failed == {"broken_record": "RecordError: 1000000000.0 points of 5"}
    assert classroom.filled.done == len(PEOPLE) - 2
    made = classroom.grades()
    assert list(made) == [student.id for student in PEOPLE]
    for name in NOTEBOOKS:
        assert made[name].parts["ddim"] == 10 and made[name].parts["reverse"] == 35, name
    assert made["broken_record"].missing == ["not in the gradebook"] and made["broken_record"].points is None
    assert not classroom.course.autograded("broken_record").exists()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_cell_is_there_once_and_as_it_was_handed_out(name, classroom):
    master, made = nbformat.read(classroom.course.release, 4), classroom.autograded(name)
    ids = [restoring.grade_id(cell) for cell in made.cells if restoring.grade_id(cell)]
    assert ids == [restoring.grade_id(cell) for cell in master.cells if restoring.grade_id(cell)]
    for cell in master.cells:
        if restoring.grade_id(cell) and not is_solution(cell):
            restored = cell_of(made, restoring.grade_id(cell))
            part = cell.id.removeprefix("part_") if cell.id.startswith("part_") else None
            graded = part and f"# {classroom.rubric.parts[part]}: graded by the autograder"
            assert restored.source == (graded or cell.source)
            assert restored.metadata.nbgrader.get("points") == cell.metadata.nbgrader.get("points")
    grade = classroom.grades()[name]
    assert grade.missing == ([] if name == "cell_deleted" else ["warmup"])


def test_an_own_copy_or_a_renamed_cell_is_shown_beside_the_restored_one(classroom):
    for name, times in (("cell_renamed", 1), ("cell_copied", 2)):
        made = classroom.autograded(name)
        shown = [restoring.grade_id(cell) for cell in made.cells if cell.source == "It is the mean."]
        assert len(shown) == times and "warmup" in shown


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_notebook_gets_the_points_of_the_code(name, classroom):
    _, told = NONE[name]
    assert classroom.filled.notes[name][0].startswith(told)
    grade = classroom.grades()[name]
    assert grade.parts["ddim"] == 10 and told[:26] in classroom.autograded(name).cells[0].source
    if name == "missing":
        assert grade.complete and grade.points == 95 and grade.parts["report"] == 0
    else:
        assert grade.missing == list(guide.guide()) and grade.notes[0].startswith(f"The report waits: {told[:26]}")


def metadata_lost(made):
    for cell in made.cells:
        cell.metadata.pop("nbgrader", None)
        if cell.id in guide.guide():
            cell.source = "My answer."


def metadata_and_ids_lost(made):
    metadata_lost(made)
    for n, cell in enumerate(made.cells):
        cell.id = f"x{n}"


def in_new_cells_below(made):
    for id in guide.guide():
        place = made.cells.index(cell_of(made, id))
        made.cells.insert(place + 1, new_markdown_cell(f"My answer to {id}."))


def all_in_one_new_cell_at_the_end(made):
    made.cells.append(new_markdown_cell("1. The mean. 2. The cosine one."))


def in_a_cell_of_code(made):
    made.cells.append(new_code_cell("# It is the mean of all the data, as the figure shows.\n"))
    made.cells.append(new_code_cell("It is the mean."))


def in_the_second_of_two_copies(made):
    for id in guide.guide():
        cell = cell_of(made, id)
        made.cells.insert(made.cells.index(cell), copy.deepcopy(cell))
        cell.source = "My answer."


def in_the_question(made):
    cell_of(made, "warmup_question").source += "\n\nIt is the mean."


MOVES = (metadata_lost, metadata_and_ids_lost, in_new_cells_below, in_the_question, all_in_one_new_cell_at_the_end,
         in_a_cell_of_code, in_the_second_of_two_copies)  # fmt: skip


@pytest.mark.parametrize("move", MOVES)
def test_an_answer_in_another_cell_is_found_or_makes_the_question_wait(move):
    """As it passes through restoring, once in filling and once in nbgrader."""
    made = notebook()
    move(made)
    master = nbformat.reads(courses.master(Rubric.load()), 4)
    shown = restoring.restore(restoring.restore(made, master), master)
    words = [cell.source for cell in shown.cells]
    answers = {id: cell_of(shown, id).source for id in guide.guide()}
    if move in (metadata_lost, in_the_second_of_two_copies):
        assert set(answers.values()) == {"My answer."}
    else:
        assert set(answers.values()) == {STUBS["en"]} and restoring.elsewhere(shown, master)
        assert any("mean" in text or "My answer" in text for text in words)


@pytest.mark.parametrize("of_the_class", STUBS)
@pytest.mark.parametrize("handed_in", STUBS)
def test_a_report_is_marked_in_the_language_of_the_class_whatever_bundle_it_is_from(of_the_class, handed_in):
    rubric = Rubric.load()
    rubric.course["language"] = of_the_class
    master = nbformat.reads(courses.master(rubric), 4)
    assert (master.cells[0].source.startswith("# 实验报告")) == (of_the_class == "zh")
    raw = skeleton.notebook(authoring.Course(rubric, lang=handed_in))
    assert "AS YOU GOT IT" in unwritten(raw)
    made = nbformat.reads(raw.decode(), 4)
    shown = restoring.restore(made, master)
    assert {cell_of(shown, id).source for id in guide.guide()} == {STUBS[of_the_class]}
    assert not any(restoring.is_answered(cell_of(made, id)) for id in guide.guide())
    cell_of(made, "warmup").source += "\n\n落在数据的均值处。"
    shown = restoring.restore(made, master)
    assert "均值" in cell_of(shown, "warmup").source and restoring.is_answered(cell_of(shown, "warmup"))
    assert cell_of(shown, "warmup_question").source == cell_of(master, "warmup_question").source


def test_what_is_no_answer_makes_nothing_wait():
    """As it was handed out, run, with code that was edited, and with empty cells and copies."""
    made = notebook(warmup="The mean.")
    code = next(cell for cell in made.cells if cell.cell_type == "code" and "spiral" in cell.source)
    code.source += "\n# 3\nprint(3)"
    made.cells += [new_code_cell("%matplotlib inline\n!ls"), new_code_cell(""), new_markdown_cell("  ")]
    made.cells += copy.deepcopy(made.cells[:5])
    master = nbformat.reads(courses.master(Rubric.load()), 4)
    assert not restoring.elsewhere(restoring.restore(made, master), master)


def test_an_untouched_answer_gets_0_and_an_answer_waits(classroom):
    made = classroom.grades()
    assert made["untouched"].complete and made["untouched"].parts["report"] == 0
    assert made["good"].missing == ["warmup", "steps_answer"] and made["good"].points is None
    assert made["refused"].points == 0 and "refused" in classroom.filled.notes["refused"][0]
    assert made["nothing"].points == 0 and made["nothing"].complete


def test_what_is_not_graded_is_never_0(classroom):
    made = classroom.grades()
    assert made["unfinished"].missing == ["training"] and made["unfinished"].parts["training"] is None
    assert made["unfinished"].parts["schedule"] == 15
    for name in ("public", "no_record"):
        assert made[name].missing == list(classroom.rubric.parts)
        assert set(made[name].parts.values()) == {None, 0}  # of the report nothing was answered
    assert "Provisional" in cell_of(classroom.autograded("public"), "part_ddim").outputs[0].text
    assert "Not graded yet." in cell_of(classroom.autograded("no_record"), "part_ddim").outputs[0].text


@pytest.mark.parametrize("points", ["NaN", "Infinity", "-3", "5.5", '"7.5"', "true", "null", "[5]"])
def test_a_number_that_is_none_is_refused(points, tmp_path):
    """nbgrader would give full points for nearly all of them."""
    text = record()
    (tmp_path / "r.json").write_text(text.replace('"points": 5,', f'"points": {points},', 1))
    assert (tmp_path / "r.json").read_text() != text
    with pytest.raises(scores.RecordError):
        scores.read(tmp_path / "r.json")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"tests": 3, "extra_data": {"provisional": false}}', "\0"])
def test_what_is_no_record_is_refused(text, tmp_path):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(scores.RecordError, match="is no results"):
        scores.read(tmp_path / "r.json")


def test_the_locked_cells_give_nothing_to_nbgraders_own_execute(classroom):
    cell = cell_of(nbformat.read(classroom.course.release, 4), "part_ddim")
    with pytest.raises(RuntimeError, match="not here"):
        exec(cell.source)
    cell.outputs = [new_output("error", ename="RuntimeError", evalue="", traceback=[])]
    assert determine_grade(cell) == (0, 15)


# ----- what students and graders see -------------------------------------------------------------------------


def test_nothing_of_a_student_acts(classroom):
    for cell in classroom.autograded("hostile").cells:
        if cell.cell_type == "markdown" and not (restoring.grade_id(cell) and not is_solution(cell)):
            assert "</div></div>" in cell.source or "alert" not in cell.source, "it stays as it was written"
        kinds = {kind for output in cell.get("outputs", []) for kind in output.get("data", {})}
        assert kinds <= {"text/plain", "image/png"}
    page, plain = (Tags(feedback_of(classroom, name, warmup=1)) for name in ("hostile", "cell_copied"))
    assert page.count("script") == plain.count("script") and page.count("style") == plain.count("style")
    assert {tag for tag, _ in page.found} - {"a", "em"} <= {tag for tag, _ in plain.found} | {"img"}
    assert page.count("a") > plain.count("a"), "links stay, which is the point of looking where they lead"
    for tag, attributes in page.found:
        assert not [name for name in attributes if name.startswith("on")], tag
        link = attributes.get("href", "")
        assert link.startswith(("#", "http://", "https://")) or not link, attributes
        assert "mermaid" not in attributes.get("class", "").lower()
        assert tag != "img" or attributes["src"].startswith("data:image/png;base64,")
    shown = feedback_of(classroom, "hostile")
    assert r"\ href" in shown and not re.search(r"\\(href|style|require)\b", shown)


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def count(self, tag):
        return sum(each == tag for each, _ in self.found)


LONG = {
    "bangs": "a" + "!" * 1_000_000,
    "formulas": "a" + "\\\\(" * 50_000,
    "environments": r"a\begin{a}" * 20_000,
    "quotes": "> " * 50_000 + "a",
    "surrogates": "a\ud800 \udc00b \x1b[2J\u202e",
    "links": "[a](" * 50_000,
}


@pytest.mark.skipif(not parsing.FORKS, reason="needs limits")
@pytest.mark.parametrize("name", LONG)
def test_what_takes_long_to_render_is_cut_short(name):
    master = courses.master(rubric())
    written = json.dumps(notebook(warmup=LONG[name], steps_answer="Twenty steps.")).encode()
    text, digest = parsing.parse(filling.__name__, "restore_notebook", written, master, **filling.LIMITS)
    made = nbformat.reads(text, 4)
    assert restoring.digest(made) == restoring.digest(restoring.restore(made, nbformat.reads(master, 4))) == digest
    assert cell_of(made, "steps_answer").source == "Twenty steps."
    source = cell_of(made, "warmup").source
    assert source == readable(source, None, lines=True) and ("takes too long" in source) <= (len(source) < 3_000)
    assert ("takes too long" in source) == (name in ("formulas", "environments"))


@pytest.mark.parametrize(
    "raw", [b"[" * 1_000_000, b'{"x": ' + b"1" * 9_000_000 + b"}", b'"' + b"\\" * 999_999, b"\xff\xfe"]
)
def test_what_no_parser_likes_is_one_line(raw):
    master = courses.master(rubric())
    with pytest.raises(parsing.Unparsable) as raised:
        parsing.parse(filling.__name__, "restore_notebook", raw, master, **filling.LIMITS)
    assert str(raised.value).isprintable() and len(str(raised.value)) < 400


def test_more_cells_than_anybody_reads_are_refused():
    made = notebook()
    made.cells += [new_markdown_cell("x") for _ in range(restoring.MAX_CELLS)]
    with pytest.raises(ValueError, match="cells"):
        restoring.restore(made, nbformat.reads(courses.master(rubric()), 4))


def test_restoring_twice_changes_nothing(classroom):
    master = nbformat.read(classroom.course.release, 4)
    for name in (*NOTEBOOKS, "good"):
        path = classroom.course.submitted(name) / "report.ipynb"
        once = nbformat.read(path, 4)
        assert nbformat.writes(restoring.restore(once, master)) == nbformat.writes(once), name


def test_plots_and_pasted_pictures_stay(classroom):
    made = notebook(warmup="See ![this](attachment:a.png), or ![that](attachment:b.png)!")
    cell_of(made, "warmup").attachments = {"a.png": {"image/png": PNG}, "b.png": {"image/svg+xml": "<svg/>"}, "../c": 7}
    master = nbformat.read(classroom.course.release, 4)
    cell = cell_of(restoring.restore(made, master), "warmup")
    assert cell.source == cell_of(made, "warmup").source
    page = rendering.html(cell.source, cell.attachments)
    assert Tags(page).count("img") == 1 and PNG in page and ">that</a>!" in page
    assert cell.attachments == {"a.png": {"image/png": PNG}}
    assert classroom.autograded("good").cells[0].outputs[0].data == {"image/png": PNG}


def test_formulas_stay_formulas(classroom):
    made = notebook(warmup=r"$x<y$ and $\begin{aligned}a &= b\\c &\le d\end{aligned}$, 1 < 2")
    cell = cell_of(restoring.restore(made, nbformat.read(classroom.course.release, 4)), "warmup")
    assert cell.source == cell_of(made, "warmup").source
    page = rendering.html(cell.source + ", t<T and s>0")
    assert unescape(re.sub("<.*?>", "", page)).strip() == cell.source + ", t<T and s>0"


def test_cells_of_a_table_keep_their_distance():
    """Bootstrap, which formgrader loads, gives space between cells only to tables of its class: without, 1074 %."""
    page = rendering.html("| S | share |\n|---|--:|\n| 10 | 74 % |")
    assert '<table class="table table-condensed" style="width: auto">' in page
    assert '<td style="text-align:right">74 %</td>' in page
    odd = '<table style="position:fixed" class="cell"><tr><td>x &lt;table</td></tr></table>'
    page = rendering.html(odd, ours=True)
    assert page.count('<table class="table table-condensed" style="width: auto">') == 1 and "fixed" not in page
    assert "x &lt;table" in page


def feedback_of(classroom, student, **points):
    classroom.by_hand(student, **points)
    made = classroom.grades()[student]
    assert made.complete
    assert results.feedback(classroom.folder, [made]) == {}
    assert [path.name for path in classroom.course.feedback(student).parent.iterdir()] == ["report.html"]
    return classroom.course.feedback(student).read_text(encoding="utf-8")


def test_feedback_has_points_comments_and_the_report(classroom):
    with classroom.course.gradebook() as gradebook:
        comment = gradebook.find_comment("warmup", "report", ASSIGNMENT, "good")
        comment.manual_comment = "Well *seen*."
        gradebook.db.commit()
    page = feedback_of(classroom, "good", warmup=1.5, steps_answer=3)
    assert "report (Score: 99.5 / 120.0)" in page and "Well <em>seen</em>." in page
    assert "0/5  DDIM step with eta: wrong" in page and "Score: 10.0 / 15.0" in page and PNG in page
    assert not any(line in page for line in guide.lines())


def test_the_page_of_a_student_has_the_comments_first_and_needs_nothing(classroom):
    """One file, with questions by their names, formulas that browsers draw, and what report.html says of the code."""
    with classroom.course.gradebook() as gradebook:
        comment = gradebook.find_comment("warmup", "report", ASSIGNMENT, "good")
        comment.manual_comment = r"Well *seen*: $\hat x_0 < 1$, but $\nosuch{x}$."
        gradebook.db.commit()
    code = classroom.course.results("good").with_name("report.html")
    code.write_text("<body><header>1 of 2</header><section>how it went</section><footer>x</footer></body>")
    feedback_of(classroom, "good", warmup=1.5, steps_answer=3)
    page = classroom.course.page("good").read_text(encoding="utf-8")
    words = " ".join(unescape(re.sub("<[^>]*>", " ", page.partition("<body>")[2])).split())
    assert words.startswith("good 99.5 of 120 points code 95 of 100 report 4.5 of 20 Comments Question 1, Warm-up")
    assert "Question 4, Prediction type, steps and eta 3/4" in words and "The mean of all data" in words
    assert page.index("Well <em>seen</em>") < page.index("Your report") < page.index("how it went")
    assert "1 of 2" not in words and page.count("<math ") >= 3 and r"<code>\nosuch{x}</code>" in page
    assert words.count("No answer was found here.") == 5
    assert not re.search(r"<(script|link|iframe|object|img)\b|url\(|@import", page)
    assert [path.name for path in classroom.course.page("good").parent.iterdir()].count("good.html") == 1
    incomplete = replace(classroom.grades()["good"], missing=["x"])
    assert results.feedback(classroom.folder, [incomplete]) == {} and not classroom.course.page("good").exists()


def test_nothing_of_a_student_acts_on_that_page_either(classroom):
    feedback_of(classroom, "hostile", warmup=1)
    found = Tags(classroom.course.page("hostile").read_text(encoding="utf-8")).found
    assert {tag for tag, _ in found}.isdisjoint({"script", "iframe", "form", "button", "svg", "link", "bdo"})
    for tag, attributes in found:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert not attributes.get("href") or attributes["href"].startswith(("#", "http://", "https://"))
        assert tag != "img" or attributes["src"].startswith("data:image/png;base64,")
        assert "style" not in attributes or tag in ("td", "th", "i", "table"), (tag, attributes)


PIECES = [*r"\ { } _ ^ & < > \" x 1 $ % \\ é".split(), r"\frac", r"\href{javascript:a}", r"\style", r"\begin{matrix}",
          r"\end{matrix}", r"\text", r"\color{red}", r"\sqrt", r"\left(", "<script>", " "]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PIECES)).map("".join), st.booleans())
def test_a_formula_is_drawn_or_stands_there_as_it_was_written(formula, display):
    made = rendering.drawn(formula, display)
    for element in ElementTree.fromstring(made).iter():
        tag = element.tag.rpartition("}")[2]
        assert tag == "code" or (tag in rendering.MATHML and rendering.ALLOWED.issuperset(element.attrib))
    if made.startswith("<code>"):
        assert unescape(made[6:-7]) == formula


@pytest.mark.parametrize("name", [*NOTEBOOKS, "corrupt", "missing", "refused"])
def test_everybody_can_get_feedback(name, classroom):
    points = dict.fromkeys(classroom.grades()[name].missing, 1)
    assert "/ 120.0)" in feedback_of(classroom, name, **points)


def test_feedback_that_is_no_longer_true_is_taken_away(classroom):
    page = classroom.course.feedback("missing")
    feedback_of(classroom, "missing")
    incomplete = replace(classroom.grades()["missing"], missing=["x"])
    assert page.exists() and results.feedback(classroom.folder, [incomplete]) == {}
    assert not page.exists()


def test_the_guide_is_shown_to_graders_below_each_question_and_to_nobody_else(classroom):
    made, asked = classroom.autograded("good"), {"submission_id": "x", "student": "good"}
    shown, _ = guide.ShowGuide().preprocess(copy.deepcopy(made), asked)
    text = "\n".join(cell.source for cell in shown.cells)
    assert len(guide.guide()) == 7 and all(line in text for line in guide.lines())
    before = [cell for cell, after in zip(shown.cells, shown.cells[1:], strict=False) if is_solution(after)]
    assert all(guide.MARK in cell.source and "Marking guide" in cell.source for cell in before)
    for resources in ({"nbgrader": {}}, {"nbgrader": {}, **asked}, {}):
        assert guide.ShowGuide().preprocess(copy.deepcopy(made), resources)[0] == made
    with pytest.raises(RuntimeError, match="a line of the marking guide"):
        guide.RefuseGuide().preprocess(shown, {"nbgrader": {}})
    assert guide.RefuseGuide().preprocess(made, {})[0] == made


def test_no_file_of_the_course_folder_holds_an_answer(classroom):
    longest = sorted(guide.lines(), key=len)[-40:]
    for path in (classroom.folder / "nbgrader").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(line[:60].encode() in data for line in longest), path
            assert b"BEGIN SOLUTION" not in data, path
    assert {path.suffix for path in (classroom.folder / "nbgrader").rglob("*.*")} <= {
        ".ipynb", ".txt", ".html", ".db", ".py", ".json", ".pyc",
    }  # fmt: skip


def test_formgrader_can_show_the_configuration(classroom):
    config = classroom.course.api().config
    assert json.loads(json.dumps(config))["Autograde"]["autograde_preprocessors"][0].endswith("ExternalScores")


# ----- again, and lateness -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def class_of_one(tmp_path_factory):
    made = Classroom(tmp_path_factory.mktemp("one"), [Person("ada", "Ada", "L")])
    made.hand_in("ada", json.dumps(notebook(warmup="The mean.", steps_answer="Few.")).encode())
    made.record("ada", record())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "get_alembic_version", lambda: "asking takes seconds")
        made.fill()
    return made


@pytest.fixture
def small(class_of_one, tmp_path):
    """A class of one, who answered two questions; the folder of a class can be moved."""
    shutil.copytree(class_of_one.folder, tmp_path, dirs_exist_ok=True)
    made = Classroom(tmp_path, class_of_one.roster.students)
    assert made.fill().same == 1
    return made


def test_points_by_hand_stay_until_the_answer_changes(small):
    assert small.grades()["ada"].missing == ["warmup", "steps_answer"]
    small.by_hand("ada", warmup=2, steps_answer=3, part_ddim=9)
    assert small.fill().same == 1 and small.grades()["ada"].points == 100 - 15 + 9 + 5
    small.record("ada", record(losing=["schedule.cosine"]))
    assert small.fill().done == 1
    grade = small.grades()["ada"]
    assert grade.complete and grade.points == 94 - 15 + 9 + 5
    small.hand_in("ada", json.dumps(notebook(warmup="The median.", steps_answer="Few.")).encode())
    assert small.fill().done == 1
    grade = small.grades()["ada"]
    assert grade.missing == ["warmup", "steps_answer"] and grade.points is None
    with small.course.gradebook() as gradebook:
        assert gradebook.find_grade("warmup", "report", ASSIGNMENT, "ada").manual_score == 2


def test_a_bonus_is_extra_credit(small):
    """nbgrader's word for it: the most that can be had is less, the score is the same."""
    bonus = replace(Rubric.read(rubric_text(ddim="bonus")), late=LATE)
    small.record("ada", record(losing=["ddim.noise"], rubric=bonus))
    assert fill(small.folder, small.handed_in, bonus).done == 1
    small.by_hand("ada", warmup=2, steps_answer=3)
    assert results.grades(small.folder, small.handed_in, bonus)[0].points == 99 + 5
    with small.course.gradebook() as gradebook:
        submission = gradebook.find_submission(ASSIGNMENT, "ada")
        assert (submission.score, submission.max_score) == (99 + 5, 80 + 20)  # infer.ddim needs ddim
        assert gradebook.find_grade("part_ddim", "report", ASSIGNMENT, "ada").extra_credit == 14


def test_points_that_came_by_the_button_are_known(small):
    small.record("ada", record(losing=["schedule.cosine"]))
    assert small.course.api().autograde(ASSIGNMENT, "ada")["success"]
    small.record("ada", record())
    assert small.fill().done == 1 and small.grades()["ada"].parts["schedule"] == 15


def test_a_locked_gradebook_is_one_line(small, capsys):
    fill(small.folder, small.handed_in, rubric(), db_url=f"sqlite:///{small.folder}/nbgrader/gradebook.db?timeout=0.1")
    with sqlite3.connect(small.folder / "nbgrader" / "gradebook.db") as held:
        held.execute("BEGIN EXCLUSIVE")
        for command in ("fill", "feedback"):
            assert main([command, str(small.folder)]) == MISSING
            told = capsys.readouterr().err
            assert "The gradebook cannot be used: database is locked." in told and "Traceback" not in told
    assert small.fill().same == 1


def test_commands_without_a_class_are_one_line(tmp_path, capsys):
    for command in (["fill"], ["feedback"], ["formgrader"], ["fill", "--submissions", str(tmp_path / "nothing")]):
        assert main([command[0], str(tmp_path / "class"), *command[1:]]) == USAGE
        assert len(capsys.readouterr().err.splitlines()) == 1


def late_by(small, days, extension=0.0, **policy):
    when = datetime.fromisoformat(DUE) + timedelta(days=days)
    small.fill(Roster([Person("ada", submitted=when, extension_days=extension)]), **policy)
    return small.grades(**policy)["ada"]


def test_lateness_is_reckoned_after_marking_and_shown(small):
    small.by_hand("ada", warmup=2)
    assert late_by(small, 1.5).penalty == 20.4
    with small.course.gradebook() as gradebook:
        when = gradebook.find_submission(ASSIGNMENT, "ada").timestamp
    assert when == datetime(2026, 11, 26, 10, 59) and small.course.api().autograde(ASSIGNMENT, "ada")["success"]
    with small.course.gradebook() as gradebook:
        assert gradebook.find_submission(ASSIGNMENT, "ada").timestamp == when, "from timestamp.txt, with its offset"
    small.by_hand("ada", warmup=2)
    small.by_hand("ada", steps_answer=4)
    grade = small.grades()["ada"]
    assert grade.penalty == 21.2 and grade.points == 84.8
    assert results.feedback(small.folder, [grade]) == {}
    page = small.course.feedback("ada").read_text(encoding="utf-8")
    # The rubric of the kit has no due date, so feedback, which reads it anew, takes nothing off.
    assert "report (Score: 106.0 / 120.0)" in page


def test_feedback_reckons_lateness_anew_whoever_asks_for_it(small, monkeypatch):
    late_by(small, 1.5)
    strict = rubric()
    monkeypatch.setattr(Rubric, "load", lambda: strict)
    small.by_hand("ada", warmup=2, steps_answer=4)
    assert small.course.api().generate_feedback(ASSIGNMENT, "ada")["success"]
    page = small.course.feedback("ada").read_text(encoding="utf-8")
    assert "report (Score: 84.8 / 120.0)" in page and "Late submission penalty (Score: -21.2)" in page


def test_extension_grace_and_policies(small):
    small.by_hand("ada", warmup=0, steps_answer=0)
    minute = 1 / 1440
    for days, extension, policy, expected in (
        (0, 0, {}, 0),
        (10 * minute, 0, {}, 0),
        (11 * minute, 0, {}, 10),
        (1 + 10 * minute, 0, {}, 10),
        (2.5, 2, {}, 10),
        (2, 2, {}, 0),
        (7, 0, {}, 70),
        (7.5, 0, {}, 100),
        (0.5, 0, {"policy": "cut_off"}, 100),
        (9, 0, {"policy": "none"}, 0),
        (9, 0, {"policy": "none", "due": ""}, 0),
        (1, 0, {"per_day_percent": 300, "grace_minutes": 0}, 100),
    ):
        assert late_by(small, days, extension, **policy).penalty == expected, (days, policy)
    small.fill()  # the roster no longer says when
    assert small.grades()["ada"].penalty == 0


def hours(text, policy, extension=0):
    return lateness.days_late(datetime.fromisoformat(text), extension, LATE | {"grace_minutes": 0} | policy)


def test_a_day_ends_when_the_clock_shows_the_same_again():
    """In Berlin, clocks were set back on 25 October 2026 and forward on 28 March 2027, each in the night."""
    autumn = {"due": "2026-10-24T23:59", "time_zone": "Europe/Berlin"}
    assert hours("2026-10-25T23:59+01:00", autumn) == 1  # 25 hours
    assert hours("2026-10-26T00:00+01:00", autumn) == 2
    assert hours("2026-10-25T23:59+01:00", autumn, extension=1) == 0
    assert hours("2026-10-26T00:00+01:00", autumn, extension=1) == 1
    assert hours("2026-10-31T23:59+01:00", autumn) == 7
    assert hours("2026-10-25T23:59+01:00", {"due": "2026-10-24T23:59+02:00"}) == 2  # without a zone: 24 hours
    spring = {"due": "2027-03-27T23:59+01:00", "time_zone": "Europe/Berlin"}
    assert hours("2027-03-28T23:59+02:00", spring) == 1  # 23 hours
    assert hours("2027-03-29T00:00+02:00", spring) == 2
    assert hours("2027-03-28T12:59+02:00", spring, extension=0.5) == 0  # half a day is twelve hours
    assert hours("2027-03-28T13:00+02:00", spring, extension=0.5) == 1
    assert hours("2027-03-28T21:58+00:00", spring) == 1 and hours("2027-03-28T22:00+00:00", spring) == 2


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"policy": "harsh"}, "policy is 'harsh'"),
        ({"time_zone": "Mars/Olympus"}, "time_zone 'Mars/Olympus' is not known here"),
        ({"grace_minutes": "ten"}, "grace_minutes must be a number"),
        ({"per_day_percent": -10}, "not below 0"),
        ({"due": ""}, "needs a due date"),
        ({"due": "tomorrow"}, "write it like"),
        ({"due": "2026-12-01 23:59"}, "write it like"),
    ],
)
def test_a_policy_that_means_nothing_is_an_error(changed, reason):
    with pytest.raises(lateness.PolicyError, match=reason):
        lateness.due(LATE | changed)
    assert lateness.due(LATE) == datetime(2026, 11, 24, 22, 59, tzinfo=UTC)


def test_questions_cannot_go_once_there_are_grades(small, monkeypatch):
    text = small.course.source.read_text(encoding="utf-8")
    other = nbformat.reads(text, 4)
    other.cells = [cell for cell in other.cells if cell.id != "warmup"]
    monkeypatch.setattr(courses, "master", lambda rubric: nbformat.writes(other) + "\n")
    with pytest.raises(CourseError, match="cannot come or go once there are grades"):
        small.fill()
    monkeypatch.undo()
    assert small.course.source.read_text(encoding="utf-8") == text
    assert small.fill().same == 1


def test_points_of_a_check_can_change(small):
    """What was graded before waits until it is graded again."""
    changed = rubric()
    changed.checks["ddim.eta"] = replace(changed.checks["ddim.eta"], points=8)
    assert fill(small.folder, small.handed_in, changed).done == 1
    with small.course.gradebook() as gradebook:
        assert gradebook.find_grade("part_ddim", "report", ASSIGNMENT, "ada").max_score == 18
    assert small.grades()["ada"].missing == ["warmup", "steps_answer", "ddim"]
    assert "by another rubric" in cell_of(small.autograded("ada"), "part_ddim").outputs[0].text


def test_a_part_of_which_not_all_checks_were_run_waits(small):
    results = json.loads(record())
    results["tests"] = [test for test in results["tests"] if test["extra_data"]["id"] != "infer.digits"]
    small.record("ada", json.dumps(results))
    small.fill()
    assert small.grades()["ada"].missing == ["warmup", "steps_answer", "infer"]


def test_edits_of_due_date_times_and_extensions_count_at_the_next_look(small):
    """Without filling anything again."""
    small.by_hand("ada", warmup=0, steps_answer=0)
    handed_in = [replace(small.handed_in[0], time=datetime.fromisoformat(DUE) + timedelta(days=2.5))]
    assert small.grades()["ada"].penalty == 0
    small.handed_in = handed_in
    assert small.grades()["ada"].penalty == 30
    assert small.grades(due="2026-11-26T23:59+01:00")["ada"].penalty == 10
    small.now = Roster([Person("ada", extension_days=2)])
    assert small.grades()["ada"].penalty == 10 and small.grades()["ada"].days_late == 1


def test_what_is_agreed_with_a_student_counts_whoever_makes_the_feedback(small, monkeypatch):
    """A budget of two late days, of which one was used up before: of two days late, one costs."""
    small.by_hand("ada", warmup=2, steps_answer=4)
    strict = rubric(policy="budget", days_in_all=2)
    monkeypatch.setattr(Rubric, "load", lambda: strict)
    late_by(small, 1.5)
    (small.folder / "exceptions.csv").write_text("student,used_days\nada,1\n")
    grade = small.grades(policy="budget", days_in_all=2)["ada"]
    assert (grade.days_late, grade.days_used, grade.penalty) == (2, 1, 10.6)
    assert small.course.api().generate_feedback(ASSIGNMENT, "ada")["success"]
    assert "Late submission penalty (Score: -10.6)" in small.course.feedback("ada").read_text(encoding="utf-8")
    (small.folder / "exceptions.csv").write_text("student,due\nada,2026-11-26\n")
    assert small.grades(policy="budget", days_in_all=0)["ada"].penalty == 0
    with small.course.gradebook() as gradebook:
        assert gradebook.find_submission(ASSIGNMENT, "ada").extension == timedelta(days=2)


def test_what_is_withheld_is_marked_and_has_no_feedback_also_by_the_button(small, capsys):
    small.by_hand("ada", warmup=2, steps_answer=4)
    assert results.feedback(small.folder, [small.grades()["ada"]]) == {} and small.course.feedback("ada").exists()
    (small.folder / "exceptions.csv").write_text("student,status\nada,withheld\n")
    shutil.move(small.folder / "results", small.folder / "withheld")  # where `make class` writes it now
    assert small.fill().same == 1
    grade = small.grades()["ada"]
    assert grade.points is None and grade.complete and grade.parts["report"] == 6
    assert (
        main(["feedback", str(small.folder)]) == 0 and "Withheld, and without feedback: ada." in capsys.readouterr().out
    )
    assert not small.course.feedback("ada").exists()
    done = small.course.api().generate_feedback(ASSIGNMENT, "ada")
    assert not done["success"] and "the grade of ada is withheld" in done["error"] + done.get("log", "")
    assert not small.course.feedback("ada").exists()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("lada_4711_90_{}", "of-ada_4711_91_feedback.html"),
        ("Ada L_12_assignsubmission_file_/{}", "of-ada_12_assignsubmission_file_feedback.html"),
        ("submission_5/{}", "results/5.json"),
    ],
)
def test_feedback_is_packed_for_where_the_hand_in_came_from(name, path, small, capsys):
    """With what the student reads: the page, or on Gradescope the results with the questions of the report."""
    files = {name.format(file): (small.source / "ada" / file).read_bytes() for file in ("scheduler.py", "report.ipynb")}
    files = {key.replace("90_report", "91_report"): data for key, data in files.items()}
    if "submission_5" in name:
        entry = "submission_5:\n  :submitters:\n  - :name: Ada L\n  :created_at: 2026-11-23 10:00:00 Z\n"
        files["submission_metadata.yml"] = entry.encode()
    (small.folder / "d.zip").write_bytes(zipped(files))
    (small.folder / "submissions" / ".collected.json").unlink()  # as if nothing had come another way
    collect(small.folder / "d.zip", small.folder / "submissions", small.roster)
    small.handed_in = load_class(small.folder / "submissions", People(small.roster))
    small.by_hand("ada", warmup=2, steps_answer=4)
    with small.course.gradebook() as gradebook:
        gradebook.find_comment("warmup", "report", ASSIGNMENT, "ada").manual_comment = "Well *seen*."
        gradebook.db.commit()
    (small.folder / "roster.csv").write_text("id,first_name,last_name\nada,Ada,L\n")
    assert main(["feedback", str(small.folder)]) == 0
    (made,) = small.folder.glob("feedback_*.zip")
    assert f"{made}, 1 students" in capsys.readouterr().out
    with zipfile.ZipFile(made) as file:
        data = file.read(path)
    if path.endswith(".html"):
        assert data == small.course.page("ada").read_bytes()
    else:
        found = json.loads(data)
        assert found["score"] == 106 == sum(test["score"] for test in found["tests"])
        asked = {test["name"]: test for test in found["tests"] if test["extra_data"]["part"] == "report"}
        assert len(asked) == len(guide.guide()) and found["output"].startswith("**106 of 120 points**: code 100 of 100")
        assert asked["Question 1, Warm-up: points in the plane"]["output"] == "Well *seen*."
    (small.folder / "exceptions.csv").write_text("student,status\nada,withheld\n")
    shutil.move(small.folder / "results", small.folder / "withheld")
    assert main(["feedback", str(small.folder)]) == 0 and f"{made}, 0 students" in capsys.readouterr().out
    with zipfile.ZipFile(made) as file:
        assert path not in file.namelist()


def test_who_is_excused_holds_nobody_up(small, capsys):
    (small.folder / "exceptions.csv").write_text("student,status\nada,excused\n")
    grade = small.grades()["ada"]
    assert grade.missing and grade.complete and grade.points is None
    assert main(["feedback", str(small.folder)]) == 0 and "wait" not in capsys.readouterr().err
    small.handed_in = [replace(small.handed_in[0], path=None)]
    assert set(small.grades()["ada"].parts.values()) == {None}


def test_a_copied_class_never_touches_the_original(small, tmp_path, monkeypatch):
    original, copied = tmp_path, tmp_path.with_name(f"{tmp_path.name} (copy)")
    shutil.copytree(original, copied)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in original.rglob("*") if path.is_file()}
    made = Classroom(copied, small.roster.students)
    made.handed_in, made.now = small.handed_in, small.roster
    made.by_hand("ada", warmup=2, steps_answer=4)
    monkeypatch.setattr(api, "get_alembic_version", lambda: "asking takes seconds")
    grade = made.grades()["ada"]
    assert grade.points == 106 and results.feedback(copied, [grade]) == {} and made.course.feedback("ada").exists()
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before}
    assert not list(original.rglob("feedback/*/*/*.html"))

    made.course.configure(f"sqlite:///{original}/elsewhere.db")
    shutil.copytree(copied, moved := copied.with_name("moved"))
    with pytest.raises(CourseError, match="was copied or moved from"):
        Course(moved).configuration()
    Course(moved).configure(f"sqlite:///{moved}/elsewhere.db")
    assert Course(moved).configuration().CourseDirectory.db_url == f"sqlite:///{moved}/elsewhere.db"


def test_a_full_or_read_only_disk_is_one_line(small, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("autograder.files.os.replace", full)
    assert main(["feedback", str(small.folder)]) == MISSING
    told = capsys.readouterr().err
    assert "Nothing more was done: [Errno 28] No space left on device." in told and "Traceback" not in told


def test_another_database(tmp_path, small, monkeypatch):
    monkeypatch.setattr(api, "get_alembic_version", lambda: "asking takes seconds")
    url = f"sqlite:///{tmp_path}/elsewhere.db"
    fill(small.folder, small.handed_in, rubric(), db_url=url)
    fill(small.folder, small.handed_in, rubric())
    assert small.course.api().config.CourseDirectory.db_url == url and (tmp_path / "elsewhere.db").exists()
    assert small.grades()["ada"].parts["schedule"] == 15


# ----- formgrader --------------------------------------------------------------------------------------------


def test_formgrader_opens_on_what_is_to_be_marked_and_not_for_root(small, monkeypatch, capsys):
    """(What it shows there is tested in a browser: test_formgrader.py.)"""
    from autograder.instructor.gradebook import formgrader

    started = []
    monkeypatch.chdir(small.folder)  # and back, in the end
    monkeypatch.setattr(formgrader.LabApp, "launch_instance", started.append)
    monkeypatch.setattr(formgrader, "only", lambda *share: started.append(share))
    monkeypatch.setattr(formgrader.os, "geteuid", lambda: 0)
    assert main(["formgrader", str(small.folder)]) == USAGE
    told = capsys.readouterr().err
    assert "ARGS=--allow-root" in told and len(told.splitlines()) == 1 and not started
    assert main(["formgrader", str(small.folder), "--allow-root", "--share", "2/3", "--", "--no-browser"]) == 0
    share, options = started
    assert share == (2, 3) and options[-2:] == ["--allow-root", "--no-browser"]
    assert "--LabApp.default_url=/formgrader/gradebook/homework/report" in options
    for wrong in ("3/2", "0/2", "2", "a/b"):
        with pytest.raises(SystemExit):
            main(["formgrader", str(small.folder), "--share", wrong])
        assert f"'{wrong}' is no share; write the second of three as 2/3" in capsys.readouterr().err


def test_shares_of_a_class_are_all_of_it_and_stay_the_same(monkeypatch):
    from autograder.instructor.gradebook import formgrader

    drawn = random.Random(0)
    submissions = [SimpleNamespace(id=f"{drawn.getrandbits(128):032x}") for _ in range(300)]
    shares = []
    for number in (1, 2, 3):
        with monkeypatch.context() as patch:
            patch.setattr(formgrader.NbGraderAPI, "_filter_existing_notebooks", lambda self, name, several: several)
            formgrader.only(number, 3)
            shown = formgrader.NbGraderAPI._filter_existing_notebooks
            shares.append(shown(None, "homework", submissions))
            assert shown(None, "homework", submissions[::2]) == [
                each for each in shares[-1] if each in submissions[::2]
            ]
    assert sorted(each.id for share in shares for each in share) == sorted(each.id for each in submissions)
    assert all(80 < len(share) < 120 for share in shares)


# ----- grades.csv and Canvas ---------------------------------------------------------------------------------


def test_a_part_that_the_rubric_has_dropped_counts_no_more():
    cells = [SimpleNamespace(name=f"part_{part}", score=5.0, needs_manual_grade=part == "smoke") for part in "abs"]
    cells.append(SimpleNamespace(name="part_smoke", score=1.0, needs_manual_grade=True))
    submission = SimpleNamespace(notebooks=[], student=SimpleNamespace(id="ada"))
    grade = results.grade_of(submission, cells, {"a": 0.0, "b": 0.0})
    assert grade.complete and grade.points == 10


def test_grades_csv(classroom):
    made = results.grades(classroom.folder, classroom.handed_in, classroom.rubric)
    text = sheet.table(made, classroom.handed_in, classroom.rubric, classroom.roster)
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(text))}
    assert len(rows) == len(PEOPLE)
    assert rows["missing"]["last_name"] == "Lovelace, missing" and rows["missing"]["points"] == "95"
    assert rows["good"]["first_name"] == "'=HYPERLINK(1)" and rows["good"]["last_name"] == 'O"Neil; Jr.'
    assert rows["untouched"]["last_name"] == "'@Müller"
    assert rows["unfinished"]["points"] == rows["unfinished"]["training"] == "" and rows["unfinished"]["ddim"] == "15"
    assert rows["unfinished"]["complete"] == "no" and "Waits for training." in rows["unfinished"]["notes"]
    assert rows["nothing"]["points"] == "0" and rows["nothing"]["notes"] == "Nothing was handed in."
    assert "Nobody knows when" in rows["missing"]["notes"] and rows["missing"]["max_points"] == "120"
    assert all(line.startswith('"') and line.endswith('"') for line in text.splitlines())
