"""The box: the only place where student code runs.

`Box` stages a submission's files and starts live processes for it; `Process` is one of them, with the watchdog that
ends it from outside when it breaks a limit. Neither knows what is asked or which answer is right: see student.py.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from . import wire

HERE = Path(__file__).parent
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    # One thread: a parent that has started a thread pool cannot be forked safely.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
TIER = "E"  # limits only; the stronger tiers are the issue "The box"


class BoxError(Exception):
    """The box itself failed: a fault of ours or of this host, never the student's."""


class Ended(Exception):
    """The boxed process is gone. `why` is timed_out, output or died; `facts` hold its exit status."""

    def __init__(self, why, facts):
        super().__init__(why)
        self.why, self.facts = why, facts


class Box:
    """Starts boxed processes. Reuse one for many submissions: its warm parent imports torch once.

    limits  the table [limits] of rubric.toml
    start   "fork" from the warm parent, or "spawn" a fresh interpreter each time; by default what this host can do
    """

    def __init__(self, limits, start=None):
        self.limits = limits
        self.start_method = start or ("fork" if sys.platform == "linux" else "spawn")
        self.spool = Path(tempfile.mkdtemp(prefix="ddpm-box-"))
        self.parent = Parent() if self.start_method == "fork" else None
        self.tasks = tasks_of_this_user()  # RLIMIT_NPROC counts what the user runs already
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.parent:
            self.parent.close()
        shutil.rmtree(self.spool, ignore_errors=True)

    def stage(self, files):
        """Write {name: bytes} to a fresh folder of the spool; returns its path."""
        self.count += 1
        folder = self.spool / f"{self.count:06d}"
        folder.mkdir()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return folder

    def discard(self, folder):
        """Delete a staged folder."""
        shutil.rmtree(folder, ignore_errors=True)

    def start(self, folder, gpu=False):
        """A fresh boxed process over the files in `folder`; one that may use the GPU is never forked."""
        self.count += 1
        run = self.spool / f"{self.count:06d}-run"
        (run / "scratch").mkdir(parents=True)
        limits = {
            # CUDA reserves far more addresses than it uses.
            "memory_bytes": 1 << 50 if gpu else self.limits["memory_mb"] << 20,
            "cpu_seconds": self.limits["cpu_seconds"],
            "file_bytes": self.limits["file_mb"] << 20,
            "open_files": self.limits["open_files"],
            "processes": self.tasks + self.limits["processes"],
        }
        arguments = {"folder": str(folder), "scratch": str(run / "scratch"), "limits": limits}
        with open(run / "output", "wb") as output:
            launch = self.parent.launch if self.parent and not gpu else spawn
            requests, replies, kill = launch(arguments, output)
        return Process(requests, replies, run, kill, self.limits["output_kb"] << 10)


class Parent:
    """The warm parent process (parent.py), which forks boxed processes."""

    def __init__(self):
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.lock = threading.Lock()
        command = [sys.executable, "-I", HERE / "parent.py", str(theirs.fileno())]
        self.process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], env=ENVIRONMENT, cwd="/", stdin=subprocess.DEVNULL
        )
        theirs.close()
        self.ready = False

    def launch(self, arguments, output):
        (their_requests, requests), (replies, their_replies) = os.pipe(), os.pipe()
        descriptors = [their_requests, their_replies, output.fileno()]
        pid = self.ask({"start": arguments}, descriptors)["pid"]
        os.close(their_requests)
        os.close(their_replies)
        return open(requests, "wb"), open(replies, "rb"), lambda: self.ask({"stop": pid})

    def ask(self, request, descriptors=()):
        with self.lock:
            try:
                if not self.ready:  # the first message says that torch is imported
                    self.ready = bool(self.control.recv(1 << 16))
                socket.send_fds(self.control, [json.dumps(request).encode()], descriptors)
                reply = self.control.recv(1 << 16)
            except OSError as error:
                raise BoxError(f"the box's parent process is gone ({error})") from None
        if not reply:
            raise BoxError("the box's parent process is gone; can this Python import torch?")
        return json.loads(reply)

    def close(self):
        self.control.close()
        self.process.wait()


def spawn(arguments, output):
    """Start worker.py as a fresh interpreter: slower by the import of torch, and safe where fork is not."""
    command = [sys.executable, "-I", HERE / "worker.py", json.dumps(arguments)]
    child = subprocess.Popen(
        command,
        env={**ENVIRONMENT, **{key: os.environ[key] for key in ("SYSTEMROOT",) if key in os.environ}},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=output,
        start_new_session=True,
    )

    def kill():
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, 9)
        child.kill()
        return {"status": child.wait(), "maxrss_kb": 0, "cpu_s": 0.0}

    return child.stdin, child.stdout, kill


class Process:
    """One live boxed process. `ask` is the only way in; `end` kills it with all it started."""

    def __init__(self, requests, replies, run, kill, output_limit):
        self.requests, self.replies, self.run, self.kill = requests, replies, run, kill
        self.output, self.output_limit = open(run / "output", "rb"), output_limit
        self.deadline = None
        self.why = self.facts = None
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.watchdog = threading.Thread(target=self.watch, daemon=True)
        self.watchdog.start()

    def ask(self, request, *arguments, seconds, limit=64 << 20):
        """Send one request and wait for its reply at most `seconds`. Raises Ended, or WireError for nonsense."""
        self.deadline = time.monotonic() + seconds
        try:
            wire.send(self.requests, (request, arguments))
            reply = wire.receive(self.replies, limit)
        except (EOFError, OSError):
            self.end("died")
            raise Ended(self.why, self.facts) from None
        finally:
            self.deadline = None
        if self.flooded():  # faster than the watchdog looks, and to be charged to this call
            self.end("output")
            raise Ended(self.why, self.facts)
        return reply

    def watch(self):
        while not self.ended.wait(0.05):
            deadline = self.deadline
            if deadline and time.monotonic() > deadline:
                self.end("timed_out")
            elif self.flooded():
                self.end("output")

    def flooded(self):
        """Whether more was printed since the last look than may be."""
        return os.fstat(self.output.fileno()).st_size - self.output.tell() > self.output_limit

    def printed(self, limit=2000):
        """What was printed since the last call, at most `limit` characters, control characters left out."""
        data = self.output.read(4 * limit)
        self.output.seek(0, os.SEEK_END)
        text = "".join(c for c in data.decode("utf-8", "replace") if c.isprintable() or c in "\n\t")
        return text if len(text) <= limit else text[:limit] + " [cut]"

    def end(self, why="closed"):
        """Kill the process and all it started; the first reason given stands."""
        with self.lock:
            if self.ended.is_set():
                return
            self.why = why
            try:
                self.facts = self.kill()
            finally:
                self.ended.set()

    def close(self):
        self.end()
        self.watchdog.join()  # it looks at the output, which is closed next
        for stream in (self.requests, self.replies, self.output):
            with contextlib.suppress(OSError):  # unsent bytes of a process that died first
                stream.close()
        shutil.rmtree(self.run, ignore_errors=True)


def tasks_of_this_user():
    """How many threads this user has on this machine; 0 where there is no /proc."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid == os.getuid():
                count += len(os.listdir(process / "task"))
        except OSError:  # it ended while we looked
            pass
    return count
