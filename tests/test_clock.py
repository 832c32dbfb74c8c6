"""Limits measure the student's time: a busy host takes no points, and sleep, loops and threads are still stopped."""

import os
import random
import subprocess
import sys
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.box import BoxError, clock
from autograder.box.clock import Clock, charge
from autograder.record import BLOCKED, TIMED_OUT, UNGRADED, Failed
from autograder.student import Student

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
CPU = max(os.sched_getaffinity(0)) if sys.platform == "linux" else 0
SPIN = "while True: pass"
# step(n, what): n seconds of work, or of what else is asked for, on the one busy processor.
CODE = f"""
import os, threading, time, zlib
if {CPU}: os.sched_setaffinity(0, {{{CPU}}})
data = os.urandom(1 << 20)
def work(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end: zlib.compress(data)
class DDPMScheduler:
    def step(self, seconds): work(seconds)
    def add_noise(self, seconds): time.sleep(seconds)
    def predict(self, seconds):
        worker = threading.Thread(target=work, args=(seconds,))
        worker.start(), worker.join()
    def get_velocity(self, seconds):
        for _ in range(40): threading.Thread(target=work, args=(seconds,), daemon=True).start()
        threading.Event().wait()
    def posterior(self):
        def short():
            while True:
                thread = threading.Thread(target=work, args=(0.02,))
                thread.start(), thread.join()
        for _ in range(10): threading.Thread(target=short, daemon=True).start()
        work(99)
""".encode()


@pytest.fixture
def busy():
    """Four other programs keep one processor busy."""
    with ExitStack() as stack:
        for _ in range(4):
            pin = f"import os; os.sched_setaffinity(0, {{{CPU}}})\n"
            # Each in a session of its own: some kernels share a processor among sessions.
            other = subprocess.Popen([sys.executable, "-c", pin + SPIN], start_new_session=True)
            stack.callback(other.wait)
            stack.callback(other.kill)
        yield


@pytest.fixture
def scheduler(box, rubric):
    """scheduler(**limits): its calls are those of CODE."""
    with ExitStack() as stack:

        def make(**limits):
            student = Student(box, box.stage({"scheduler.py": CODE}), rubric.limits | limits)
            stack.callback(student.close)
            return student.DDPMScheduler()

        yield make


@linux
def test_waiting_for_a_processor_is_not_charged(scheduler, busy):
    """Each call takes two seconds of wall time beside four others, in whatever thread the work is done."""
    made = scheduler(call_seconds=1)
    made.step(0.4)
    made.predict(0.4)


@linux
@pytest.mark.parametrize(("name", "arguments"), [("add_noise", (9,)), ("step", (9,)), ("get_velocity", (9,))])
def test_sleep_and_loops_are_stopped_also_on_a_busy_host(name, arguments, scheduler, busy):
    with pytest.raises(Failed, match=r"did not return within 0\.7 s") as caught:
        getattr(scheduler(call_seconds=0.7), name)(*arguments)
    assert caught.value.verdict == TIMED_OUT


@linux
@pytest.mark.parametrize(("name", "arguments"), [("get_velocity", (99,)), ("posterior", ())])
def test_threads_that_keep_each_other_waiting_gain_nothing(name, arguments, scheduler):
    """All of them on one processor: threads that live long, and one behind many that live shortly."""
    made = scheduler(call_seconds=1, wall_factor=1000)
    with pytest.raises(Failed, match="did not return within 1 s"):
        getattr(made, name)(*arguments)


@linux
def test_what_only_the_wall_stops_is_ungraded(grade, scheduler, busy):
    with pytest.raises(BoxError, match=r"too busy: step\(\.\.\.\) only waited"):
        scheduler(call_seconds=1, wall_factor=1).step(0.7)
    slow = "class DDPMScheduler:\n    def __init__(self, **_): work(0.7)\n"
    code = CODE.decode().partition("class")[0] + slow
    record = grade(code, only=("schedule.linear",), public_only=True, call_seconds=1, wall_factor=1)
    assert [check.verdict for check in record.checks] == [UNGRADED]
    assert "too busy" in record.checks[0].message and "not your fault" in record.checks[0].message


def test_a_fault_of_the_host_is_tried_again_once(grade, box, monkeypatch):
    assert box.tier  # its self-test is done
    start, faults = box.start, [OSError(28, "No space left on device"), BoxError("it did not start")]

    def failing(*args, **kwargs):
        if faults:
            raise faults.pop()
        return start(*args, **kwargs)

    monkeypatch.setattr(box, "start", failing)
    code = "class DDPMScheduler: pass"
    first, second = grade(code, only=("schedule.linear", "schedule.cosine"), public_only=True).checks
    assert first.verdict == UNGRADED and "No space left" in first.message  # twice in a row
    assert second.verdict != UNGRADED
    faults.append(BoxError("it did not start"))
    assert grade(code, only=("schedule.linear",), public_only=True).checks[0].verdict != UNGRADED


def test_the_time_of_all_checks_is_the_students_too(grade):
    sleeps = "import time\nclass DDPMScheduler:\n    def __init__(self, **_): time.sleep(1)\n"
    record = grade(sleeps, exact_seconds=1.5)
    assert {check.verdict for check in record.checks} == {"crashed", TIMED_OUT, BLOCKED}
    assert any("took 1.5 s" in check.message for check in record.checks)


# ----- where the kernel does not count the waiting -----


@pytest.fixture(params=["no count", "no /proc"])
def elsewhere(request, monkeypatch, tmp_path):
    if request.param == "no /proc":
        pytest.importorskip("psutil")
        monkeypatch.setattr(clock, "PROC", tmp_path)
        monkeypatch.setattr(clock, "HAS_PROC", False)
    else:
        monkeypatch.setattr(clock, "counts_waiting", lambda pid: False)


def test_elsewhere_work_is_limited_by_processor_time_and_sleep_by_wall_time(elsewhere, scheduler):
    made = scheduler(call_seconds=1, wall_factor=3)
    made.step(0.3)
    made.add_noise(1.2)  # longer than one second, and idle
    with pytest.raises(Failed, match="did not return within 1 s"):
        made.step(9)
    with pytest.raises(Failed, match="did not return within 1 s"):
        scheduler(call_seconds=1, wall_factor=1.2).add_noise(9)


def test_without_any_clock_the_wall_is_left():
    nobody = Clock(None)
    assert not nobody.counts_waiting and nobody.read()[0] == 0 and nobody.read()[1] >= 0


# ----- the rule, on schedules that nobody made -----


def schedule(processors, threads, others, seed, share):
    """A host that runs 1,000 slices: what `charge` takes. Each thread is ready in `share` of the slices."""
    draw = random.Random(seed)
    ran, ready = [0] * threads, [0] * threads
    for _ in range(1000):
        wanting = [n for n in range(threads) if draw.random() < share]
        queue = [*wanting, *[None] * others]
        draw.shuffle(queue)
        for n in wanting:
            ready[n] += 1
        for n in queue[:processors]:
            if n is not None:
                ran[n] += 1
    return ready, sum(ran)


SCHEDULES = {"processors": st.integers(1, 4), "threads": st.integers(1, 8), "seed": st.integers(0, 999)}


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1), **SCHEDULES)
def test_on_a_quiet_host_the_students_time_is_the_wall_time(processors, threads, seed, share):
    ready, worked = schedule(processors, threads, 0, seed, share)
    assert charge(1000, ready, worked, 0) == 1000


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1), others=st.integers(0, 40), **SCHEDULES)
def test_the_students_time_is_never_less_than_its_work_nor_more_than_the_wall(processors, threads, seed, share, others):
    ready, worked = schedule(processors, threads, others, seed, share)
    charged = charge(1000, ready, worked, 0)
    assert min(worked, 1000) <= charged <= 1000
    if threads == 1:
        assert charged == 1000 - (ready[0] - worked)
