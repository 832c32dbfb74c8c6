"""`make gpu-report`: what a phase finds is kept, whatever becomes of the others. Every phase is rehearsed (slow)."""

import json
import subprocess
import sys

import pytest

from autograder.instructor.gpu_report import __main__ as report
from autograder.instructor.gpu_report import phases
from autograder.paths import ROOT

TRACE = """\
12  openat(AT_FDCWD, "/dev/nvidiactl", O_RDWR) = 5
12  openat(AT_FDCWD, "/etc/shadow", O_RDONLY) = -1 EACCES (Permission denied)
13  openat(AT_FDCWD, "/nowhere", O_RDONLY) = -1 ENOENT (No such file or directory)
13  openat(AT_FDCWD, "/dev/nvidiactl", O_RDWR) = 6
14  socket(AF_UNIX, SOCK_SEQPACKET, 0) = -1 EPERM (Operation not permitted)
"""


def test_a_trace():
    opened, refused = phases.read_trace(TRACE)
    assert opened == ["/dev/nvidiactl"]
    assert [call.split("(")[0] for call in refused] == ["openat", "socket"]


def test_a_phase_without_end_leaves_the_others_alone(tmp_path, monkeypatch, capsys):
    """What was found before stays in the table."""
    (tmp_path / "speed.jsonl").write_text(json.dumps({"phase": "speed", "what": "a | b", "found": 3}) + "\n")
    monkeypatch.setattr(report, "PHASES", {"machine": phases.Phase(None, 0.01), "speed": phases.PHASES["speed"]})
    assert report.main(["machine", "--out", str(tmp_path)]) == report.NOT_DONE
    table = (tmp_path / "report.md").read_text()
    assert "| machine | not finished | not finished within 0 s |" in table
    assert "| speed | a \\| b | 3 |" in table
    assert "ARGS='machine'` tries again" in capsys.readouterr().out


def test_an_unknown_phase(capsys):
    with pytest.raises(SystemExit) as end:
        report.main(["sped"])
    assert end.value.code == 2 and "there is no phase sped" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", phases.PHASES)
def test_rehearsal(name):
    command = [sys.executable, "-m", "autograder.instructor.gpu_report.phases", name, "--tiny"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
    facts = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(facts) >= 2 and all(fact.keys() == {"what", "found"} for fact in facts)
