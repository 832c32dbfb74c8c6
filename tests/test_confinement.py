"""Confinement: ordinary code works inside of the box, what is forbidden does not, and staff hear of it."""

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.box import Box, BoxError, Layers, host, layers
from autograder.box.inside import landlock_rules, seccomp_rules
from autograder.box.launch import resident
from autograder.box.scratch import remove, usage
from autograder.box.selftest import NAMES, not_blocked
from autograder.grading import grade as grade_submission
from autograder.paths import ROOT, SECRETS
from autograder.record import UNGRADED, Failed
from autograder.student import Student

ORDINARY = {
    "attention": """
        q = torch.rand(2, 4, 8, 16)
        return torch.nn.functional.scaled_dot_product_attention(q, q, q).sum()""",
    "modules and autograd": """
        net = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.GroupNorm(2, 8), torch.nn.SiLU())
        net(torch.rand(2, 1, 8, 8)).sum().backward()
        torch.optim.AdamW(net.parameters()).step()
        return sum(p.grad.norm() for p in net.parameters())""",
    "jit.script": """
        return torch.jit.trace(lambda x: (x * 2).sum(), torch.ones(3))(torch.ones(3))""",
    "torch.compile, backend eager": """
        return torch.compile(lambda x: (x.sin() + 1).sum(), backend="eager")(torch.ones(3))""",
    "threads": """
        import threading
        torch.set_num_threads(2)
        found = []
        def work():
            found.append(torch.rand(99, 99) @ torch.rand(99, 99))
        workers = [threading.Thread(target=work) for _ in range(4)]
        [worker.start() for worker in workers], [worker.join() for worker in workers]
        return torch.tensor(len(found))""",
    "a pool of threads": """
        from concurrent.futures import ThreadPoolExecutor
        return torch.tensor(list(ThreadPoolExecutor(4).map(lambda n: n * n, range(4)))).sum()""",
    "save and load": """
        torch.save({"w": torch.ones(3)}, "w.pt")
        return torch.load("w.pt", mmap=True)["w"].sum() + torch.load("w.pt")["w"].sum()""",
    "safetensors": """
        from safetensors.torch import load_file, save_file
        save_file({"w": torch.ones(3)}, "w.safetensors")
        return load_file("w.safetensors")["w"].sum()""",
    "temporary files": """
        import tempfile
        with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"abc"), file.flush()
            return torch.tensor(len(open(file.name, "rb").read()))""",
    "own files": """
        import os, pathlib
        os.makedirs("a/b"), pathlib.Path("a/b/c").write_text("abc"), os.rename("a/b/c", "a/b/d"), os.listdir("a")
        return torch.tensor(len(open(__file__).read()))""",
    "numpy": """
        import numpy as np
        np.save("x.npy", np.linalg.svd(np.eye(50))[1]), np.fft.fft(np.ones(8)), np.random.default_rng(0).normal()
        return torch.from_numpy(np.load("x.npy")).sum()""",
    "asyncio": """
        import asyncio
        async def work():
            await asyncio.sleep(0.001)
            return await asyncio.to_thread(lambda: 3)
        return torch.tensor(asyncio.run(work()))""",
    "bfloat16": """
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return (torch.rand(8, 8) @ torch.rand(8, 8)).sum()""",
    "a data loader": """
        data = torch.utils.data.TensorDataset(torch.ones(10, 1))
        return sum(batch.sum() for batch, in torch.utils.data.DataLoader(data, batch_size=2, shuffle=True))""",
    "pictures": """
        from PIL import Image
        from torchvision.utils import make_grid, save_image
        save_image(make_grid(torch.rand(4, 1, 8, 8)), "grid.png")
        return torch.tensor(Image.open("grid.png").size)""",
    "subprocess-free platform questions": """
        import datetime, getpass, locale, os, platform, uuid
        getpass.getuser(), platform.machine(), os.cpu_count(), datetime.datetime.now().astimezone(), uuid.uuid4()
        return torch.tensor(len(os.sched_getaffinity(0)))""",
}


@pytest.fixture(scope="module")
def strong(box):
    if box.tier == "E":
        pytest.skip("this host confines nothing")
    return box


def student_of(box, rubric, body, **limits):
    code = f"import torch\nclass DDPMScheduler:\n    def step(self, x):{body}\n"
    return Student(box, box.stage({"scheduler.py": code.encode()}), rubric.limits | limits)


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_code_works_inside(name, box, rubric):
    student = student_of(box, rubric, ORDINARY[name], call_seconds=20)
    assert np.isfinite(student.DDPMScheduler().step(np.ones(1))).all()
    student.close()


def test_nothing_of_a_right_submission_is_denied(strong, grade):
    runs = grade(ROOT / "solution").runs
    assert len(runs) == 2  # public cases, hidden cases
    assert not any("denied" in run for run in runs)


def test_staff_hear_what_was_denied_and_what_each_process_took(strong, grade):
    body = """
import os, socket, torch
for attempt in (os.fork, lambda: open("/etc/passwd"), lambda: socket.socket(), lambda: os.listdir("/")):
    try:
        attempt()
    except OSError:
        pass
kept = torch.ones(50_000_000)
os._exit(7)
"""
    record = grade(body)
    facts = record.checks[0].facts
    assert facts["ended"] == "died" and facts["status"] == 7
    assert facts["maxrss_kb"] > 200_000 and 0 < facts["cpu_s"] < 60 and 0 < facts["wall_s"] < 60
    assert facts["denied"] == ["fork", "open '/etc/passwd'", "socket", "list '/'"]
    assert record.runs == [facts]
    assert not any("/etc/passwd" in check.output for check in record.checks)


def test_a_denied_thing_is_told_in_one_line(strong, rubric):
    student = student_of(strong, rubric, "\n        import os\n        os.fork()")
    with pytest.raises(Failed) as caught:
        student.DDPMScheduler().step(np.ones(1))
    student.close()
    assert caught.value.verdict == "crashed"
    assert "PermissionError" in str(caught.value) and "there is no network, no other process" in str(caught.value)


# ----- tiers -----


def test_the_self_test_finds_everything_where_nothing_is_confined(rubric):
    with Box(rubric.limits, Layers()) as box:
        assert box.tier == "E" and box.not_blocked == list(NAMES.values())


@pytest.fixture
def readable():
    """A folder that a spare user may look into, too, where there is one; pytest's own are root's alone."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="layers of Linux")
@pytest.mark.parametrize("missing", ["landlock", "seccomp"])
def test_without_a_layer_the_self_test_names_what_works_and_the_tier_is_lower(strong, rubric, missing, readable):
    secret = readable / "seed"
    secret.write_text("secret", encoding="utf-8")
    weaker = replace(strong.layers, bubblewrap="", **{missing: 0})
    with Box(rubric.limits, weaker, secrets=[secret]) as box:
        assert box.tier == "E"
        sign = {
            "landlock": "read the reference, the seed or the recorded expectations",
            "seccomp": "start a process",
        }[missing]
        assert sign in box.not_blocked
        assert set(box.not_blocked) < set(NAMES.values())


def test_the_strongest_box_of_this_host_holds_for_the_kits_own_secrets(strong, rubric):
    with host.strongest(rubric.limits, SECRETS) as box:
        assert box.not_blocked == [] and box.tier == strong.tier


def test_a_layer_that_fails_the_self_test_is_left_out(strong, rubric, monkeypatch):
    """A bwrap that hides nothing, or that nothing starts in, is not used; the rest still makes tier B."""
    if not strong.layers.bubblewrap:
        pytest.skip("needs bubblewrap")
    broken = replace(strong.layers, bubblewrap="/bin/false")
    monkeypatch.setattr(Layers, "of_this_host", classmethod(lambda cls: broken))
    with host.strongest(rubric.limits) as box:
        assert box.tier == "B" and "fails the self-test" in box.layers.missing["bubblewrap"]


def test_missing_packages_lower_the_tier_and_are_named(monkeypatch):
    monkeypatch.setattr(landlock_rules, "landlockpy", None)
    monkeypatch.setattr(seccomp_rules, "pyseccomp", None)
    monkeypatch.setattr(seccomp_rules, "PROBLEM", "it cannot be loaded (gone)", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    found = Layers.of_this_host()
    assert found.tier == "E"
    assert "apt-get install bubblewrap" in found.missing["bubblewrap"]
    assert "pip install landlockpy" in found.missing["Landlock"]
    assert "pip install pyseccomp" in found.missing["seccomp"]


def test_a_kernel_without_landlock_is_named(monkeypatch):
    monkeypatch.setattr(landlock_rules, "version", lambda: 0)
    missing = {}
    assert layers.landlock(missing) == 0 and "Linux 5.13" in missing["Landlock"]


def test_other_systems_are_told_what_to_use(monkeypatch):
    monkeypatch.setattr(layers.sys, "platform", "darwin")
    found = Layers.of_this_host()
    assert found.tier == "E" and "container" in found.missing["Linux"]


def test_the_doctor_explains(strong, rubric):
    text = "\n".join(host.doctor(strong, "B"))
    assert f"tier {strong.tier} here" in text and f"{len(NAMES)} forbidden things were tried" in text
    assert "allowed here" in text and "the student's time, without waiting for a processor" in text
    with Box(rubric.limits, Layers(missing={"bubblewrap": "why and how"})) as weak:
        text = "\n".join(host.doctor(weak, "B"))
    assert "tier E here" in text and "why and how" in text and "refused here" in text
    assert "read a file outside of the box" in text


# ----- the GPU's mode, as far as it can be tested without one -----


def test_a_long_name_of_the_temporary_folder_breaks_nothing(strong, monkeypatch, tmp_path):
    """A socket's address has room for about 100 bytes; the self-test's lay in that folder, whatever its name."""
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    assert not_blocked(strong) == []


def test_with_the_gpu_let_in_the_rest_stays_out(strong, rubric):
    """What CUDA needs (a file in memory) is open, and nothing more."""
    assert set(not_blocked(strong, gpu=True)) <= {"make a file in memory"}


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_with_a_gpu_memory_is_watched_from_outside(rubric, box):
    code = b"import torch\nclass DDPMScheduler:\n    def step(self, n): return torch.ones(int(n) << 18).sum()\n"
    process = box.start(box.stage({"scheduler.py": code}), gpu=True, memory_mb=600, torch_mb=600)
    process.ask("load", "scheduler", seconds=30)
    scheduler = process.ask("new", "DDPMScheduler", {}, seconds=5)[1]
    assert process.ask("call", scheduler, "step", (100,), {}, seconds=20)[0] == "ok"
    assert resident(os.getpid()) > 0
    with pytest.raises(Exception, match="memory"):
        process.ask("call", scheduler, "step", (8000,), {}, seconds=60)
    process.close()
    assert process.why == "memory"


# ----- faults of ours -----


def test_a_box_that_cannot_confine_is_our_fault(strong, rubric, public, monkeypatch):
    assert strong.tier
    monkeypatch.setattr(Box, "kernel_limits", lambda self, limits, gpu: {"CPU": "no number"})
    with pytest.raises(BoxError, match="could not be started"):
        strong.start(strong.stage({}))
    record = grade_submission(ROOT / "solution", strong, rubric, public, only=("schedule",))
    assert {check.verdict for check in record.checks} == {UNGRADED}


def on_disk(monkeypatch, **changed):
    """Let the disk below the spool look like this from now on."""
    real = os.statvfs
    names = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail", "f_flag")

    def statvfs(path):
        found = real(path)
        return SimpleNamespace(**{name: getattr(found, name) for name in names} | changed)

    monkeypatch.setattr("autograder.box.os.statvfs", statvfs)


@pytest.mark.parametrize("full", [{"f_bavail": 0}, {"f_favail": 10, "f_files": 5000}])
def test_a_full_disk_is_our_fault(full, box, rubric, public, monkeypatch):
    student = student_of(box, rubric, "...")
    on_disk(monkeypatch, **full)
    with pytest.raises(BoxError, match="the disk is full: grading needs 16 MB and 600 files in"):
        student.load()
    with pytest.raises(BoxError, match="the disk is full"):
        grade_submission(ROOT / "solution", box, rubric, public, only=("schedule",))


def test_what_fails_while_the_disk_fills_up_is_ungraded(box, rubric, grade, monkeypatch):
    """Whatever the student's process says of it: it may have swallowed the error."""
    assert box.tier  # its self-test is done
    start = box.start

    def fills_up(*args, **kwargs):
        process = start(*args, **kwargs)
        on_disk(monkeypatch, f_bavail=0)
        return process

    monkeypatch.setattr(box, "start", fills_up)
    code = "class DDPMScheduler:\n    def __init__(self, **_): raise OSError(28, 'No space left on device')\n"
    record = grade(code, public_only=True, only=("schedule.linear",))
    assert record.checks[0].verdict == UNGRADED and "the disk is full" in record.checks[0].message


def test_a_student_who_says_that_the_disk_is_full_is_not_believed(grade):
    code = "class DDPMScheduler:\n    def __init__(self, **_): raise OSError(28, 'No space left on device')\n"
    assert grade(code, public_only=True, only=("schedule.linear",)).checks[0].verdict == "crashed"


def test_the_box_is_never_in_the_present_folder(rubric, tmp_path, monkeypatch):
    """Which is where Python goes when every temporary folder is full or closed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "gettempdir", os.getcwd)
    with pytest.raises(BoxError, match="no temporary folder to grade in"):
        Box(rubric.limits)
    assert not list(tmp_path.iterdir())


# ----- what is allowed of calls that are many -----


@given(st.sets(st.integers(0, 2**32 - 1), min_size=1, max_size=8), st.integers(0, 2**32 - 1), st.integers(0, 31))
def test_all_but_what_is_allowed_is_matched(allowed, number, bit):
    pairs = list(seccomp_rules.all_but(allowed))
    for each in (number, *allowed, *(one ^ 1 << bit for one in allowed)):
        assert any(each & mask == value for mask, value in pairs) == (each not in allowed)


# ----- threads -----


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_threads_of_others_are_not_counted(box, rubric):
    """Also 400 of the same user, which RLIMIT_NPROC would count."""
    user = {} if box.layers.user is None else {"user": box.layers.user}
    code = (
        "import threading, time\nfor _ in range(400): threading.Thread(target=time.sleep, args=(60,)).start()\nprint()"
    )
    others = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, **user)
    try:
        others.stdout.readline()
        student = student_of(box, rubric, ORDINARY["threads"], call_seconds=20)
        assert student.DDPMScheduler().step(np.ones(1)) == 4
        student.close()
    finally:
        others.kill()
        others.wait()


# ----- scratch -----


def test_room_behind_the_end_of_the_output_counts(box, rubric):
    """Where the system call is not denied: 20 MB that no size shows."""
    process = box.start(box.stage({}))
    output = process.run / "output"
    assert not process.flooded()
    subprocess.run(["fallocate", "--keep-size", "--length", "20M", output], check=True)
    assert output.stat().st_size == 0 and process.flooded()
    process.close()


def test_what_cannot_be_looked_into_counts_as_too_much(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "file").write_bytes(b"x" * 10_000)
    entries, size = usage(tmp_path, 100)
    assert entries == 3 and 10_000 <= size < 100_000
    deep = tmp_path / "a"
    here = os.getcwd()
    try:
        os.chdir(deep)
        for _ in range(30):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
    finally:
        os.chdir(here)
    assert usage(tmp_path, 100)[0] > 100
    remove(tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_links_are_neither_followed_nor_spared(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_bytes(b"x" * 10_000)
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "link").symlink_to(tmp_path / "kept")
    assert usage(tmp_path / "scratch", 100)[0] == 1
    remove(tmp_path / "scratch")
    assert (tmp_path / "kept" / "file").exists() and not (tmp_path / "scratch").exists()
