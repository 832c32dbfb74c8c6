"""The student's time: how long a boxed process worked or slept, without the time that the machine made it wait.

Linux counts for each thread how long it ran, and how long it was ready to run and waited for a processor
(/proc/PID/task/TID/schedstat). The wall time less this waiting is the same on a busy host as on a quiet one, and a
process that sleeps or hangs is still seen. A process with many threads waits for itself, which must not count: see
`charge`. Where nobody counts the waiting, the student's time is the processor time, and only the wall bound sees sleep.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

try:
    import psutil  # where there is no /proc
except ImportError:
    psutil = None

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROC = Path("/proc")
HAS_PROC = PROC.joinpath("self").exists()


def charge(wall: float, ready: Sequence[float], worked: float, ours: float) -> float:
    """The student's seconds of a stretch of time, from 0 to `wall`.

    wall    its length
    ready   how long each thread ran or waited for a processor
    worked  processor time of all threads together, also of those that have ended
    ours    how long the grader's own thread waited for a processor, while it had to send or to read

    The thread that was ready longest had to wait for `ready - worked` at least because of others; the rest of its
    waiting was behind threads of its own process. So threads that keep each other waiting gain nothing on a quiet host.
    """
    waited = max(0.0, max(ready, default=0.0) - worked)
    return min(wall, max(wall - waited - ours, worked))


class Clock:
    """Measures one question to a boxed process at a time, from `start` on.

    pid  of the boxed process; where it is not known, all time counts as waiting, and only the wall bound of the caller
         is left
    """

    def __init__(self, pid: int | None) -> None:
        self.pid, self.tasks = pid, f"{PROC}/{pid}/task"
        self.lock = threading.Lock()
        self.counts_waiting = pid is not None and counts_waiting(pid)
        self.start()

    def start(self) -> None:
        """The present thread asks a question now."""
        with self.lock:
            self.began = time.monotonic()
            self.asking = threading.get_native_id()
            self.worked = self.seen = processor_seconds(self.pid)
            self.theirs = self.ours = None

    def threads(self) -> int:
        """How many threads the process has now; 0 where it has ended or cannot be told."""
        try:
            return os.stat(self.tasks).st_nlink - 2
        except OSError:
            return 0

    def read(self, watching: bool = False) -> tuple[float, float]:
        """(the student's seconds since `start`, the wall time less the grader's own waiting). From any thread.

        watching  whether to look at the threads from now on. Most questions take a millisecond, and a look takes as
                  long; so the watchdog's first look begins it, and until then processor time is the student's time
        """
        with self.lock:
            wall = time.monotonic() - self.began
            self.seen = max(self.seen, processor_seconds(self.pid))  # 0 once it has ended
            worked = self.seen - self.worked
            if not self.counts_waiting:
                return min(wall, worked), wall
            if self.theirs is None:
                if watching:
                    assert self.pid is not None  # its waiting is counted
                    self.first = wall, worked
                    self.theirs, self.ours = Threads(self.pid), Threads("self", self.asking)
                return min(wall, worked), wall
            assert self.ours is not None  # as `theirs`
            unseen, before = self.first
            ours = sum(self.ours.waited())
            charged = charge(wall - unseen, self.theirs.ready(), worked - before, ours)
            return min(unseen, before) + charged, wall - ours


class Threads:
    """The threads of a process, or one of them: how long each was ready to run since this object was made."""

    def __init__(self, pid: int | str, only: int | None = None) -> None:
        self.folder, self.only = PROC / str(pid) / "task", only
        self.first = {tid: (run, waited) for tid, run, waited, _ in self.look()}
        self.now = {}  # {tid: (run, waited)} since then, also of threads that have ended
        self.queued = {}  # {tid: (run, waited, since when)} of those that wait just now, which is not counted yet

    def look(self) -> Iterator[tuple[str, float, float, bool]]:
        """(tid, seconds it ran, seconds it waited, whether it is ready to run now) of each thread."""
        try:
            tids = [str(self.only)] if self.only else [entry.name for entry in self.folder.iterdir()]
        except OSError:  # it has ended
            return
        for tid in tids:
            try:
                run, waited, *_ = (self.folder / tid / "schedstat").read_text().split()
                state = (self.folder / tid / "stat").read_text().rpartition(")")[2].split()[0]
            except (OSError, ValueError):
                continue
            yield tid, int(run) / 1e9, int(waited) / 1e9, state == "R"

    def update(self) -> None:
        now, queued = time.monotonic(), {}
        for tid, run, waited, is_ready in self.look():
            first = self.first.get(tid, (0.0, 0.0))
            since = now
            if is_ready:
                # Ready at two looks, and not a moment of running between them: it has been waiting all the time.
                last = self.queued.get(tid)
                since = last[2] if last and last[:2] == (run, waited) else now
                queued[tid] = (run, waited, since)
            self.now[tid] = (run - first[0], waited - first[1] + now - since)
        self.queued = queued

    def ready(self) -> list[float]:
        self.update()
        return [run + waited for run, waited in self.now.values()]

    def waited(self) -> list[float]:
        self.update()
        return [waited for _, waited in self.now.values()]


def counts_waiting(pid: int | str) -> bool:
    """Whether this kernel counts how long threads wait: one that does not shows zeros, or nothing."""
    return any(run for _, run, _, _ in Threads(pid).look())


def processor_seconds(pid: int | None) -> float:
    """Processor time of a process, all its threads together; 0 where it has ended or cannot be told."""
    if pid is None:
        return 0.0
    if HAS_PROC:
        with contextlib.suppress(OSError):
            return time.clock_gettime(~pid << 3 | 2)  # its CPUCLOCK_SCHED, as clock_getcpuclockid(3) makes it
    elif psutil:
        with contextlib.suppress(psutil.Error):
            # On Windows, Python itself is below the python.exe of a virtual environment.
            family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
            return sum(sum(process.cpu_times()[:2]) for process in family)
    return 0.0
