"""One live boxed process as its supervisor sees it: questions in, replies out, and a watchdog that ends it from outside
when it breaks a limit. It knows neither what is asked nor which answer is right: see student.py."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

try:
    import fcntl
    import termios
except ImportError:  # Windows
    termios = None

from ..language import _
from ..text import readable
from . import scratch
from .clock import Clock
from .inside import wire
from .launch import BoxError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from .launch import Launched

LOOK_EVERY = 0.05  # seconds
START_SECONDS = 60  # a spawned process imports torch, and perhaps from a cold disk; times wall_factor, as all limits
NOTED_BYTES = 8000  # of what was refused, this much is read


class Ended(Exception):
    """The boxed process is gone. `facts` say how it ended, and `why` is one word: timed_out for the student's time
    (clock.py), starved for the wall time of one that a busy host let wait, threads, output, scratch, memory or died.
    """

    def __init__(self, why: str, facts: dict[str, Any] | None) -> None:
        super().__init__(why)
        self.why, self.facts = why, facts


class Process:
    """`ask` is the only way in; `end` kills the process with all it started.

    run     its folder: scratch/, and the files output and noted
    limits  the table [limits] of rubric.toml
    """

    def __init__(self, launched: Launched, run: Path, limits: dict[str, Any]) -> None:
        self.requests, self.replies, self.kill, self.resident, self.written, locate = launched
        self.run, self.limits = run, limits
        self.output, self.noted = open(run / "output", "rb"), open(run / "noted", "rb")
        self.started = time.monotonic()
        # (the student's seconds, wall seconds) that the present question may take
        self.allowed: tuple[float, ...] | None = None
        self.took = (0.0, 0.0)  # the same of the last question
        self.why: str | None = None
        self.facts: dict[str, Any] | None = None
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.clock = Clock(None)
        self.watchdog = threading.Thread(target=self.watch, daemon=True)
        self.watchdog.start()
        self.expect_ready()
        self.clock = Clock(locate())

    def expect_ready(self) -> None:
        """Wait until the process has confined itself. What fails before that is no student's fault: BoxError."""
        try:
            with self.measured(math.inf, START_SECONDS * self.limits["wall_factor"]):
                ready = wire.receive(self.replies, limit=1000)
        except (EOFError, OSError, wire.WireError):
            ready = None
        if ready != "ready":
            said = self.printed().strip().splitlines()[-1:]
            self.close()
            told = f"{self.why}: {' '.join(said)}"
            raise BoxError(_("a boxed process could not be started ({why})", why=told))

    def ask(self, request: str, *arguments: Any, seconds: float, wall: float = math.inf, limit: int = 64 << 20) -> Any:
        """Send one request and wait for its reply at most `seconds` of the student's time, and `wall` seconds by the
        clock on the wall. Raises Ended, or WireError for nonsense."""
        try:
            with self.measured(seconds, wall):
                wire.send(self.requests, (request, arguments))
                reply = wire.receive(self.replies, limit)
        except (EOFError, OSError):
            self.end("died")
            assert self.why is not None
            raise Ended(self.why, self.facts) from None
        if over := self.over_limit():  # faster than the watchdog looks, and to be charged to this call
            self.end(over)
            assert self.why is not None
            raise Ended(self.why, self.facts)
        if self.unread():  # replies to nothing; the next question must not take them for its own
            raise wire.WireError("more than one reply")
        return reply

    @contextlib.contextmanager
    def measured(self, *allowed: float) -> Generator[None]:
        """Limit a question to so many seconds (the student's, wall), and keep in `took` how many it needed."""
        self.clock.start()
        self.allowed = allowed
        try:
            yield
        finally:
            self.allowed = None
            self.took = self.clock.read()

    def watch(self) -> None:
        while not self.ended.wait(LOOK_EVERY):
            broken = self.broken()
            if broken:
                self.end(broken)

    def broken(self) -> str | None:
        """The limit that is broken now, if one is."""
        if over := self.over_limit():  # first: other answers take long when there are thousands of threads
            return over
        if allowed := self.allowed:
            charged, wall = self.clock.read(watching=True)
            if charged > allowed[0]:
                return "timed_out"
            if wall > allowed[1]:  # where waiting is not counted, this is how sleepers are found
                return "starved" if self.clock.counts_waiting else "timed_out"
        return self.too_large()

    def over_limit(self) -> str | None:
        """The limit among those that are looked at after each question, too."""
        if self.clock.threads() > self.limits["processes"]:
            return "threads"
        return "output" if self.flooded() else None

    def too_large(self) -> str | None:
        """The limit among those of disk and memory."""
        entries, size = scratch.usage(self.run / "scratch", self.limits["scratch_files"])
        if entries > self.limits["scratch_files"] or size > self.limits["scratch_mb"] << 20:
            return "scratch"
        if self.written() > 2 * self.limits["scratch_mb"] << 20:  # twice, as what was overwritten may count, too
            return "scratch"
        memory = self.resident()
        if memory and memory > (self.limits["memory_mb"] + self.limits["torch_mb"]) << 20:
            return "memory"
        return None

    def unread(self) -> int:
        """How many bytes have arrived that nobody asked for; 0 where that cannot be told."""
        if not termios:
            return 0
        waiting = struct.pack("i", 0)
        return struct.unpack("i", fcntl.ioctl(self.replies, termios.FIONREAD, waiting))[0]

    def flooded(self) -> bool:
        """Whether more was printed since the last look than may be, or more disk taken by what was printed or noted."""
        most = self.limits["output_kb"] << 10
        output, noted = (os.fstat(file.fileno()) for file in (self.output, self.noted))
        seen = self.output.tell()
        taken = max(scratch.on_disk(output) - seen, scratch.on_disk(noted)) > 2 * most + seen
        return output.st_size - seen > most or noted.st_size > most or taken

    def printed(self, limit: int = 2000) -> str:
        """What was printed since the last call, at most `limit` characters, fit to be read anywhere."""
        data = self.output.read(4 * limit)
        self.output.seek(0, os.SEEK_END)
        text = readable(data.decode("utf-8", "replace"), limit=None, lines=True)
        return text if len(text) <= limit else _("{text} [cut]", text=text[:limit])

    def end(self, why: str = "closed") -> None:
        """Kill the process and all it started; the first reason given stands."""
        with self.lock:
            if self.ended.is_set():
                return
            self.why = why
            try:
                self.facts = self.kill() | {"ended": why, "wall_s": round(time.monotonic() - self.started, 3)}
                if why == "died" and (self.facts["status"] or 0) < 0:
                    self.facts["signal"] = signal.strsignal(-self.facts["status"])
                if denied := self.denied():
                    self.facts["denied"] = denied
            finally:
                self.ended.set()

    def denied(self) -> list[str]:
        """What the box refused, as the boxed process tells it."""
        data = self.noted.read(NOTED_BYTES)
        return readable(data.decode("utf-8", "replace"), limit=None, lines=True).splitlines()

    def close(self) -> None:
        self.end()
        self.watchdog.join()  # it looks at the output, which is closed next
        for stream in (self.requests, self.replies, self.output, self.noted):
            with contextlib.suppress(OSError):  # unsent bytes of a process that died first
                stream.close()
        scratch.remove(self.run)
