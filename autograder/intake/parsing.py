"""The room where the bytes that a student sent are parsed: archives, notebooks, pictures, tensors, Markdown.

Libraries that read files were not written against people who want to stop them. So whatever reads such bytes runs in a
process of its own, which holds no answer and may use only so much processor time and memory. What goes wrong in there
is the student's, in one line: Unparsable. Processor time, not time on the clock: a busy machine costs nobody
a point.

A server imports the modules that parse, once, and forks a child for the files of one submission; `fresh` takes
leave of it. Where fork is unsafe (macOS, Windows) the server does the work itself until something goes wrong with it;
Windows has no such limits, so that only the clock stops it there.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
import signal
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn

try:
    import resource
except ImportError:  # Windows
    resource = None

from ..box.inside import wire
from ..box.launch import ENVIRONMENT, BoxError
from ..language import _, speak, spoken
from ..paths import ROOT
from ..text import readable

SECONDS, MEMORY_MB = 5, 512  # for one parser; memory beyond what the server takes
PATIENCE = 60 if resource else 6  # times as long on the clock: then it hangs, or the clock is the only limit
REPLY_BYTES = 256 << 20
Job = tuple[str, tuple[Any, ...], int, int]  # function, arguments, seconds, memory_mb
DONE = 77  # exit status of a child that was told to go; with any other, something went wrong with it
FORKS = sys.platform == "linux"
START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from autograder.intake.parsing import serve; serve()"


class Unparsable(Exception):
    """What a student sent cannot be parsed, for this reason, in one line. `type` names the parser's own exception."""

    def __init__(self, reason: str, type: str = "") -> None:
        super().__init__(readable(reason, limit=300))
        self.type = type


def parse(module: str, function: str, *arguments: Any, seconds: int = SECONDS, memory_mb: int = MEMORY_MB) -> Any:
    """What `function` of `module` makes of these arguments, in the child: plain data, as wire.py sends it.

    Raises Unparsable for whatever it raises there, and where it breaks a limit or ends the process. Raises BoxError
    where there can be no child: a fault of ours or of this host.
    """
    return room(os.getpid()).parse(module, (function, arguments, seconds, memory_mb))


def fresh() -> None:
    """What is parsed from now on is another submission's: no process that read this one's reads it."""
    room(os.getpid()).leave()


@cache
def room(pid: int) -> Room:
    """The Room of this process. A fork of it needs one of its own."""
    made = Room()
    atexit.register(made.close)
    return made


class Room:
    """The server, started when it is needed, and started anew after something went wrong.

    modules  that the server imports
    used     whether a child has read anything
    """

    def __init__(self) -> None:
        self.server: subprocess.Popen[bytes] | None = None
        self.modules: tuple[str, ...] = ()
        self.used = False
        self.lock = threading.Lock()

    def parse(self, module: str, job: Job) -> Any:
        with self.lock:
            if module not in self.modules:  # better imported once, by the server, than in every child
                self.close()
                self.modules += (module,)
            try:
                status, *told = self.ask((module, *job))
            except (EOFError, OSError, wire.WireError):
                raise Unparsable(self.ending(job)) from None
        if status == "ok":
            return told[0]
        raise Unparsable(*told)

    def ask(self, request: tuple[str, *Job]) -> Any:
        if self.server and self.server.poll() is not None:  # it ended while nobody asked for anything
            self.close()
        if not self.server:
            self.start()
        assert self.server and self.server.stdin and self.server.stdout
        self.used, self.late = True, False
        hangs = threading.Timer(PATIENCE * request[3], self.stop)
        hangs.start()
        try:
            wire.send(self.server.stdin, (*request, spoken()))
            return wire.receive(self.server.stdout, REPLY_BYTES)
        finally:
            hangs.cancel()

    def start(self) -> None:
        root = str(ROOT)
        kept = {key: os.environ[key] for key in ("SYSTEMROOT", "PATH") if key in os.environ}
        try:
            self.server = subprocess.Popen(
                [sys.executable, "-I", "-c", START, root, *self.modules],
                env=ENVIRONMENT | kept,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the grader, which then ends this
            )
            assert self.server.stdout
            ready = wire.receive(self.server.stdout, limit=1000)
        except (EOFError, OSError, wire.WireError) as error:
            self.close()
            why = str(error) or _("it ended")
            raise BoxError(_("the process that parses could not be started ({why})", why=why)) from None
        assert ready == "ready"

    def stop(self) -> None:
        self.late = True
        assert self.server
        self.server.kill()

    def ending(self, job: Job) -> str:
        """Why the child ended under a job, in words. The server is gone with it."""
        _rest, _rest, seconds, memory_mb = job
        server, late = self.server, self.late
        assert server
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(5)
        self.close()
        status = server.returncode - 128 if server.returncode > 128 else -server.returncode
        if resource and (late or status == signal.SIGKILL):  # its limits end it with other signals
            told = _("the process that parses was stopped from outside, or does not get on in a machine so busy")
            raise BoxError(told)
        if late or (resource and status == signal.SIGXCPU):
            return _("reading it takes more than {seconds} s of processor time", seconds=seconds)
        return _("reading it needs more than {mb} MB of memory, or ended the process that reads", mb=memory_mb)

    def leave(self) -> None:
        with self.lock:
            if self.server and self.used:
                assert self.server.stdin
                with contextlib.suppress(OSError):
                    wire.send(self.server.stdin, None)
            self.used = False

    def close(self) -> None:
        if self.server:
            assert self.server.stdin and self.server.stdout
            self.server.stdin.close()
            self.server.kill()
            self.server.wait()
            self.server.stdout.close()
        self.server, self.used = None, False


# ----- the server and its children --------------------------------------------------------------------------


def serve() -> NoReturn:
    """Import the modules that the command line names, then do one job after another until the grader is gone."""
    requests, replies = open(os.dup(0), "rb", 0), open(os.dup(1), "wb", 0)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):  # what a parser prints goes nowhere
        os.dup2(null, descriptor)
    for module in sys.argv[1:]:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # keeps the collector of a child from touching, and so copying, every page of the server
    wire.send(replies, "ready")
    while True:
        if FORKS and (child := os.fork()):
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if status != DONE:
                os._exit(status if status >= 0 else 128 - status)
        else:
            attend(requests, replies)
            if FORKS:
                os._exit(DONE)


def attend(requests: IO[bytes], replies: IO[bytes]) -> None:
    """Do the jobs of one submission."""
    while True:
        try:
            request = wire.receive(requests, REPLY_BYTES)
        except EOFError:
            os._exit(1)
        if request is None:
            return
        module, function, arguments, seconds, memory_mb, language = request
        speak(language)
        limit(seconds, memory_mb << 20)
        try:
            reply = ("ok", getattr(importlib.import_module(module), function)(*arguments))
        except MemoryError:
            reply = ("failed", _("reading it needs more than {mb} MB of memory", mb=memory_mb), "MemoryError")
        except Exception as error:  # parsers raise what they like
            lines = str(error).strip().splitlines() or [""]
            reply = ("failed", readable(lines[0], limit=300) or type(error).__name__, type(error).__name__)
        wire.send(replies, reply)


def limit(seconds: int, memory: int) -> None:
    """Limit the next job to so many seconds and bytes, beyond what this process has used until now."""
    if not resource:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + seconds)
    soft(resource.RLIMIT_CORE, 0)
    soft(resource.RLIMIT_FSIZE, memory)
    if FORKS:
        soft(resource.RLIMIT_AS, int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + memory)


def soft(kind: int, value: int) -> None:
    """Set a limit, as far as this process may."""
    assert resource
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
