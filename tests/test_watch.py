"""`make watch`: at each save the table, and whatever happens, it goes on."""

import io
import os
import pty
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import pytest
from courses import rubric_text
from rich.console import Console, Group
from rich.screen import Screen

from autograder import __main__ as command
from autograder.box import Box, Layers
from autograder.files import write
from autograder.instructor.authoring import patches
from autograder.paths import ROOT
from autograder.rubric import Rubric
from autograder.watch import Fitted, Watched

REFERENCE = patches.reference()["scheduler.py"].decode()
SKELETON = (ROOT / "assignment" / "scheduler.py").read_text()
LINEAR = "return torch.linspace(beta_start, beta_end, num_train_timesteps, dtype=torch.float64)"
ENDLESS = "class DDPMScheduler:\n    def __init__(self, **settings):\n        while True: pass\n"
GRADED = "scheduler.py was graded at "


def text(block):
    drawn = io.StringIO()
    Console(file=drawn, width=500).print(block)
    return drawn.getvalue()


@pytest.fixture
def shown():
    return []


@pytest.fixture
def watched(tmp_path, box, public, shown):
    """A watch over a folder, of which each look is asked for."""
    rubric = Rubric.load()
    limited = replace(rubric, limits=rubric.limits | {"call_seconds": 0.3, "timeouts_per_part": 1})
    return Watched(tmp_path, box, limited, public, lambda block: shown.append(text(block)))


@pytest.fixture
def save(tmp_path, watched):
    """save(text, name) and look"""

    def save(text, name="scheduler.py"):
        write(tmp_path / name, text)
        watched.look()

    return save


def test_each_save_shows_what_it_changed(save, shown):
    save(SKELETON)
    first = SKELETON.replace('raise NotImplementedError("TODO 1.1")', LINEAR)
    save(first)
    tables = REFERENCE[REFERENCE.index("# TODO 1.4") :].split("### END")[0]
    save(first.replace('raise NotImplementedError("TODO 1.4")', tables))
    assert [block.partition(" is ")[0] for block in shown if "infer.py was" not in block] == [
        "Next: TODO 1.1",
        "Next: TODO 1.4",
        "Next: TODO 1.2",
    ]
    assert "5/5    1.1 schedule.linear             passed" in shown[-1] and "5 of 84 points" in shown[-1]
    assert all(GRADED in block for block in shown if "infer.py was" not in block)


def test_without_a_save_nothing_is_graded(save, watched, shown):
    save(REFERENCE)
    before = len(shown)
    watched.look()
    assert len(shown) == before


def test_what_cannot_be_run_is_one_line_and_the_fix_is_seen(save, watched, shown, tmp_path):
    for broken, line in (
        (
            "class DDPMScheduler:\n    def f(self:\n",
            "Next: import scheduler raised SyntaxError at scheduler.py line 2: ",
        ),
        (ENDLESS, "Next: DDPMScheduler(...) did not return within 0.3 s, so it was stopped; "),
        ("", "Next: The class DDPMScheduler is not implemented yet; "),
        ("x = 1\n" * 40_000, f"{tmp_path} cannot be graded: scheduler.py is larger than 200 kB."),
    ):
        save(broken)
        assert [block for block in shown if "infer.py was" not in block][-1].startswith(line)
    save(REFERENCE)
    assert shown[-1].startswith("Next: Training, handout 5") and "84 of 84" in shown[-1]
    (tmp_path / "scheduler.py").unlink()
    watched.look()
    assert shown[-1] == f"{tmp_path} cannot be graded: there is no scheduler.py in it.\n"
    save(REFERENCE)
    assert "84 of 84" in shown[-1]


def test_a_save_while_it_grades_ends_that_grade(watched, shown, tmp_path):
    def show(block):
        shown.append(text(block))
        if len(shown) == 1:
            write(tmp_path / "scheduler.py", REFERENCE)

    watched.show, watched.in_pieces = show, True
    write(tmp_path / "scheduler.py", SKELETON)
    watched.look()
    assert len(shown) == 1 and "Grading scheduler.py ..." in shown[0]
    watched.look()
    graded = [block for block in shown if GRADED in block]
    assert len(graded) == 1 and "84 of 84" in graded[0]


def test_infer_is_graded_when_it_is_saved_and_stands_beside_the_scheduler_of_then(save, shown):
    save(REFERENCE)
    save("print('nothing')", "infer.py")
    told = shown[-1]
    assert "84 of 94" in told and "15/15  4 DDIM" in told and "infer.ddim" in told and "infer.digits" not in told
    assert told.startswith("Next: ") and "infer.py was graded at " in told
    save(REFERENCE + "\n")
    assert "infer.ddim" not in shown[-1] and "84 of 84" in shown[-1]


def test_a_part_of_both_files_is_graded_check_by_check(save, watched, shown):
    """`guided` of 8.2 stands in scheduler.py, and infer.py uses it."""
    whole = Rubric.read(rubric_text(guidance="graded"))
    watched.rubric = replace(whole, limits=watched.rubric.limits)
    watched.entries = [entry for entry in whole.checks.values() if entry.part in ("schedule", "guidance")]
    save(REFERENCE)
    assert "2/2  8 Guidance" in shown[0] and "guidance.infer" not in shown[0]
    save("print('nothing')", "infer.py")
    assert "2/2    8.2 guidance.guided" in shown[-1] and "0/2    8.2 guidance.infer" in shown[-1]
    save(REFERENCE.replace("return unconditional + scale", "return unconditional - scale"))
    assert "0/2    8.2 guidance.guided" in shown[-1] and "guidance.infer" not in shown[-1]


def test_a_fault_of_this_host_is_told_and_it_goes_on(tmp_path, rubric, public, shown):
    box = Box(rubric.limits, Layers(), start="spawn")
    watched = Watched(tmp_path, box, rubric, public, lambda block: shown.append(text(block)))
    assert "enough for your own code only" in str(watched.notes)
    box.close()
    for number in (1, 2):
        write(tmp_path / "scheduler.py", REFERENCE + number * "\n")
        watched.look()
        assert len(shown) == number and shown[-1].startswith(f"{tmp_path} cannot be graded: ")


@pytest.mark.parametrize("path", ["nothing", "a.zip"])
def test_what_is_no_folder_exits_2(path, tmp_path, capsys):
    (tmp_path / "a.zip").touch()
    assert command.main(["watch", str(tmp_path / path)]) == 2
    assert "There is no folder" in capsys.readouterr().err


def test_without_its_package_it_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    monkeypatch.delitem(sys.modules, "autograder.watch")
    assert command.main(["watch", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "This needs the package watchfiles: python -m pip install watchfiles\n"


@pytest.mark.parametrize("height", [5, 12, 40])
@pytest.mark.parametrize("lines", [1, 4, 5, 11, 12, 13, 100])
def test_what_does_not_fit_on_the_screen_is_counted(height, lines):
    drawn = io.StringIO()
    console = Console(file=drawn, width=60, height=height, force_terminal=True, color_system=None)
    console.print(Screen(Fitted(Group(*(f"line {n}" for n in range(lines))))), end="")
    shown = [line.strip() for line in drawn.getvalue().split("\n")]
    assert len(shown) == height
    if lines <= height:
        assert shown[:lines] == [f"line {n}" for n in range(lines)]
    else:
        hidden = lines - height + 1
        assert shown == [*(f"line {n}" for n in range(height - 1)),
                         f"{hidden} more lines: in a taller window, or here after Ctrl-C"]  # fmt: skip


# ----- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    """run(**options of Popen) -> the command, watching tmp_path/work; what it leaves lies in tmp_path/temporary"""
    (tmp_path / "temporary").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "scheduler.py").write_text(SKELETON)
    started = []

    def run(**options):
        environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary"), "TERM": "xterm", "COLUMNS": "100"}
        process = subprocess.Popen(
            [sys.executable, "-m", "autograder", "watch", tmp_path / "work"], cwd=ROOT, env=environment,
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL), **options,  # none in a shell's background
        )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


def left(folder):
    """What is in a folder, and the processes that name it."""
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    return [*folder.iterdir(), *(line for line in running.splitlines() if str(folder) in line)]


def test_blocks_for_a_pipe_until_ctrl_c(run, tmp_path):
    watch = run(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def until(points):
        """The lines up to the grade with so many points."""
        lines = []
        for line in watch.stdout:
            lines.append(line)
            if GRADED in line and f"{points} of 84 points" in lines[-2]:
                return lines
        raise AssertionError(lines)

    until(0)
    write(tmp_path / "work" / "scheduler.py", SKELETON)  # two saves at once, as by an editor that formats
    write(tmp_path / "work" / "scheduler.py", REFERENCE)
    lines = until(84)
    assert sum(line.startswith("Next: ") for line in lines) <= 2
    write(tmp_path / "work" / "scheduler.py", ENDLESS)
    write(tmp_path / "work" / "scheduler.py", "(\n")
    assert any("SyntaxError" in line for line in until(0))
    write(tmp_path / "work" / "scheduler.py", REFERENCE)
    until(84)
    watch.send_signal(signal.SIGINT)
    rest = watch.stdout.read()
    assert watch.wait() == 0 and "Traceback" not in rest and "\x1b" not in "".join(lines)
    assert not left(tmp_path / "temporary")


def test_one_screen_in_a_terminal(run, tmp_path):
    ours, theirs = pty.openpty()
    watch = run(stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    said = b""

    def until(words):
        nonlocal said
        while words not in said:
            said += os.read(ours, 1 << 16)

    until(b"infer.py was graded")
    write(tmp_path / "work" / "scheduler.py", REFERENCE)
    until(b"84 of 84 points")
    watch.send_signal(signal.SIGINT)
    until(b"\x1b[?1049l")  # back from the screen of its own
    before = len(said)
    with pytest.raises(OSError):  # its end
        until(b"never")
    assert watch.wait() == 0 and not left(tmp_path / "temporary")
    assert b"Traceback" not in said and b"84 of 84 points" in said[before - 1000 :]


def test_ctrl_c_while_it_starts(run, tmp_path):
    watch = run(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while not any((tmp_path / "temporary").glob("ddpm-box-*/*")):
        time.sleep(0.01)
    watch.send_signal(signal.SIGINT)
    assert "Traceback" not in watch.stdout.read() and watch.wait() == 0
    assert not left(tmp_path / "temporary")
