"""`make submit`: exactly what is collected, or a reason."""

import hashlib
import json
import zipfile

import pytest

from autograder import KIT
from autograder import __main__ as command
from autograder.intake import handin
from autograder.intake.submission import read
from autograder.paths import ROOT


@pytest.fixture
def work(tmp_path):
    """A student's folder, with more in it than is collected."""
    folder = tmp_path / "assignment"
    folder.mkdir()
    for name in ("scheduler.py", "infer.py"):
        (folder / name).write_bytes((ROOT / "solution" / name).read_bytes())
    (folder / "report.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    (folder / "unet.py").write_text("print('mine')")
    (folder / "notes.txt").write_text("private")
    return folder


def run(folder, *options):
    out = folder.parent / "submission.zip"
    return command.main(["submit", str(folder), "--out", str(out), *options]), out


def test_the_zip_holds_what_is_collected_and_its_digest_is_told(work, capsys):
    status, out = run(work)
    assert status == 0
    with zipfile.ZipFile(out) as file:
        assert file.namelist() == ["infer.py", "report.ipynb", "scheduler.py"]
    taken = read(out)
    assert taken.notes == []
    assert taken.files["scheduler.py"] == (work / "scheduler.py").read_bytes()
    told = capsys.readouterr().out
    assert f"SHA-256 {hashlib.sha256(out.read_bytes()).hexdigest()}" in told
    assert KIT in told and "report.ipynb" in told


def test_the_same_files_make_the_same_bytes(work):
    before = run(work)[1].read_bytes()
    (work / "scheduler.py").touch()
    (work / "scheduler.py").chmod(0o600)
    assert run(work)[1].read_bytes() == before


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("scheduler.py", "no scheduler.py in .*; without it nothing is graded"),
        ("infer.py", "no infer.py in .*; to hand in without it, add --without infer.py"),
        ("report.ipynb", "no report.ipynb in .*; to hand in without it, add --without report.ipynb"),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_written(work, name, reason, capsys):
    (work / name).unlink()
    status, out = run(work)
    assert status == 2 and not out.exists()
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    with pytest.raises(handin.Incomplete, match=reason):
        handin.submit(work, out)


def test_one_can_go_without_the_report(work):
    (work / "report.ipynb").unlink()
    status, out = run(work, "--without", "report.ipynb")
    assert status == 0
    assert sorted(read(out).files) == ["infer.py", "scheduler.py"]


def test_what_would_be_refused_is_not_packed(work, capsys):
    (work / "infer.py").write_bytes(b"#" * 300_000)
    status, out = run(work)
    assert status == 2 and not out.exists()
    assert "infer.py is larger than 200 kB" in capsys.readouterr().err
    (work / "infer.py").write_bytes(b"")
    assert run(work)[0] == 2
    assert "infer.py in" in (told := capsys.readouterr().err) and "did you save it?" in told


def test_a_mixture_of_versions_is_refused(work, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(handin, "__version__", "9.9.9")
    status, out = run(work)
    assert status == 2 and not out.exists()
    assert "a mixture of versions of the kit, 9.9.9 and" in capsys.readouterr().err
    monkeypatch.setattr(handin, "PUBLIC", tmp_path / "damaged")
    assert run(work)[0] == 2


def test_the_grader_says_when_another_version_packed_it(work, tmp_path):
    files = dict.fromkeys(("scheduler.py", "infer.py"), b"x = 1\n")
    for comment, notes in (
        ("ddpm-homework 0.0.1", [f"It was packed with ddpm-homework 0.0.1; this is {KIT}."]),
        (KIT, []),
        ("something else", []),
        ("", []),
    ):
        (tmp_path / "old.zip").write_bytes(handin.zipped(files, comment))
        assert read(tmp_path / "old.zip").notes == notes


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (lambda number, text: text, "IS AS YOU GOT IT"),
        (lambda number, text: "Because." if number else text, "1 empty answers of 7"),
        (lambda number, text: " " if number > 4 else "Because.", "2 empty answers of 7"),
        (lambda number, text: "Because.", None),
    ],
)
@pytest.mark.parametrize("metadata", ["kept", "lost"])
def test_answers_that_nobody_wrote_are_told_loudly(work, capsys, changed, told, metadata):
    notebook = json.loads((ROOT / "assignment" / "report.ipynb").read_text())
    answers = [cell for cell in notebook["cells"] if cell["metadata"].get("nbgrader", {}).get("grade")]
    for number, cell in enumerate(answers):
        cell["source"] = changed(number, "".join(cell["source"]))
        if metadata == "lost":
            cell["metadata"] = {}
    (work / "report.ipynb").write_text(json.dumps(notebook))
    status, _ = run(work)
    warned = capsys.readouterr().err
    assert status == 0
    if metadata == "kept":
        assert told in warned if told else "WARNING" not in warned
    else:  # only what still is the text that was there before
        assert ("WARNING" in warned) == any(cell["source"] == "*Your answer:*" for cell in answers)


@pytest.mark.parametrize("notebook", ["[]", "{", '{"cells": 3}', '{"cells": [{"source": 1}]}'])
def test_what_is_no_notebook_is_told(work, capsys, notebook):
    (work / "report.ipynb").write_text(notebook)
    assert run(work)[0] == 0
    assert "cannot be read as a notebook" in capsys.readouterr().err
