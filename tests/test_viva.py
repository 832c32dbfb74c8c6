"""`make viva`: questions that a good assistant would ask, with answers that are computed, and right."""

import ast
import contextlib
import random
import re
from dataclasses import replace

import alike
import nbformat
import pytest
from courses import rubric_text
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from students import ABAR, BETAS
from test_classroom import finish, start

from autograder import checks
from autograder.grading import Found
from autograder.instructor.authoring.course import Course
from autograder.instructor.authoring.patches import load_all, reference
from autograder.instructor.classroom.keeping import Kept
from autograder.instructor.handins import collecting
from autograder.instructor.similarity.__main__ import main as similar
from autograder.instructor.store import Store
from autograder.instructor.viva import __main__ as command
from autograder.instructor.viva import measures, page, source
from autograder.instructor.viva.collecting import INTAKE, Class
from autograder.instructor.viva.desk import Attempt, Desk
from autograder.instructor.viva.drawing import FIVE, five
from autograder.instructor.viva.lab import MARK, Lab, returning
from autograder.instructor.viva.question import Code, Formula, Table, number
from autograder.instructor.viva.questions import changes, experiments, history, mistakes, program, report, variables
from autograder.paths import ASSIGNMENT, ROOT
from autograder.readback.sameness import same
from autograder.record import PASSED
from autograder.rubric import Rubric

PATCHES = {patch.id: patch for patch in load_all()}
ACCEPTED = alike.accepted("scheduler.py")
GIVEN = [line.strip() for line in (ASSIGNMENT / "scheduler.py").read_text(encoding="utf-8").split("\n")]
# What the variables of the reference are.
QUANTITIES = {
    ("DDPMScheduler", "posterior", "alpha"): "abar / abar_prev",
    ("DDPMScheduler", "posterior", "beta"): "beta",
    ("DDPMScheduler", "posterior", "x0_weight"): "abar_prev**0.5 * beta / (1 - abar)",
    ("DDPMScheduler", "posterior", "sample_weight"): "(abar / abar_prev)**0.5 * (1 - abar_prev) / (1 - abar)",
    ("DDPMScheduler", "posterior", "variance"): "(1 - abar_prev) / (1 - abar) * beta",
    ("DDPMScheduler", "predict", "a"): "abar**0.5",
    ("DDPMScheduler", "predict", "b"): "(1 - abar)**0.5",
    ("DDIMScheduler", "step", "sigma"): "eta * ((1 - abar_prev) / (1 - abar) * beta)**0.5",
    ("DDIMScheduler", "step", "direction"): "(1 - abar_prev - sigma**2)**0.5",
}


@pytest.fixture
def desk(box, shipped):
    """desk(files, student="ada") -> Desk. Files are {name: bytes}, or the name of a patch, or that of nothing."""

    def desk(files=None, student="ada", **known):
        files = PATCHES[files].files if isinstance(files, str) else files or reference()
        return Desk(student, Lab(box, shipped, files), "a secret", **known)

    return desk


def words(question):
    """All that a question and its answer say, as text."""
    parts = [*question.ask, *question.answer, *question.formulas, *question.code]
    return "\n".join(map(said, parts))


def said(part):
    if isinstance(part, Table):
        return "\n".join("; ".join(row) for row in [part.head, *part.rows])
    if isinstance(part, Code):
        return "\n".join(text for _, text, _ in part.lines)
    return f"{part.source}{part.text}" if isinstance(part, Formula) else str(part)


# ----- places in a file -----------------------------------------------------------------------------------------------


@settings(max_examples=6, deadline=None)
@given(st.sampled_from(sorted(ACCEPTED)), st.integers(0, 10**6), st.booleans())
def test_a_change_changes_what_it_says_and_nothing_else(name, seed, hidden):
    """In right submissions in many styles, and in copies of them with tabs and other names."""
    draw = random.Random(seed)
    text = alike.hidden_copy(ACCEPTED[name], draw) if hidden else ACCEPTED[name]
    lines, tree = text.split("\n"), ast.dump(ast.parse(text))
    given_lines = {n for n, line in enumerate(lines, 1) if line.strip() and line.strip() in GIVEN}
    found, changed = source.places(text, GIVEN)
    assert changed
    for change in draw.sample(changed, min(15, len(changed))):
        _, _, first, last, *_ = change
        then = [*lines[: first - 1], *changes.without(change, lines), *lines[last:]]
        assert ast.dump(ast.parse("\n".join(then))) != tree and not given_lines & set(range(first, last + 1))
    for _, method, first, last, variable in draw.sample(found, min(5, len(found))):
        then = returning(text, first, last, variable)
        names = {node.name for node in ast.walk(ast.parse(then)) if isinstance(node, ast.FunctionDef)}
        assert method in names and f"return {MARK!r}, {variable}\n" in then


def test_what_stands_in_an_f_string_is_left_alone():
    text = "class DDPMScheduler:\n    def step(self, a, b):\n        c = f'{(a - b) ** 0.5:x}'\n        return a - b\n"
    assert [change[0] for change in source.places(text, [])[1]] == ["sign"]


# ----- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", sorted(QUANTITIES)[::3])
def test_variables_are_what_they_are(desk, place):
    variable_is(desk(), place)


@pytest.mark.slow
@pytest.mark.parametrize("place", sorted(QUANTITIES))
def test_every_variable_is_what_it_is(desk, place):
    variable_is(desk(), place)


def variable_is(known, place):
    variable = next(each for each in known.places[0] if (*each[:2], each[4]) == place)
    read, question = variables.of_a_step(known, variable)
    assert same(read, QUANTITIES[place]) or "eta**2" in read, read  # sigma squared, written out
    assert f"Line {variable[2]} " in question.ask[0] and place[2] in said(question.code[0])


def test_the_numbers_of_a_variable_are_those_of_its_formula(desk):
    known = desk()
    beta = next(each for each in known.places[0] if each[1:2] + each[4:] == ("posterior", "beta"))
    text = words(variables.of_a_step(known, beta)[1])
    assert number(1 - ABAR[999] / ABAR[899]) in text and number(BETAS[999]) in text and "betas[999]" in text


def test_a_number_for_each_image_has_four_axes(desk):
    known = desk()
    variable = next(each for each in known.places[0] if each[1] == "add_noise")
    text = words(variables.of_each_image(known, variable)[1])
    assert "(5, 1, 1, 1)" in text and "raise an error (RuntimeError)" in text and "raises none" in text


def test_a_change_is_graded_and_measured(desk):
    known = desk()
    question = next(changes.asked(known))
    here = [text.strip() for _, text, mark in question.code[0].lines if mark == "new"]
    _, _, first, last, *_, new = next(change for change in known.places[1] if shown(change) == here)
    lines = known.lab.text.split("\n")
    then = known.lab.grade("\n".join([*lines[: first - 1], *new, *lines[last:]]).encode())
    lost = [check.id for check in then.checks if check.verdict != PASSED]
    told = question.answer[-1]
    assert lost and all(id in told for id in lost[:4]) and f"{21 - len(lost)} of 21" in told
    assert any(isinstance(part, Table) or "In numbers" in str(part) for part in question.answer)


def shown(change):
    return [line.strip() for line in change[-1]]


def test_measured_weights_are_those_of_the_handout(desk):
    with desk().lab.at_work() as student:
        found = {id: measures.of_check(id).of(student) for id in ("reverse.strided", "ddim.eta", "forward.add_noise")}
    abar, before = ABAR[499], ABAR[399]
    beta = 1 - abar / before
    tilde = (1 - before) / (1 - abar) * beta
    assert found["forward.add_noise"]["t = 499"] == pytest.approx([abar**0.5, (1 - abar) ** 0.5], rel=1e-4)
    ddpm = [(before / abar) ** 0.5, -beta / (1 - abar) ** 0.5 * (before / abar) ** 0.5, tilde**0.5]
    assert found["reverse.strided"]["t = 499"] == pytest.approx(ddpm, rel=1e-4)
    direction = (1 - before - tilde / 4) ** 0.5
    ddim = [(before / abar) ** 0.5, direction - (before / abar * (1 - abar)) ** 0.5, tilde**0.5 / 2]
    assert found["ddim.eta"]["t = 499"] == pytest.approx(ddim, rel=1e-4)
    assert found["reverse.strided"]["t = 99"][2] == 0


def test_experiments_have_the_numbers_of_the_handout(desk):
    text = "\n".join(map(words, experiments.asked(desk())))
    for said_there in (
        "999, 856, 713, 570, 428, 285, 142", "linear 0.0786", "cosine 0.494", number(1 - ABAR[399]),
        f"x̂0 is {number((0.5 + 0.5 * (1 - ABAR[999]) ** 0.5) / ABAR[999] ** 0.5)}",
    ):  # fmt: skip
        assert said_there in text
    assert len(list(experiments.asked(desk("alpha_bar_of_single_steps")))) < 6  # what does not pass is not asked


@pytest.mark.parametrize("mistake, told, not_told", [
    ("", "DDIM: yes. DDPM: no.", "not as the handout"),
    ("infer_picture_eight_columns", "8 in a row, 2 rows", "4 in a row"),
    ("infer_time_is_a_counter", "t = 0, 1, 2, 3 (but the scheduler's own list holds 999, 749, 499, 249)", "not as the"),
])  # fmt: skip
def test_programs_are_run(desk, mistake, told, not_told):
    text = "\n".join(map(words, program.asked(desk(mistake or None))))
    assert told in text and not_told not in text and "η = 0: yes. η = 1: no." in text


def test_mistakes_are_told_as_they_were_read(desk):
    question = next(mistakes.asked(desk("ddim_sigma_rooted")))
    assert "0.25" in question.formulas[0].source and "right in all 4 with eta = 0" in words(question)
    assert "√σ" in words(question) and "handout 4.2" in words(question)
    broken = desk({"scheduler.py": b"import torch\n\nclass DDPMScheduler\n    pass\n"})
    (question,) = five(broken)
    assert "SyntaxError" in words(question) and any(mark == "here" for _, _, mark in question.code[0].lines)
    untouched = desk({"scheduler.py": (ASSIGNMENT / "scheduler.py").read_bytes()})
    assert all("is still open" in words(question) for question in five(untouched))


def test_earlier_attempts_are_asked_about(desk):
    before, now = desk("ddim_sigma_rooted").lab.record, desk()
    text = PATCHES["ddim_sigma_rooted"].files["scheduler.py"].decode()
    now.earlier = [Attempt("“week 1”", text, before)]
    (question,) = history.asked(now)
    code = next(part for part in question.answer if isinstance(part, Code))
    assert "“week 1”" in question.ask[0] and "√σ" in words(question)
    assert [mark for _, _, mark in code.lines] == ["gone", "new"] and "sigma * z" in said(code)
    now.earlier = [Attempt("“week 1”", text, now.lab.record)]
    assert not list(history.asked(now))


def answered(outputs="", **answers):
    made = nbformat.reads((ASSIGNMENT / "report.ipynb").read_text(encoding="utf-8"), 4)
    for cell in made.cells:
        cell.source = answers.get(cell.id, cell.source)
        if cell.id == "curves" and outputs:
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=outputs)]
    return nbformat.writes(made).encode()


def test_a_sentence_of_the_report_is_asked_about(desk):
    sentence = "With 10 steps 61.5 % are digits <b>, n = 100."
    raw = answered("DDIM 10 steps 61.5 %\n161.5\n", steps_answer=f"As expected. {sentence} Fine.")
    (question,) = report.asked(desk(reference() | {"report.ipynb": raw}))
    assert sentence in question.ask[0] and "question 4" in question.ask[0] and "61.5" in question.ask[1]
    assert "DDIM 10 steps 61.5 %" in question.answer[0] and "161.5" not in question.answer[0]
    raw = answered(steps_answer="With 10 steps it is 0.8312.", bits_answer="Most bits are sent at the end, all in all.")
    first, second = report.asked(desk(reference() | {"report.ipynb": raw}))
    assert "No text that a cell" in first.answer[0] and "question 6" in second.ask[0]
    for raw in (answered(), b"{", b"\xff\xfe\x00", b'{"cells": 3}'):
        assert not list(report.asked(desk(reference() | {"report.ipynb": raw})))


# ----- five of them, and the page -------------------------------------------------------------------------------------


def test_five_are_drawn_for_each_student_alike(desk):
    lab = desk().lab
    one, again = (Desk("ada", lab, "a secret") for _ in range(2))
    first, second = (page.render(known, five(known)) for known in (one, again))
    assert first == second and first.count('<section class="question">') == FIVE and not one.faults
    others = [Desk(student, lab, secret) for student, secret in (("bob", "a secret"), ("ada", "another"))]
    assert len({one.draw("kind").random(), *(other.draw("kind").random() for other in others)}) == 3


@pytest.mark.slow
def test_who_hangs_is_not_asked_to_run(box, rubric):
    line = "        require("
    text = reference()["scheduler.py"].decode().replace(line, f"        while True: pass\n{line}", 1)
    impatient = replace(rubric, limits=rubric.limits | {"call_seconds": 1})
    known = Desk("ada", Lab(box, impatient, {"scheduler.py": text.encode()}), "a secret")
    assert known.lab.slow and not any(question.title == changes.TITLE for question in five(known))


def hand_in(folder, files):
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


@pytest.fixture
def viva(box, tmp_path, monkeypatch, capsys):
    """viva(*arguments) -> (exit status, what was printed), with the box of the tests."""
    hand_in(tmp_path / "course", {"seed": b"a seed"})
    monkeypatch.setattr(command, "strongest", lambda *_: contextlib.nullcontext(box))
    monkeypatch.setattr(command, "strong_enough", lambda *_: [])
    monkeypatch.setattr(command, "COURSE", tmp_path / "course")

    def viva(*arguments):
        status, said = command.main([str(argument) for argument in arguments]), capsys.readouterr()
        return status, said.out + said.err

    return viva


def test_the_pages_of_a_class(viva, tmp_path):
    hostile = reference()["scheduler.py"].decode().replace(
        "        sigma = eta * variance.sqrt()", "        sigma = eta * variance.sqrt()  # </pre><script>\u202e"
    )  # fmt: skip
    hand_in(tmp_path / "subs" / "王小明", {"scheduler.py": hostile.encode()})
    hand_in(tmp_path / "subs" / "Ada de la Cruz", {"scheduler.py": b"\xef\xbb\xbfclass DDPMScheduler:\r\n  x = (\r\n"})
    hand_in(tmp_path / "subs" / "bob", {"scheduler.py": b"", "infer.py": b"\x00"})
    hand_in(tmp_path / "subs" / "cyd", {"scheduler.py": b"x = " + b"(" * 5000 + b")" * 5000})
    hand_in(tmp_path / "subs" / "dan", {"notes.txt": b"see my repository"})
    folder = tmp_path / "a class"
    collecting.collect_class(tmp_path / "subs", folder)
    (folder / "roster.csv").write_text("id\n王小明\nAda_de_la_Cruz\nbob\ncyd\ndan\neve\n", encoding="utf-8")
    status, said_there = viva(folder)
    assert status == 0 and "4 pages" in said_there and "for staff only" in said_there
    assert "No page for dan: the submission was refused" in said_there
    assert (
        "No page for dan: the submission was refused" in said_there
        and "No page for eve: nothing was handed in" in said_there
    )
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (folder / "viva").iterdir()}
    assert pages.keys() == {"王小明", "Ada_de_la_Cruz", "bob", "cyd"}
    for text in pages.values():
        assert "<script" not in text and "\u202e" not in text and "fault of the kit" not in text and "http" not in text
    assert pages["王小明"].count("<summary>Answer") == FIVE and "SyntaxError" in pages["Ada_de_la_Cruz"]
    status, said_there = viva(folder, "--student", "Ada de la Cruz")
    assert status == 2 and "Do you mean Ada_de_la_Cruz?" in said_there
    status, said_there = viva(folder, "--student", "eve")
    assert status == 2 and "nothing was handed in" in said_there


def test_what_is_not_there(viva, tmp_path):
    status, said_there = viva(tmp_path / "none")
    assert status == 2 and "make class" in said_there and len(said_there.splitlines()) == 1


def test_the_record_and_the_attempt_before(desk, tmp_path, rubric):
    """A hand-in that is newer than what was graded: what went wrong before is asked about."""
    hand_in(tmp_path / "subs" / "ada", PATCHES["ddim_sigma_rooted"].files)
    folder = tmp_path / "class"
    collecting.collect_class(tmp_path / "subs", folder)
    found = desk("ddim_sigma_rooted").lab.record
    entry = collecting.class_list(folder)[0][0]
    kept, _ = INTAKE.intake(entry)
    kept.found, kept.done = Found({check.id: check for check in found.checks}), [checks.STAGES[0].name]
    Store(folder / "kept", Kept).put("ada", kept)
    known = Class(folder, [], rubric).desk("ada", None, "x")
    assert known.record and known.record.points == found.points and not known.earlier
    (folder / "submissions" / "ada" / "scheduler.py").write_bytes(reference()["scheduler.py"])
    known = Class(folder, [], rubric).desk("ada", None, "x")
    assert known.record is None and [attempt.name for attempt in known.earlier] == ["your hand-in before this one"]
    other = Class(tmp_path / "class", [folder], rubric).desk("ada", None, "x")
    assert [attempt.name for attempt in other.earlier] == ["“class”", "your hand-in before this one"]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ACCEPTED))
def test_every_accepted_submission_gets_five(desk, name):
    folder = alike.HERE / "submissions" / "accepted" / name
    known = desk({path.name: path.read_bytes() for path in folder.glob("*.py")}, name)
    found = five(known)
    assert len(found) == FIVE and not known.faults
    assert len({words(question) for question in found}) == FIVE


@pytest.mark.slow
@pytest.mark.parametrize("id", sorted(random.Random(0).sample(sorted(PATCHES), 30)))
def test_mistaken_submissions_get_questions(desk, id):
    known = desk(id)
    found = five(known)
    assert len(found) >= 3 and not known.faults
    assert known.lab.record.points == known.lab.record.max_points or any(q.title == mistakes.TITLE for q in found)


@pytest.mark.slow
@pytest.mark.parametrize(
    "off", [("ddim",), ("v_prediction", "infer", "report"), ("ddim", "v_prediction", "infer", "loss", "training")]
)
def test_a_course_without_some_parts(box, off):
    course = Course(Rubric.read(rubric_text(**dict.fromkeys(off, "off"))))
    files = {name: course.text((ROOT / "solution" / name).read_text(encoding="utf-8"), name) for name in alike.FILES}
    known = Desk("ada", Lab(box, course.rubric, {name: text.encode() for name, text in files.items()}), "a secret")
    found = five(known)
    assert len(found) == FIVE and not known.faults
    assert not set(off) & {"infer"} or not any(question.title == program.TITLE for question in found)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_class_run_of_made_up_students(hidden, tmp_path, monkeypatch, capsys):
    """Two hand-ins of a class, graded by its own run, then compared and asked about, in the box that grades."""
    draw, infer = random.Random(1), alike.accepted("infer.py")
    first, second = (
        {id: {"scheduler.py": text.encode()} for id, text in alike.made_up_class(draw, 5).items()} for _ in range(2)
    )
    save_file(hidden.tensors, tmp_path / "hidden.safetensors", hidden.metadata)
    first["rooted"], second["rooted"] = PATCHES["ddim_sigma_rooted"].files, reference()
    second["王小明"] = {"scheduler.py": ACCEPTED["angles"].encode(), "infer.py": infer["angles"].encode()}
    second["copy"] = {"scheduler.py": alike.hidden_copy(ACCEPTED["angles"], draw).encode(), "infer.py": b"x = ("}
    for week, made in (("one", first), ("two", second)):
        for id, files in made.items():
            hand_in(tmp_path / f"subs {week}" / id, files)
        arguments = "grade", tmp_path / f"subs {week}", "--exact", "--class", tmp_path / week
        done = finish(start(tmp_path / "hidden.safetensors", *arguments))
        assert done.returncode == 0, done.out
    assert similar([str(tmp_path / "two")]) == 0
    text = (tmp_path / "two" / "similar.html").read_text(encoding="utf-8")
    assert "1 pair is" in text and "<b>copy</b> and <b>王小明</b>" in text
    hand_in(tmp_path / "course", {"seed": b"a seed"})
    monkeypatch.setattr(command, "COURSE", tmp_path / "course")
    assert command.main([str(tmp_path / "two"), "--earlier", str(tmp_path / "one")]) == 0
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (tmp_path / "two" / "viva").iterdir()}
    assert pages.keys() == second.keys() and all(text.count("<summary>Answer") == FIVE for text in pages.values())
    assert "In “one” you lost “DDIM step with eta”" in pages["rooted"]
    assert "84 of 84 points; all pass" in pages["rooted"]
    for path in tmp_path.glob("*/results/*/*"):  # nothing of either reaches a student
        assert not re.search("similar|viva|a reason to look", path.read_text(encoding="utf-8"), re.IGNORECASE)
