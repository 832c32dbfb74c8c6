"""A class on a real Slurm, where there is one: two nodes on one host are enough (`slurmd -N`). A job that is cancelled
and a time limit that strikes change no grade, and nothing is left in the queue."""

import json
import re
import subprocess
import sys
import time

import pytest

from autograder.instructor.classroom import pools, working
from autograder.paths import HIDDEN, ROOT


def nodes():
    """How many nodes a Slurm of this host has, 0 without one."""
    try:
        done = subprocess.run(["sinfo", "-h", "-N"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return len(done.stdout.splitlines()) if done.returncode == 0 else 0


def jobs():
    done = subprocess.run(
        ["squeue", "-h", "-n", "ddpm-homework", "-o", "%i"], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def grade(folder, *options):
    command = [sys.executable, "-m", "autograder.instructor.classroom", "grade", folder / "subs", "--exact"]
    return subprocess.Popen([*command, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not HIDDEN.exists(), reason="needs hidden cases: make record")
@pytest.mark.parametrize("time_limit", ["02:00:00", "00:01:00"], ids=["a job is cancelled", "the time limit strikes"])
def test_what_slurm_takes_away_changes_no_grade(tmp_path, time_limit):
    if nodes() < 2:  # not asked while tests are collected: a Slurm that does not answer takes ten seconds
        pytest.skip("needs a Slurm with two nodes: slurm-wlm and munge of Debian, `slurmd -N`")
    for n in range(12):
        folder = tmp_path / "subs" / f"student{n:02}"
        folder.mkdir(parents=True)
        source = (ROOT / ("solution", "assignment")[n % 2] / "scheduler.py").read_text(encoding="utf-8")
        (folder / "scheduler.py").write_text(source + "import time; time.sleep(8)\n" * (n % 3 == 0), encoding="utf-8")
    asked = f"cores=1,memory=4GB,jobs=2,time={time_limit}"
    process = grade(tmp_path, "--class", tmp_path / "slurm", "--slurm", asked)
    while process.poll() is None and len(list(tmp_path.glob("slurm/results/*"))) < 2:
        time.sleep(0.2)
    if time_limit == "02:00:00":
        subprocess.run(["scancel", jobs()[0]], check=True)
    said, _ = process.communicate(timeout=1000)
    assert process.returncode == 0, said
    assert jobs() == []
    here = grade(tmp_path, "--class", tmp_path / "here")
    said, _ = here.communicate(timeout=1000)
    assert here.returncode == 0, said
    one, other = ((tmp_path / name / "grades.csv").read_bytes() for name in ("slurm", "here"))
    assert one == other
    for n in range(12):
        one, other = (found_in(tmp_path / name / "results" / f"student{n:02}") for name in ("slurm", "here"))
        assert one == other


def found_in(folder):
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return [(test["name"], test["score"], re.sub(r"0x\w+", "", test["output"])) for test in found["tests"]]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [({"core": "2"}, "knows no core; it knows cores, memory"), ({"jobs": "two"}, "cannot be used so"),
     ({"cores": "1", "memory": "much"}, "cannot be used so")],
)  # fmt: skip
def test_what_slurm_cannot_be_asked_for_is_one_line(tmp_path, monkeypatch, wanted, said):
    pytest.importorskip("dask_jobqueue")
    monkeypatch.setattr(pools.shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(working.Stop, match=said) as stop:
        pools.Slurm(wanted, tmp_path)
    assert "\n" not in str(stop.value)


def test_without_slurm_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(pools.shutil, "which", lambda name: None)
    with pytest.raises(working.Stop, match="there is no sbatch on this host"):
        pools.Slurm({}, tmp_path)
