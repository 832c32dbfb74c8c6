"""A thousand grades in a row through one box: nothing grows and nothing is left."""

import os
import tempfile
from itertools import cycle
from pathlib import Path

import hostile
import pytest

from autograder.box.launch import descendants, resident
from autograder.paths import ROOT

GRADES, WARM = 1000, 100
# Among right submissions, one in five of these: ends of every kind.
HOSTILE = ("fork", "exit_at_import", "kill_itself", "many_files", "large_files", "many_files_unseen", "deep_folders",
           "forged_reply", "output_flood", "memory_by_mapping", "many_threads", "close_everything")  # fmt: skip


def holdings(box):
    """What the grader and the box's parent hold now."""
    pids = [box.parent.process.pid, *descendants(box.parent.process.pid)]
    return {
        "memory of the grader, MB": resident_alone(os.getpid()) / 1e6,
        "memory of the parent, MB": resident(pids[0]) / 1e6,
        "descriptors of the grader": len(os.listdir("/proc/self/fd")),
        "descriptors of the parent": sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids),
        "threads of the grader": len(os.listdir("/proc/self/task")),
        "processes": len(pids),
        "files in the spool": sum(1 for _ in box.spool.rglob("*")),
        "temporary files": len(os.listdir(tempfile.gettempdir())),
    }


def resident_alone(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_thousand_grades_leak_nothing(box, rubric, public, hidden, grade, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # one where nobody else works
    scene = hostile.Scene(box, public)
    attacks = cycle(HOSTILE)
    for number in range(GRADES):
        if number == WARM:
            before = holdings(box)
        if number % 5 == 4:
            outcome = hostile.run(next(attacks), scene, rubric, public, hidden)
            assert hostile.problems(outcome, box.tier) == []
        else:
            record = grade(ROOT / "solution")
            assert record.points == record.max_points
    after = holdings(box)
    scene.close()
    print(*(f"{name}: {before[name]:.1f} after {WARM}, {after[name]:.1f} after {GRADES}" for name in after), sep="\n")
    for name in after:
        grown = 30 if "memory" in name else 0
        assert after[name] <= before[name] + grown, name
