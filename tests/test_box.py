"""The box: a live process that answers, under limits kept from outside, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from autograder.box import Box, BoxError, Layers, launch
from autograder.box.gpu import NO_GPU
from autograder.box.inside import wire
from autograder.box.inside.parent import MANY
from autograder.box.launch import descendants
from autograder.paths import PACKAGE
from autograder.record import Failed
from autograder.student import Student, rebuild, strided

ECHO = b"""
import os, torch
class DDPMScheduler:
    betas = torch.arange(3.0)
    def add_noise(self, *args, **kwargs): return args[0]
    def predict(self, x): return x, float(x.sum())
    def step(self, x): return os.getpid()
    def posterior(self, x): return x.stride() == x.contiguous().stride()
    def get_velocity(self, x): return dict(os.environ), 1
    def set_timesteps(self, n): print("said", n)
class DDIMScheduler(DDPMScheduler): pass
"""


@pytest.fixture
def student(box, rubric):
    with_echo = Student(box, box.stage({"scheduler.py": ECHO}), rubric.limits)
    yield with_echo
    with_echo.close()


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (2, 1, 3, 1)])
def test_tensors_survive_the_round_trip(student, dtype, shape):
    sent = np.array(np.random.default_rng(0).integers(0, 2, shape)).astype(dtype)
    got = student.DDPMScheduler().add_noise(sent)
    assert got.dtype == sent.dtype and got.torch_dtype == dtype
    assert np.array_equal(got, sent)


def test_strided_inputs_arrive_non_contiguous_with_the_same_values(student):
    scheduler, x = student.DDPMScheduler(), np.arange(12.0).reshape(3, 4)
    assert scheduler.posterior(x) is True
    assert scheduler.posterior(strided(x)) is False
    assert np.array_equal(scheduler.add_noise(strided(x)), x)


def test_numbers_and_pairs(student):
    pair = student.DDPMScheduler().predict(np.ones((2, 2)))
    assert np.array_equal(pair[0], np.ones((2, 2))) and pair[1] == 4.0


def test_a_pair_may_have_names(box, rubric):
    """As in lucidrains' way to write `predict`."""
    code = b"import collections\nclass DDPMScheduler:\n def predict(self, x): return Pair(x, x + 1)\n"
    code += b"Pair = collections.namedtuple('Pair', ['x0', 'epsilon'])\n"
    pair = Student(box, box.stage({"scheduler.py": code}), rubric.limits).DDPMScheduler().predict(np.zeros(1))
    assert type(pair) is tuple and [part.item() for part in pair] == [0, 1]


def test_views_that_are_not_their_bytes_arrive(box, rubric):
    """Lazily negated or conjugated ones, and one element of a larger tensor: a column of pairs where S = 1, say."""
    code = b"import torch\nclass DDPMScheduler:\n timesteps = torch.tensor([[999, -1]])[:, 0]\n"
    code += b" def add_noise(self, x): return torch.complex(x, x).conj().imag\n"
    code += b" def get_velocity(self, x): return torch.complex(x, x).conj()\n"
    scheduler = Student(box, box.stage({"scheduler.py": code}), rubric.limits).DDPMScheduler()
    assert scheduler.timesteps.tolist() == [999]
    for shape in ((), (1, 1), (2, 3)):
        assert np.all(scheduler.add_noise(np.ones(shape)) == -1)
        assert np.all(scheduler.get_velocity(np.ones(shape)) == 1 - 1j)


def test_what_has_no_business_on_the_wire_is_named(student):
    assert student.DDPMScheduler().get_velocity(np.ones(1)) == (wire.Other("dict"), 1)


def test_prints_are_kept_per_question(student):
    scheduler = student.DDPMScheduler()
    scheduler.set_timesteps(1)
    scheduler.set_timesteps(2)
    assert student.process.printed() == "said 1\nsaid 2\n"
    assert student.process.printed() == ""


def test_the_box_sees_no_environment(box, rubric):
    os.environ["CANARY"] = "secret"
    known = {"PATH", "HOME", "TMPDIR", "LANG", "USER", "LC_CTYPE", *NO_GPU}  # Python may set LC_CTYPE itself
    code = f"import os\nif set(os.environ) - {known}: raise ValueError(os.environ)\n".encode()
    Student(box, box.stage({"scheduler.py": code}), rubric.limits).load()


def test_a_process_that_died_is_replaced(student):
    scheduler = student.DDPMScheduler()
    pid = scheduler.step(1)
    student.process.end()
    with pytest.raises(Failed, match="the process had ended"):
        scheduler.step(1)
    assert student.DDPMScheduler().step(1) != pid


def test_nothing_survives_and_nothing_is_left(rubric):
    """Where processes can be started: a grandchild in a session of its own, orphaned, dies with what started it."""
    code = b"""
import os, time
class DDPMScheduler:
    def step(self):
        read, write = os.pipe()
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.write(write, str(os.getpid()).encode())
                time.sleep(600)
            os._exit(0)
        return int(os.read(read, 20))
"""
    with Box(rubric.limits, Layers()) as box:
        student = Student(box, box.stage({"scheduler.py": code}), rubric.limits)
        grandchild = student.DDPMScheduler().step()
        assert Path(f"/proc/{grandchild}").exists()
        run = student.process.run
        student.close()
        assert not Path(f"/proc/{grandchild}").exists()
        assert not run.exists()


def test_a_forged_reply_is_a_bad_output(box, rubric):
    """Student code may write any bytes to the grader."""
    code = b"""
import os, struct
class DDPMScheduler:
    def step(self, data):
        os.write(4, bytes(data.numpy()))
        return 1
"""
    length = np.frombuffer(np.uint32(5).tobytes(), np.uint8)
    for data in (np.full(64, 255, np.uint8), np.concatenate([length, np.frombuffer(b"\xc1abcd", np.uint8)])):
        student = Student(box, box.stage({"scheduler.py": code}), rubric.limits)
        with pytest.raises(Failed) as caught:
            student.DDPMScheduler().step(data)
        student.close()
        assert caught.value.verdict == "bad_output"


@pytest.mark.parametrize(
    "fields",
    [
        ("object", (1,), b"12345678"),
        ("float32", (-1,), b"1234"),
        ("float32", (2**40,), b"1234"),
        ("float32", "shape", b"1234"),
        ("no_such_dtype", (1,), b"1234"),
        (1, 2, 3),
        ("float32", (1,), b"1234", "meta"),
    ],
)
def test_a_forged_tensor_is_a_bad_output(fields):
    with pytest.raises(Failed) as caught:
        rebuild(wire.Tensor(*fields), "x")
    assert caught.value.verdict == "bad_output"


def test_a_forged_error_is_a_crash(box, rubric):
    """The description of an exception is written in the box, so it may be anything."""
    for types in (5, None, "x", (), (7, b"y")):
        error = {"types": types, "text": None, "line": (), "code": 3}
        assert Student(box, None, rubric.limits).exception("step(...)", error).verdict == "crashed"


def test_many_forks_then_two_threads(box, rubric):
    """The parent has used torch, also fake tensors, in one thread: its children compute, with two threads too."""
    code = b"""
import torch
torch.set_num_threads(2)
class DDPMScheduler:
    def step(self, x): return (torch.ones(300, 300) @ torch.ones(300, 300)).sum() + x.sum()
"""
    folder = box.stage({"scheduler.py": code})
    for _ in range(50):
        student = Student(box, folder, rubric.limits)
        assert student.DDPMScheduler().step(np.zeros(1)) == 300**3
        student.close()


def test_two_live_processes_end_apart(rubric):
    """What one of them left behind does not outlive it, and the other goes on."""
    code = (
        ECHO
        + b"""
    def previous_timestep(self, n):
        if os.fork() == 0:
            if os.fork() == 0:
                import time
                time.sleep(600)
            os._exit(0)
        return n
"""
    )
    with Box(rubric.limits, Layers()) as box:
        folder = box.stage({"scheduler.py": code.replace(b"class DDIMScheduler(DDPMScheduler): pass", b"")})
        one, other = Student(box, folder, rubric.limits), Student(box, folder, rubric.limits)
        before = descendants(box.parent.process.pid)
        schedulers = one.DDPMScheduler(), other.DDPMScheduler()
        assert schedulers[0].previous_timestep(3) == 3
        pid = schedulers[1].step(1)
        one.close()
        assert descendants(box.parent.process.pid) == [*before, pid]
        assert schedulers[1].step(1) == pid
        other.close()
        assert descendants(box.parent.process.pid) == before


def test_the_spawn_path_gives_the_same_and_leaves_nothing(rubric):
    before = descendants(os.getpid())
    with Box(rubric.limits, start="spawn") as box:
        student = Student(box, box.stage({"scheduler.py": ECHO}), rubric.limits)
        x = np.arange(6.0).reshape(2, 3)
        assert np.array_equal(student.DDPMScheduler().add_noise(x), x)
        assert descendants(os.getpid()) > before
        student.close()
        assert descendants(os.getpid()) == before


@pytest.mark.skipif(sys.platform == "win32", reason="needs sessions")
def test_where_there_is_no_proc_all_that_was_started_is_found_and_ends(monkeypatch, tmp_path):
    """Also what began a session of its own, which no signal to the group reaches."""
    pytest.importorskip("psutil")
    sleeps = "[sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True"
    code = f"import subprocess, sys; child = subprocess.Popen({sleeps}); print(child.pid, flush=True); child.wait()"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    with child.stdout as said:
        grandchild = int(said.readline())
    monkeypatch.setattr(launch, "PROC", tmp_path)
    assert descendants(child.pid) == [grandchild]
    assert launch.kill(child)["status"] == -signal.SIGKILL and not launch.alive(grandchild)
    assert descendants(child.pid) == []


def large_pages(pid):
    """MB of a process's memory in large pages, and in all."""
    found = dict(line.split(":") for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return [int(found[name].split()[0]) >> 10 for name in ("AnonHugePages", "Anonymous")]


def test_a_parent_that_starts_many_has_its_memory_in_large_pages(rubric):
    """So that a fork has a hundred times fewer entries to copy; the processes before and after it work alike."""
    has_them = Path("/sys/kernel/mm/transparent_hugepage").exists()
    if not has_them or tuple(map(int, os.uname().release.split(".")[:2])) < (6, 1):
        pytest.skip("needs large pages, and Linux 6.1 to be asked for them")
    with Box(rubric.limits) as box:
        if not box.parent:
            pytest.skip("processes are not forked here")
        student = Student(box, box.stage({"scheduler.py": ECHO}), rubric.limits)
        pages = []
        for _ in range(MANY + 1):
            student.close()
            assert np.array_equal(student.DDPMScheduler().add_noise(np.ones(3)), np.ones(3))
            parent = [box.parent.process.pid, *descendants(box.parent.process.pid)][-2]  # the last one is its fork
            pages.append(large_pages(parent))
        student.close()
    before, (large, in_all) = pages[0], pages[-1]
    assert large > in_all / 2 and large > 4 * before[0]


def test_a_parent_that_died_is_our_fault(rubric):
    with Box(rubric.limits) as box:
        folder = box.stage({"scheduler.py": ECHO})
        Student(box, folder, rubric.limits).load()
        for pid in (box.parent.process.pid, *descendants(box.parent.process.pid)):
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(BoxError, match="parent"):
            Student(box, folder, rubric.limits).load()


def test_when_the_grader_dies_everything_ends(tmp_path):
    """A grader killed with SIGKILL leaves no parent and no boxed process."""
    script = f"""
import json, time
from autograder.box import Box
from autograder.box.gpu import NO_GPU
from autograder.box.launch import descendants
from autograder.box.gpu import NO_GPU
from autograder.box.launch import descendants
from autograder.student import Student
from autograder.rubric import Rubric
limits = Rubric.load().limits
box = Box(limits)
Student(box, box.stage({{"scheduler.py": {ECHO!r}}}), limits).load()
print(json.dumps([box.parent.process.pid, *descendants(box.parent.process.pid)]), flush=True)
time.sleep(600)
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    grader = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment)
    pids = json.loads(grader.stdout.readline())
    assert len(pids) >= 2
    grader.send_signal(signal.SIGKILL)
    grader.wait()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_the_worker_does_with_the_errors_of_older_torch():
    """FakeTensorDeviceMismatchError came after torch 2.6, which the kit promises to run on."""
    code = (
        "import sys, torch._subclasses.fake_tensor as fake; vars(fake).pop('FakeTensorDeviceMismatchError', 0);"
        f"sys.path.insert(0, {str(PACKAGE / 'box' / 'inside')!r}); import worker"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
