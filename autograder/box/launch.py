"""How a boxed process comes into being: forked from a warm parent, or spawned as a fresh interpreter.

Both launchers take (arguments, output, noted) and return (requests, replies, kill, resident, written, locate): the two
ends of the channel, replies unbuffered; a function that kills the process with all it started and returns the facts
about it; one that says how many bytes of memory it takes now, or None where its address space is limited anyway; one
that says how many bytes it wrote to disk (disk.written); and one that finds its process id as this process sees it,
once it is ready, or None.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..language import _
from .clock import PROC, psutil
from .gpu import NO_GPU
from .inside import disk
from .layers import as_user

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .gpu import Access

    Launched = tuple[
        IO[bytes],
        IO[bytes],
        Callable[[], dict[str, Any]],
        Callable[[], int | None],
        Callable[[], int],
        Callable[[], int | None],
    ]

HERE = Path(__file__).parent / "inside"
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    # One thread: a parent that has started a thread pool cannot be forked safely.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
KILL_SECONDS = 10  # a process that waits for a device cannot die before the device answers, which it may never do


class BoxError(Exception):
    """The box itself failed: a fault of ours or of this host, never the student's."""


class Parent:
    """The warm parent process (parent.py), which forks boxed processes.

    prefix  command line put before it: bubblewrap, or nothing
    user    whom to run it as, or None for the present user
    """

    def __init__(self, prefix: Sequence[str | Path] = (), user: int | None = None) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.lock = threading.Lock()
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-I", HERE / "parent.py", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=ENVIRONMENT | NO_GPU,  # a process that has found a GPU cannot be forked
            cwd="/",
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C at a terminal is for the grader, which then ends it
            **as_user(user),
        )
        theirs.close()
        self.ready = False

    def launch(self, arguments: dict[str, Any], output: IO[bytes], noted: IO[bytes]) -> Launched:
        (their_requests, requests), (replies, their_replies) = os.pipe(), os.pipe()
        descriptors = [their_requests, their_replies, output.fileno(), noted.fileno()]
        try:
            pid = self.ask({"start": arguments}, descriptors)["pid"]
        except BoxError:
            os.close(requests)
            os.close(replies)
            raise
        finally:
            os.close(their_requests)
            os.close(their_replies)
        return (
            open(requests, "wb"),
            open(replies, "rb", 0),
            lambda: self.ask({"stop": pid}),
            lambda: None,
            lambda: self.written(pid),
            lambda: pid_here(self.process.pid, pid),
        )

    def written(self, pid: int) -> int:
        try:
            return self.ask({"look": pid})["written"]
        except BoxError:  # the next question meets it, too
            return 0

    def ask(self, request: dict[str, Any], descriptors: Sequence[int] = ()) -> dict[str, Any]:
        with self.lock:
            try:
                if not self.ready:  # the first message says that torch is imported
                    self.ready = bool(self.control.recv(1 << 16))
                socket.send_fds(self.control, [json.dumps(request).encode()], descriptors)
                reply = self.control.recv(1 << 16)
            except OSError as error:
                raise BoxError(_("the box's parent process is gone ({error})", error=error)) from None
        if not reply:
            raise BoxError(_("the box's parent process is gone; can this Python import torch?"))
        return json.loads(reply)

    def close(self) -> None:
        self.control.close()
        try:
            self.process.wait(2 * KILL_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Spawner:
    """Starts worker.py as a fresh interpreter: slower by the import of torch, and safe where fork is not.

    prefix, user  as for the Parent
    near          for a process that is let near the GPU
    """

    def __init__(self, prefix: Sequence[str | Path] = (), user: int | None = None, near: Access | None = None) -> None:
        self.prefix, self.user, self.near = prefix, user, near

    def launch(self, arguments: dict[str, Any], output: IO[bytes], noted: IO[bytes]) -> Launched:
        confined = sys.platform == "linux"
        if confined:
            arguments = {**arguments, "noted": noted.fileno()}
        environment = ENVIRONMENT | (self.near.environment if self.near else NO_GPU)
        child: subprocess.Popen[bytes] = subprocess.Popen(
            [*self.prefix, sys.executable, "-I", HERE / "worker.py", json.dumps(arguments)],
            env={**environment, **{key: os.environ[key] for key in ("SYSTEMROOT",) if key in os.environ}},
            pass_fds=[noted.fileno()] if confined else [],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
            **as_user(self.user, self.near.groups if self.near else ()),
        )
        assert child.stdin is not None and child.stdout is not None
        return (
            io.BufferedWriter(child.stdin),
            child.stdout,
            lambda: kill(child),
            lambda: resident(child.pid),
            lambda: sum(map(disk.written, (child.pid, *descendants(child.pid)))),
            lambda: [child.pid, *descendants(child.pid)][-1],  # bubblewrap's come before it
        )


def kill(child: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Kill a spawned process and what it started, and reap it. Returns the facts about it: of one that does not die
    in time, that it is stuck."""
    until = time.monotonic() + KILL_SECONDS
    doomed = [child.pid, *descendants(child.pid)]
    with contextlib.suppress(ProcessLookupError, AttributeError):  # Windows has no groups to kill
        os.killpg(child.pid, 9)
    for pid in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)
    if not hasattr(os, "wait4"):
        return {"status": child.wait(), "maxrss_kb": 0, "cpu_s": 0.0}
    reaped, status, usage = os.wait4(child.pid, os.WNOHANG)
    while not reaped and time.monotonic() < until:
        time.sleep(0.001)
        reaped, status, usage = os.wait4(child.pid, os.WNOHANG)
    if not reaped:
        return {"status": None, "maxrss_kb": 0, "cpu_s": 0.0, "stuck": True}
    child.returncode = os.waitstatus_to_exitcode(status)
    while any(map(alive, doomed)) and time.monotonic() < until:  # bubblewrap's inner processes end a moment after it
        time.sleep(0.001)
    cpu = round(usage.ru_utime + usage.ru_stime, 3)
    return {"status": child.returncode, "maxrss_kb": usage.ru_maxrss, "cpu_s": cpu}


def descendants(pid: int) -> list[int]:
    """All processes below one, each after its parent; none where neither /proc nor psutil tells."""
    found = []
    # psutil reads every process of the host each time: 1.6 ms where about 100 run, and this takes 0.16 ms.
    for children in (PROC / str(pid) / "task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, children.read_text().split()):
                found += [child, *descendants(child)]
    if psutil and not PROC.joinpath("self").exists():
        with contextlib.suppress(psutil.Error):
            found += [child.pid for child in psutil.Process(pid).children(recursive=True)]
    return found


def pid_here(root: int, pid: int) -> int | None:
    """The process id here of what calls itself `pid` somewhere below `root`: in bubblewrap, numbers are others."""
    for each in descendants(root):
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{each}/status").read_text()
            numbers = next((line for line in status.splitlines() if line.startswith("NSpid:")), f"NSpid: {each}")
            if int(numbers.split()[-1]) == pid:
                return each
    return None


def alive(pid: int) -> bool:
    """Whether a process other than our own child is still running."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def resident(pid: int) -> int | None:
    """Bytes of memory that a process and all below it take now; None where there is no /proc."""
    if not Path("/proc/self/statm").exists():
        return None
    pages = 0
    for each in (pid, *descendants(pid)):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{each}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
