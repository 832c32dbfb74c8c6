"""Whole submissions and the verdicts they must get: right ones in many styles, known mistakes, broken ones."""

import sys
import tomllib
from pathlib import Path

import pytest
from courses import TO_5, rubric_text
from slow import one_in

from autograder import checks
from autograder.box.launch import descendants
from autograder.instructor.authoring import patches
from autograder.record import PASSED, UNGRADED
from autograder.rubric import Rubric

HERE = Path(__file__).parent / "submissions"
ACCEPTED = sorted(path for path in (HERE / "accepted").iterdir() if (path / "scheduler.py").exists())
BROKEN = {path.stem: path for path in sorted((HERE / "broken").iterdir())}
EXPECTATIONS = tomllib.loads((HERE / "expectations.toml").read_text(encoding="utf-8"))
LONG = {id for id, expected in EXPECTATIONS.items() if expected.get("long")}
NOT_NAMED = {
    "add_noise_own_noise",  # random all over, which leaves no fingerprint, like the next
    "infer_initial_noise_ignored",
    "extract_table_left_on_the_cpu",  # charged in training alone
}
LEFT_BEHIND = "left-behind"  # what the processes of fork_bomb_small call themselves


@pytest.fixture(autouse=True)
def nothing_is_left(box, hidden):
    """After each submission: no process of its, and no file."""
    before = set(box.spool.iterdir()), descendants(box.parent.process.pid)
    yield
    assert (set(box.spool.iterdir()), descendants(box.parent.process.pid)) == before
    if sys.platform == "linux":
        assert not [process for process in Path("/proc").glob("[0-9]*") if name(process) == LEFT_BEHIND]


def name(process):
    try:
        return (process / "comm").read_text().strip()
    except OSError:  # it ended while we looked
        return ""


def verdicts(record):
    """{id: verdict} of what did not pass, and the messages to read when that is not what was expected."""
    failed = [check for check in record.checks if check.verdict != PASSED]
    print(*(f"{check.id}: {check.verdict}: {check.message}" for check in failed), sep="\n")
    return {check.id: check.verdict for check in failed}


def accepted(path, grade, whole=False, **limits):
    """Full marks in the exact parts, or in the whole homework, and nothing to remark; in part 8, who has it."""
    files = {file.name: file.read_bytes() for file in path.glob("*.py")}
    part_8 = {} if b"FlowMatchScheduler" not in files["scheduler.py"] else dict.fromkeys(checks.PART_8, "bonus")
    asked = Rubric.read(rubric_text(**part_8))
    record = grade(files, only=() if whole else checks.EXACT, asked=asked, **limits)
    assert verdicts(record) == {}
    assert record.points == sum(check.max_points for check in record.checks)
    assert record.complete == whole and not record.provisional
    assert not any(check.hint or check.mistake for check in record.checks)


@pytest.mark.parametrize("path", one_in(4, ACCEPTED), ids=lambda path: path.name)
def test_accepted(path, grade):
    """The exact parts. What takes longer is slow, and test_command has it every time, of the reference."""
    accepted(path, grade)


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in ACCEPTED if list(path.glob("infer.py"))], ids=lambda path: path.name)
def test_accepted_in_every_part(path, grade):
    accepted(path, grade, whole=True)


def test_an_outside_implementation_agrees_where_it_may_be_imported(grade, rubric):
    """diffusers itself, in our interface: nobody may hand it in, and it must be right."""
    path = HERE / "outside" / "diffusers_wrapped"
    accepted(path, grade, whole=False, allowed_imports=[*rubric.limits["allowed_imports"], "diffusers"])
    assert grade(path).points == 0


@pytest.mark.parametrize("patch", one_in(12, patches.load_all()), ids=lambda patch: patch.id)
def test_mistake_loses_its_checks_and_no_others_and_is_named(patch, grade):
    record = grade(patch.files, public_only=True, only=patch.only)
    lost = verdicts(record).keys()
    loses = {id for id in patch.loses if {id, id.split(".")[0]} & set(patch.only)}
    assert loses <= lost <= {*loses, *patch.may_lose}
    # The shipped fingerprints name it, and no other mistake is ever named.
    named = {check.mistake for check in record.checks if check.mistake}
    assert named == (set() if patch.id in NOT_NAMED else {patch.id})


@pytest.mark.parametrize(
    "id", one_in(4, sorted(BROKEN.keys() - LONG)) + [pytest.param(id, marks=pytest.mark.slow) for id in sorted(LONG)]
)
def test_broken(id, grade, rubric):
    expected = EXPECTATIONS[id]
    limits = expected.get("limits", {})
    record = grade(source(BROKEN[id]), only=expected.get("only", TO_5), **limits)
    got = verdicts(record)

    rest = expected["verdicts"].get("*", PASSED)
    wanted = {check.id: expected["verdicts"].get(check.id, rest) for check in record.checks}
    assert {check.id: got.get(check.id, PASSED) for check in record.checks} == wanted
    low, high = expected["score"]
    assert low <= record.points <= high
    said = {check.id: check.output for check in record.checks}
    for check, words in expected.get("messages", {}).items():
        assert not [word for word in words if word not in said[check]], said[check]
    for check, words in expected.get("never", {}).items():
        assert not [word for word in words if word in said[check]], said[check]
    assert record.next.startswith(expected.get("next", ""))
    assert UNGRADED not in got.values()
    worked = sum(run["cpu_s"] for run in record.runs)  # waiting for a busy machine is not the student's
    assert worked < (rubric.limits | limits)["exact_seconds"] + 3


def source(path):
    """A folder as it is, with the reference's scheduler.py where it is about infer.py; or the reference, patched, or
    another right submission."""
    if path.is_dir():
        files = {file.name: file.read_bytes() for file in path.iterdir()}
        return patches.reference() | files if "infer.py" in files else files
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    files, name = patches.reference(), data.get("file", "scheduler.py")
    if "base" in data:
        files = {file.name: file.read_bytes() for file in (HERE / "accepted" / data["base"]).iterdir()}
    return files | {name: patches.apply(files[name].decode(), data["replace"], path.name).encode()}


def test_every_broken_submission_has_its_expectations():
    assert BROKEN.keys() == EXPECTATIONS.keys()


def test_what_overflows_warns_nobody(grade, recwarn):
    """numpy's warnings about a student's numbers stood between the lines of the report."""
    source = patches.reference()["scheduler.py"].decode()
    right = "return alpha_bar.sqrt() * original_samples + (1 - alpha_bar).sqrt() * noise"
    assert source.count(right) == 1
    for factor in ("1e30", "float('inf')", "float('nan')"):
        record = grade(source.replace(right, f"return noise * {factor}"), public_only=True)
        assert {check.id for check in record.checks if check.verdict != PASSED} >= {"forward.add_noise"}
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]
