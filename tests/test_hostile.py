"""Hostile submissions gain nothing: each of them at the strongest tier of this host, and (slow) all of them at every
tier, as root, as a user and in an imitated container."""

import json
import os
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

import hostile
import pytest
from courses import TO_5
from slow import one_in

from autograder.box import Box
from autograder.box.layers import closed_to_others
from autograder.box.selftest import NAMES
from autograder.paths import ROOT

USER = 65534  # nobody
TIER = "B"  # the lowest that promises confinement
ATTACKS = sorted(path.stem for path in hostile.HERE.glob("*.py"))
HERE = Path(__file__).parent


def test_there_are_enough_and_each_says_what_to_expect():
    assert ATTACKS == sorted(hostile.EXPECTATIONS)
    assert len(ATTACKS) >= 200


@pytest.fixture(scope="module")
def scene(box, public):
    scene = hostile.Scene(box, public)
    yield scene
    scene.close()


PROGRAMS = [name for name in hostile.names() if hostile.parts_of(name)[0] == ("infer",)]


@pytest.mark.parametrize("name", [*one_in(6, sorted({*hostile.names()}.difference(PROGRAMS))), *one_in(15, PROGRAMS)])
def test_hostile(name, scene, rubric, public, hidden):
    """Its verdicts are as expected, its honest part keeps its points, nothing is reached, told, changed or left."""
    if scene.box.tier not in hostile.EXPECTATIONS[name].get("stopped_by", "AB"):
        pytest.skip(f"this host reaches tier {scene.box.tier} only, which does not promise to stop this")
    expected, (part, _) = hostile.EXPECTATIONS[name], hostile.parts_of(name)
    score, harmed = expected.get("score"), "verdicts" in expected or "loses" in expected
    # What answers rightly throughout keeps the points of all it is graded on: half of the checks show that as well.
    only = TO_5 if score else ("schedule", "forward")
    outcome = hostile.run(name, scene, rubric, public, hidden, only if part == ("forward",) else part)
    assert hostile.problems(outcome, scene.box.tier) == []
    low, high = score or ((22, 29) if harmed else (30, 30))
    assert low <= outcome.points <= high


# What takes threads, disk, memory or time, or makes others wait: the rest of them run beside it at each tier below.
GREEDY = ("threads_by_library", "many_threads", "lease", "disk_behind_the_output", "large_files", "output_flood",
          "files_in_flight", "pending_signals")  # fmt: skip


@pytest.fixture(scope="module")
def another_box(rubric):
    with Box(rubric.limits) as box:
        yield box


@pytest.mark.parametrize("name", GREEDY)
def test_the_reference_beside_it_keeps_its_points(name, scene, another_box, rubric, public, hidden):
    if scene.box.tier == "E":
        pytest.skip("this host promises others nothing")
    outcome = hostile.run(name, scene, rubric, public, hidden, ("forward",), another_box)
    assert hostile.problems(outcome, scene.box.tier) == []


def test_the_reference_is_unharmed_by_all_of_them(grade):
    record = grade(ROOT / "solution")
    assert record.points == record.max_points


# ----- every tier -----


@pytest.fixture(scope="module")
def readable_python(tmp_path_factory):
    """A Python that other users may run, with this one's packages."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = sysconfig.get_path("purelib")
    if closed_to_others(ROOT) or closed_to_others(packages):
        pytest.skip("other users may not read this kit or its packages")
    base = next((path for path in map(Path, ("/usr/bin", "/usr/local/bin")) if (path / version).exists()), None)
    if not base:
        pytest.skip(f"there is no {version} here that other users may run")
    folder = Path("/tmp", f"ddpm-python-{os.getpid()}")  # pytest's own folders are closed to others
    subprocess.run([base / version, "-m", "venv", "--without-pip", folder], check=True)
    site = next(folder.glob("lib/*/site-packages"))
    (site / "packages.pth").write_text(f"{packages}\n", encoding="utf-8")
    yield folder / "bin" / "python"
    subprocess.run(["rm", "-rf", folder], check=True)


def battery(tier, python=sys.executable, user=None, container=False):
    """Run every attack at a tier; returns the first line (what the box said of itself) and the outcomes."""
    command = [python, HERE / "as_container.py"] * container + [python, "-B", HERE / "hostile.py", tier]
    as_user = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "HOME": "/nonexistent"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, **as_user)
    assert done.returncode == 0, done.stderr[-2000:]
    about, *outcomes = map(json.loads, done.stdout.splitlines())
    print(f"{about}: {len(outcomes)} attacks, {sum(bool(outcome['worked']) for outcome in outcomes)} worked")
    return about, outcomes


def assert_all_as_expected(outcomes):
    found = {outcome["name"]: outcome["problems"] for outcome in outcomes if outcome["problems"]}
    assert found == {}


def needs_root():
    if os.getuid() != 0:
        pytest.skip("needs root")


def needs(tier, box):
    if tier < box.tier:
        pytest.skip(f"this host reaches tier {box.tier} only")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("tier", ["A", "B"])
def test_every_attack_as_whoever_this_is(tier, box):
    needs(tier, box)
    about, outcomes = battery(tier)
    assert about["tier"] == tier and len(outcomes) == len(hostile.names())
    assert_all_as_expected(outcomes)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("tier", ["A", "B"])
def test_every_attack_as_a_user(tier, box, readable_python):
    needs_root()
    needs(tier, box)
    about, outcomes = battery(tier, readable_python, USER)
    assert about["tier"] == tier and len(outcomes) == len(hostile.names())
    assert_all_as_expected(outcomes)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_attack_in_an_imitated_container(box, readable_python):
    """Root without namespaces: bubblewrap fails there, and boxed processes run as a spare user."""
    needs_root()
    needs("B", box)
    about, outcomes = battery("A", readable_python, container=True)
    assert about["tier"] == "B" and about["user"] and "bubblewrap" in about["missing"]
    assert len(outcomes) == len(hostile.names())
    assert_all_as_expected(outcomes)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_unconfined_most_attacks_work_so_that_these_tests_can_fail(readable_python):
    """Tier E stops what limits and the grader's design stop. What only confinement stops works there, one by one."""
    needs_root()  # and goes on as a user
    about, outcomes = battery("E", readable_python, USER)
    assert about["tier"] == "E"
    assert_all_as_expected(outcomes)
    assert sum(bool(outcome["worked"]) for outcome in outcomes) >= 80


@pytest.fixture
def weak_box(rubric):
    from autograder.box import Box, Layers

    with Box(rubric.limits, Layers(missing={"Landlock": "not here"})) as box:
        yield box


def test_a_host_that_cannot_confine_refuses_to_grade_others(weak_box, rubric, public, hidden, tmp_path):
    from autograder.grading import TooWeak, grade

    (tmp_path / "scheduler.py").write_text("", encoding="utf-8")
    with pytest.raises(TooWeak, match=r"reaches tier E.*needs B.*Landlock: not here.*doctor"):
        grade(tmp_path, weak_box, rubric, public, hidden)
    # The kit's own, one's own, and where the instructor says so:
    for path, expectations, demand in (
        (ROOT / "solution", hidden, "B"),
        (tmp_path, None, "B"),
        (tmp_path, hidden, "E"),
    ):
        changed = replace(rubric, box={"minimum_tier": demand})
        record = grade(path, weak_box, changed, public, expectations, only=("schedule",))
        assert record.made_with["box_tier"] == "E" and record.made_with["box_not_blocked"]
        assert any("tier E" in note for note in record.notes) == (demand == "B")


def test_the_readmes_table_says_what_each_tier_stops():
    text = (ROOT / "autograder" / "box" / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for kind in {entry["kind"] for entry in hostile.EXPECTATIONS.values()}:
        entries = [entry for entry in hostile.EXPECTATIONS.values() if entry["kind"] == kind]
        stopped = [sum(tier in entry.get("stopped_by", "AB") for entry in entries) for tier in "ABE"]
        row = next(row for row in rows if row.startswith(f"| {kind}:"))
        assert [int(cell) for cell in row.split("|")[2:6]] == [len(entries), *stopped], kind
    assert f"{len(hostile.EXPECTATIONS)} hostile submissions" in text
    assert f"a canary tries {len(NAMES)} forbidden things" in text
