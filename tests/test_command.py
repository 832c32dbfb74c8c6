"""`python -m autograder`: exit codes, files, and what a person reads."""

import json
import os
import subprocess
import sys
from xml.etree import ElementTree

import pytest
import reference

from autograder import __main__ as command
from autograder import checks
from autograder.box import Box, Layers
from autograder.paths import PUBLIC, ROOT
from autograder.reports import gradescope, junit
from autograder.rubric import Rubric


@pytest.fixture
def no_hidden(monkeypatch, tmp_path):
    monkeypatch.setattr(command, "HIDDEN", tmp_path / "none")


def run(*arguments):
    return command.main([str(argument) for argument in arguments])


def test_the_reference_has_every_point(tmp_path, no_hidden):
    assert run("grade", ROOT / "solution", "--out", tmp_path) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["score"] == results["max_score"] == 100


@pytest.mark.parametrize(("way", "points"), [("check", 84), pytest.param("grade", 100, marks=pytest.mark.slow)])
def test_reference_twice_gives_the_same_results_but_for_times(way, points, tmp_path, no_hidden):
    found = []
    for out in (tmp_path / "one", tmp_path / "two"):
        assert run(way, ROOT / "solution", "--out", out) == 0
        results = json.loads((out / "results.json").read_text())
        del results["execution_time"], results["extra_data"]["runs"]
        for test in results["tests"]:
            del test["extra_data"]["seconds"]
        found.append(results)
    assert found[0] == found[1]
    assert found[0]["score"] == found[0]["max_score"] == points
    assert found[0]["extra_data"]["provisional"] is True
    assert found[0]["extra_data"]["complete"] is False


def test_starter_gets_zero_and_hears_what_is_missing(tmp_path, no_hidden, capsys):
    assert run("grade", ROOT / "assignment", "--out", tmp_path) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["score"] == 0
    assert {test["extra_data"]["verdict"] for test in results["tests"]} == {"not_implemented"}
    shown = capsys.readouterr().out
    assert "TODO 1.1 is not implemented yet" in shown
    assert "Traceback" not in shown + str(results)


def test_only_some_parts(tmp_path, no_hidden):
    assert run("grade", ROOT / "solution", "--out", tmp_path, "--only", "schedule", "--only", "ddim") == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert {test["extra_data"]["part"] for test in results["tests"]} == {"schedule", "ddim"}
    assert results["max_score"] == sum(test["max_score"] for test in results["tests"]) == 30
    assert results["extra_data"]["complete"] is False


def test_a_refused_submission_is_graded_zero(tmp_path, no_hidden, capsys):
    (tmp_path / "work").mkdir()
    assert run("grade", tmp_path / "work", "--out", tmp_path / "out") == 0
    assert json.loads((tmp_path / "out" / "results.json").read_text())["score"] == 0
    assert "there is no scheduler.py in it" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [[], ["submit", "--without", "scheduler.py"], ["grade", "solution", "--out", "x", "--only", "poetry"], ["paint"]],
)
def test_wrong_usage_exits_2(arguments):
    with pytest.raises(SystemExit) as exit:
        run(*arguments)
    assert exit.value.code == 2


def test_a_path_that_does_not_exist_exits_2(tmp_path, capsys):
    assert run("grade", tmp_path / "nothing", "--out", tmp_path) == 2
    assert "Give a folder, zip or tar" in " ".join(capsys.readouterr().err.split())


def test_damaged_expectations_exit_3_with_one_line(tmp_path, monkeypatch, capsys):
    damaged = tmp_path / "public.safetensors"
    damaged.write_bytes(b"not a safetensors file")
    monkeypatch.setattr(command, "PUBLIC", damaged)
    assert run("grade", ROOT / "solution", "--out", tmp_path) == 3
    assert "make record" in capsys.readouterr().err


def test_a_fault_of_the_grader_is_ungraded_and_carries_no_score(tmp_path, monkeypatch, no_hidden):
    def broken(student, expect):
        raise KeyError("a bug of ours")

    monkeypatch.setitem(checks.FUNCTIONS, "ddim.eta", broken)
    assert run("check", ROOT / "solution", "--out", tmp_path) == 3
    results = json.loads((tmp_path / "results.json").read_text())
    assert "score" not in results
    assert not any("score" in test for test in results["tests"])
    assert results["extra_data"]["points"] == 79
    verdicts = {test["extra_data"]["id"]: test["extra_data"]["verdict"] for test in results["tests"]}
    assert verdicts.pop("ddim.eta") == "ungraded"
    assert set(verdicts.values()) == {"passed"}


@pytest.fixture
def weak_host(monkeypatch, rubric):
    """A host that cannot confine, in an instructor's clone."""
    monkeypatch.setattr(command, "HIDDEN", PUBLIC)
    layers = Layers(missing={"Landlock": "this kernel offers none"})
    monkeypatch.setattr(command, "strongest", lambda limits, secrets: Box(limits, layers, secrets=secrets))


def test_a_host_that_cannot_confine_refuses_others_in_one_line(tmp_path, weak_host, capsys):
    work = tmp_path / "work"
    work.mkdir()
    (work / "scheduler.py").write_text("raise SystemExit('never run')\n", encoding="utf-8")
    assert run("grade", work, "--out", tmp_path / "out") == 3
    assert not (tmp_path / "out").exists()
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert "reaches tier E on this host, and grading others needs B. Landlock: this kernel offers none" in told
    # With public cases only it is somebody's own work.
    assert run("grade", work, "--out", tmp_path / "out", "--public") == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["extra_data"]["box_tier"] == "E" and "read a file outside of the box" in str(results["extra_data"])
    assert "enough for your own code only" in results["output"]


def test_the_kits_own_folders_are_graded_on_every_host(tmp_path, weak_host):
    assert run("grade", ROOT / "solution", "--out", tmp_path, "--only", "schedule") == 0


def test_the_doctor_says_where_this_host_stands(capsys):
    assert run("doctor") == 0
    told = capsys.readouterr().out
    assert "The box reaches tier" in told and "Grading others needs tier" in told and "Traceback" not in told


def test_junit_and_results_hold_hostile_text(grade, tmp_path):
    code = b'print("\\x1b[31m\\x00</system-out><b>&amp;", "]]>", chr(1), "<i>")\n1/0'
    (tmp_path / "scheduler.py").write_bytes(code)
    record = grade(tmp_path)
    root = ElementTree.fromstring(junit.render(record, Rubric.load()))
    assert root.find("testsuite").get("failures") == "1"
    assert "<i>" in root.find("testsuite/testcase/failure").text
    json.loads(gradescope.render(record, Rubric.load()))


def test_what_was_printed_names_no_folder_of_this_machine(grade):
    source = reference.SCHEDULER
    assert grade(f"{source}\nprint(__file__)\n", public_only=True).checks[0].printed == "scheduler.py"


@pytest.mark.slow
def test_pytest_collects_the_same_checks_with_the_same_verdicts(tmp_path):
    source = reference.SCHEDULER
    (tmp_path / "scheduler.py").write_text(source.replace("sigma = eta * variance.sqrt()", "sigma = eta * variance"))
    (tmp_path / "infer.py").write_bytes((ROOT / "solution" / "infer.py").read_bytes())
    # Public cases only, also where this clone has a course.
    without_course = "import pathlib, sys, autograder.paths as paths; paths.HIDDEN = pathlib.Path('none')\n"
    without_course += "import pytest; pytest.main(sys.argv[1:])"
    command = [sys.executable, "-c", without_course, "autograder/checks", "--submission", str(tmp_path), "-q"]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    assert "FAILED autograder/checks/ddim.py::ddim.eta - Failed: wrong: x_prev" in out
    failed = {line.split("::")[1].split(" ")[0] for line in out.splitlines() if line.startswith("FAILED")}
    assert failed == {"ddim.eta", "ddim.strided"}
    assert f"2 failed, {len(checks.CHECKS) - 2} passed" in out


def test_make_lists_every_target():
    # A make of its own, also where the tests are run by one.
    clean = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    listed = subprocess.run(["make"], cwd=ROOT, env=clean, capture_output=True, text=True, check=True).stdout
    rules = "\n".join((ROOT / path).read_text() for path in ("Makefile", "autograder/instructor/instructor.mk"))
    phony = {target for line in rules.splitlines() if line.startswith(".PHONY: ") for target in line.split()[1:]}
    assert {line.split()[0] for line in listed.splitlines()} == phony
