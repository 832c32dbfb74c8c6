"""What platforms read: each output beside the platform's own documentation, or beside what its own writer makes."""

import base64
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import docutils.core
import pytest
import yaml
from markdown_it import MarkdownIt

from autograder import reports
from autograder.instructor.authoring.course import Course
from autograder.instructor.release import bundles, platforms
from autograder.paths import PUBLIC, ROOT
from autograder.record import CheckResult, GradeRecord, Shown
from autograder.reports import gradescope, junit, markdown
from autograder.reports.platforms import autolab
from autograder.rubric import Rubric
from autograder.text import readable

# gradescope-autograders.readthedocs.io, "Autograder Specifications", "Output format".
RUBRIC = Rubric.load()
VISIBILITY = {"hidden", "after_due_date", "after_published", "visible"}
FORMATS = {"text", "html", "simple_format", "md", "ansi"}
NUMBER = (int, float)
RESULTS = {
    "score": NUMBER,
    "max_score": NUMBER,  # not documented, and ignored: for those who read the file themselves
    "execution_time": NUMBER,
    "output": str,
    "output_format": FORMATS,
    "test_output_format": FORMATS,
    "test_name_format": FORMATS,
    "visibility": VISIBILITY,
    "stdout_visibility": VISIBILITY,
    "extra_data": dict,
    "tests": list,
    "leaderboard": list,
}
TEST = {
    "score": NUMBER,
    "max_score": NUMBER,
    "status": {"passed", "failed"},
    "name": str,
    "name_format": FORMATS,
    "number": str,
    "output": str,
    "output_format": FORMATS,
    "tags": list,
    "visibility": VISIBILITY,
    "extra_data": dict,
}
HOSTILE = "</td><script>alert(1)</script> | **x** `y` ![z](https://w.example/p.png) \n\n# title <b>&amp;"


def documented(results):
    """Assert that results.json holds nothing but what Gradescope documents; returns it."""
    for entry, keys in ((results, RESULTS), *((test, TEST) for test in results["tests"])):
        for key, value in entry.items():
            allowed = keys[key]
            assert value in allowed if isinstance(allowed, set) else isinstance(value, allowed), (key, value)
    return results


@pytest.fixture
def record():
    """A pass, a failure, one that was not run and, on request, one that is a fault of ours."""

    def record(*verdicts, notes=(HOSTILE,)):
        checks = [
            CheckResult(
                "ddim.eta",
                "ddim",
                "DDIM",
                5.0,
                verdict,
                message="" if verdict == "passed" else HOSTILE,
                printed=HOSTILE,
            )
            for verdict in verdicts
        ]
        return GradeRecord(HOSTILE, checks, True, False, list(notes), {"kit_version": "0", "box_tier": "B"})

    return record


@pytest.mark.parametrize("last", ["crashed", "ungraded"])
def test_gradescope_gets_what_it_documents(record, last):
    results = documented(json.loads(gradescope.render(record("passed", "wrong", "blocked", last), RUBRIC)))
    scores = [test.get("score") for test in results["tests"]]
    if last == "ungraded":
        assert "score" not in results and scores == [None] * 4
    else:
        assert results["score"] == sum(scores) == 5 and results["max_score"] == 20
    assert (results["visibility"], results["stdout_visibility"]) == ("visible", "hidden")


@pytest.fixture
def gradescope_layout(tmp_path):
    """run(submission, *broken) -> results.json, of Gradescope's bundle in its folders, which lie in tmp_path here;
    the public cases play the hidden ones."""
    root = tmp_path / "autograder"
    files = bundles.gradescope(bundles.tracked(), PUBLIC.read_bytes(), Course(RUBRIC))
    for name, data in files.items():
        (root / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "source" / name).write_bytes(data)
    (root / "venv" / "bin").mkdir(parents=True)
    (root / "venv" / "bin" / "python").symlink_to(sys.executable)

    def run(submission, python=sys.executable):
        shutil.copytree(submission, root / "submission", ignore=shutil.ignore_patterns("checkpoints", "mistakes"))
        script = files["run_autograder"].decode().replace("/autograder/venv/bin/python", str(python))
        (root / "run_autograder").write_text(script.replace("/autograder/", f"{root}/"))
        subprocess.run(["bash", root / "run_autograder"], cwd=root, check=True, capture_output=True)
        return documented(json.loads((root / "results" / "results.json").read_text()))

    return run


def test_gradescopes_results_hold_no_score_until_there_is_one(gradescope_layout):
    """As where the grader is killed: what was written before it began is what stands there."""
    results = gradescope_layout(ROOT / "assignment", python="/bin/false")
    assert "score" not in results and results["tests"] == []
    assert results["output"].startswith("Not graded")


@pytest.mark.slow
def test_gradescopes_script_grades_with_hidden_cases(gradescope_layout):
    results = gradescope_layout(ROOT / "solution")
    assert results["score"] == 100 and results["extra_data"]["complete"] is True


# ----- PrairieLearn, Autolab, GitHub Classroom, INGInious -------------------------------------------------------------

VERDICTS = ("passed", "wrong", "not_implemented", "crashed", "bad_output", "blocked")
LONG = GradeRecord("work", [CheckResult("ddim.eta", "ddim", "DDIM", 5.0, "wrong", "x" * 400, printed="é" * 60_000)] * 9,
                   True, False, [], {}, shown=[Shown("a title", "", "A" * 400_000)] * 3)  # fmt: skip


def rendered(name, record):
    return reports.PLATFORMS[name].render(record, RUBRIC)


@pytest.mark.parametrize("seed", range(20))
def test_every_platform_is_told_the_same_points(record, seed):
    rng = random.Random(seed)
    found = record(*rng.choices(VERDICTS, k=rng.randrange(1, 12)))
    for check in found.checks:
        check.part = rng.choice(list(RUBRIC.parts))
    prairielearn, inginious, classroom = (json.loads(rendered(name, found)) for name in PLATFORMS)
    assert prairielearn["score"] == pytest.approx(found.points / found.max_points)
    assert sum(test["points"] for test in prairielearn["tests"]) == found.points
    assert inginious["grade"] == pytest.approx(100 * found.points / found.max_points, abs=0.01)
    assert (inginious["result"] == "success") == (found.points == found.max_points)
    assert reported(classroom) == {"totalPoints": found.points, "maxPoints": found.max_points}
    scores = autoresult(rendered("autolab", found))
    assert sum(scores.values()) == found.points and scores.keys() <= set(RUBRIC.parts.values())


PLATFORMS = ("prairielearn", "inginious", "classroom")


@pytest.mark.parametrize("verdicts", [("ungraded",), ("passed", "ungraded"), ("wrong", "passed", "ungraded", "passed")])
def test_what_could_not_be_graded_is_points_nowhere(record, verdicts):
    prairielearn, inginious, classroom = (json.loads(rendered(name, record(*verdicts))) for name in PLATFORMS)
    assert prairielearn["gradable"] is False and "score" not in prairielearn and prairielearn["format_errors"]
    assert inginious["result"] == "crash" and "grade" not in inginious
    assert classroom["status"] == "error" and reported(classroom) is None
    assert set(autoresult(rendered("autolab", record(*verdicts))).values()) == {None}, "Autolab makes zeros of nothing"
    assert autoresult(autolab.not_graded(RUBRIC)) == dict.fromkeys(RUBRIC.parts.values())


def reported(results):
    """What the reporter of GitHub Classroom says (src/notify-classroom.js), None where it says nothing."""
    most, points = results["max_score"], sum(test["score"] for test in results["tests"]) if results["max_score"] else 0
    return {"totalPoints": points, "maxPoints": most} if most else None


def autoresult(text):
    """The scores that Autolab finds in an output (assessment_autograde_core.rb, parseAutoresult)."""
    *above, last = text.rstrip().splitlines()
    if above and above[-1].startswith("{"):
        presentation = json.loads(above[-1])
        assert presentation["_presentation"] == "semantic"
        assert presentation["stages"] == list(presentation)[2:]
        for stage in presentation["stages"]:
            assert all(entry.keys() <= {"passed", "hint"} for entry in presentation[stage].values())
    return json.loads(re.sub(r"([a-zA-Z0-9]+):", r'"\1":', last))["scores"]


def test_prairielearn_gets_what_it_documents_and_no_more_than_it_takes(record):
    found = json.loads(rendered("prairielearn", record(*VERDICTS)))
    assert found.keys() == {"gradable", "score", "message", "images", "tests"}
    for test in found["tests"]:
        assert test.keys() == {"name", "description", "points", "max_points", "message", "output", "images"}
    text = rendered("prairielearn", LONG)
    assert len(text.encode()) <= 1_000_000 and json.loads(text)["score"] == 0
    assert len(json.loads(text)["tests"]) == 9


def test_text_of_a_submission_means_nothing_to_inginious(record):
    text = json.loads(rendered("inginious", record("wrong", notes=["`x <javascript:y>`_ |z| **b** .. raw:: html"])))[
        "text"
    ]
    page = docutils.core.publish_parts(text, writer="html5", settings_overrides={"report_level": 1})["html_body"]
    tags = set(Tags(page).tags)
    assert (
        tags <= {"main", "p", "strong", "ul", "li", "table", "tbody", "tr", "td", "colgroup", "col"} and "table" in tags
    )


def test_the_points_of_the_homework_are_100(shipped):
    assert sum(check.points for check in shipped.checks.values()) == 100
    assert shipped.gradescope["visibility"] in VISIBILITY


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.words = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)

    def handle_data(self, data):
        self.words += data


@pytest.mark.parametrize("html", [True, False], ids=["html allowed", "html off"])
def test_markdown_of_anything_stays_a_table(record, rubric, html):
    page = Tags(
        MarkdownIt("commonmark", {"html": html}).enable("table").render(markdown.render(record("wrong"), rubric))
    )
    table = ["table", "thead", "tr", *["th"] * 5, "tbody", "tr", *["td"] * 5]
    assert page.tags == ["h2", "p", "strong", "p", "ul", "li", *table]
    assert page.words.count(readable(HOSTILE, limit=None)) == 3  # as title, as note, as message


def structure(text):
    """{tag: attributes} of a JUnit file, and which tags stand in which."""
    root = ElementTree.fromstring(text)
    attributes, nested = {}, set()
    for element in root.iter():
        attributes.setdefault(element.tag, set()).update(element.attrib)
        nested |= {(element.tag, child.tag) for child in element}
    return attributes, nested


def test_junit_is_written_as_pytest_writes_it(record, tmp_path):
    (tmp_path / "test_four.py").write_text(
        "import pytest\n\n@pytest.fixture\ndef broken():\n    1 / 0\n\n"
        "def test_passes(record_property):\n    record_property('points', 5)\n\n"
        "def test_fails():\n    assert False\n\ndef test_skips():\n    pytest.skip('why')\n\n"
        "def test_error(broken):\n    pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=junit.xml"]
    subprocess.run(command, cwd=tmp_path, capture_output=True)
    theirs, their_nesting = structure((tmp_path / "junit.xml").read_text())
    ours, our_nesting = structure(junit.render(record("passed", "wrong", "blocked", "ungraded"), RUBRIC))
    assert ours.keys() == theirs.keys()
    assert our_nesting == their_nesting
    for tag, attributes in ours.items():
        assert attributes <= theirs[tag], tag
    root = ElementTree.fromstring(junit.render(record("passed", "wrong", "blocked", "ungraded"), RUBRIC))
    assert [root[0].get(name) for name in ("tests", "failures", "errors", "skipped")] == ["4", "1", "1", "1"]


def test_every_report_of_a_real_grade(grade, rubric):
    found = grade(ROOT / "assignment", only=("schedule",))
    results = documented(json.loads(gradescope.render(found, RUBRIC)))
    assert results["score"] == 0
    assert "not implemented" in markdown.render(found, rubric)
    structure(junit.render(found, RUBRIC))


# ----- the bundles, in the folders of each platform -------------------------------------------------------------------


@pytest.fixture(scope="module")
def contents():
    """Gradescope's bundle and the students', with public cases in the place of hidden ones; and the repository."""
    files = bundles.tracked()
    course = Course(RUBRIC)
    return files, bundles.student(files, course), bundles.gradescope(files, PUBLIC.read_bytes(), course)


@pytest.fixture
def laid_out(contents, tmp_path):
    """laid_out(platform) -> the bundle, unpacked into tmp_path, its kit into tmp_path/kit, as its image has it"""

    def laid_out(name):
        files, student, gradescope = contents
        content = platforms.bundle(name, files, student, gradescope, RUBRIC)
        for path, data in content.items():
            place = tmp_path / path.removeprefix("image/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            place.chmod(0o755 if data.startswith(b"#!") else 0o644)
        return tmp_path

    return laid_out


@pytest.mark.parametrize("name", platforms.LAYOUTS)
def test_a_bundle_holds_what_gradescopes_does_and_scripts(contents, name):
    files, student, gradescope = contents
    content = platforms.bundle(name, files, student, gradescope, RUBRIC)
    if "autograde.tar" in content:
        with tarfile.open(fileobj=io.BytesIO(content.pop("autograde.tar"))) as file:
            assert {member.mode for member in file} == {0o600}
            content |= {member.name: file.extractfile(member).read() for member in file}
        content.pop(platforms.UNGRADED)
    proven = {*student.values(), *gradescope.values()}
    scripts = [path for path, data in content.items() if data not in proven]
    assert len(scripts) <= 5 and all(files_of(files, path) for path in scripts)
    assert (PUBLIC.read_bytes() in [data for path, data in content.items() if "hidden" in path]) == (
        name != "classroom"
    )


def files_of(files, path):
    return [
        each for each in files if each.startswith(platforms.FOLDER) and each.endswith(path.partition("/")[2] or path)
    ]


def run_in(command, folder, path="", **changes):
    """A script in the layout of its platform, whose absolute paths lie in `folder` here."""
    here = {name: value for name, value in os.environ.items() if "MAKE" not in name}  # `make test` is no part of it
    environment = {**here, "PATH": f"{path}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def broken(tmp_path):
    """A folder with a python that fails, as where the grader is killed."""
    (tmp_path / "broken").mkdir()
    for name in ("python", "python3"):
        (tmp_path / "broken" / name).symlink_to("/bin/false")
    return tmp_path / "broken"


def prairielearn_job(folder, submission, path=""):
    shutil.copytree(folder / "question" / "tests", folder / "grade" / "tests")
    shutil.copytree(submission, folder / "grade" / "student", ignore=shutil.ignore_patterns("checkpoints", "mistakes"))
    script = folder / "grade" / "tests" / "run.sh"
    text = script.read_text().replace("/grade/", f"{folder}/grade/").replace("=/grade", f"={folder}/grade")
    script.write_text(text.replace("/kit", f"{folder}/kit"))
    run_in(["bash", script], folder, path)
    return json.loads((folder / "grade" / "results" / "results.json").read_text())


def autolab_job(folder, submission, path=""):
    for name in ("scheduler.py", "infer.py"):
        with zipfile.ZipFile(folder / "submission.zip", "a") as file:
            file.write(submission / name, name)
    (folder / "autograde-Makefile").rename(folder / "Makefile")
    text = (folder / "Makefile").read_text()
    (folder / "Makefile").write_text(text.replace("/kit", f"{folder}/kit"))
    return autoresult(run_in(["make"], folder, path).stdout)


def inginious_job(folder, submission, path=""):
    """With the commands of its container, as its own library keeps what they say (feedback.py)."""
    commands = folder / "commands"
    commands.mkdir()
    with zipfile.ZipFile(folder / "handed_in.zip", "w") as file:
        for name in ("scheduler.py", "infer.py"):
            file.write(submission / name, name)
    said = {"feedback-result": 'echo "$1" >', "feedback-grade": 'echo "$1" >', "feedback-msg": 'echo "$2" >'}
    for name, keep in said.items():
        (commands / name).write_text(f"#!/bin/sh\n{keep} {folder}/{name}.said\n")
    (commands / "getinput").write_text(f"#!/bin/sh\ncat {folder}/handed_in.zip\n")
    for each in commands.iterdir():
        each.chmod(0o755)
    script = folder / "task" / "run"
    script.write_text(script.read_text().replace("/kit", f"{folder}/kit"))
    run_in(["bash", script], folder / "task", f"{path}:{commands}" if path else commands)
    return {name: (folder / f"{name}.said").read_text().strip() for name in said if (folder / f"{name}.said").exists()}


def test_a_grader_that_is_killed_gives_no_score_anywhere(laid_out, broken, tmp_path):
    assert prairielearn_job(laid_out("prairielearn"), ROOT / "assignment", broken)["gradable"] is False
    assert set(autolab_job(laid_out("autolab"), ROOT / "assignment", broken).values()) == {None}
    said = inginious_job(laid_out("inginious"), ROOT / "assignment", broken)
    assert said["feedback-result"] == "crash" and "feedback-grade" not in said


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("submission", "points"), [("solution", 100), ("assignment", 0)])
def test_each_platform_grades_in_its_layout(laid_out, submission, points):
    """Gradescope has a test of its own above."""
    assert prairielearn_job(laid_out("prairielearn"), ROOT / submission)["score"] == points / 100
    assert sum(autolab_job(laid_out("autolab"), ROOT / submission).values()) == points
    said = inginious_job(laid_out("inginious"), ROOT / submission)
    assert float(said["feedback-grade"]) == points
    assert said["feedback-result"] == ("success" if points else "failed")


@pytest.mark.slow
def test_the_workflow_of_a_classroom_reports_points(laid_out, tmp_path):
    """Its step is run as it stands; the reporter is GitHub's."""
    folder = laid_out("classroom")
    workflow = yaml.safe_load((folder / ".github" / "workflows" / "classroom.yml").read_text())
    (step,) = (step for step in workflow["jobs"]["grade"]["steps"] if step.get("id") == "grade")
    output = tmp_path / "output"
    environment = {
        **os.environ,
        "GITHUB_OUTPUT": str(output),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    subprocess.run(["bash", "-e", "-c", step["run"]], cwd=folder, env=environment, check=True, capture_output=True)
    name, _, value = output.read_text().strip().partition("=")
    assert name == "result" and reported(json.loads(base64.b64decode(value))) == {"totalPoints": 0, "maxPoints": 100}
