"""What the boxed process does to itself before the first byte of student code: limits, privileges, files, system calls.

None of it can be undone from inside. What works on this host and was asked for comes in as a dict made by the grader
(see host.py); this file knows neither the submission nor the reason.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import landlock_rules
import seccomp_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

PR_SET_NO_NEW_PRIVS = 38
CAPABILITY_VERSION = 0x20080522
NOTED = 40  # the first so many refusals of a process are told to staff

# Audit events (docs.python.org, "Audit events table") of what the box refuses, as staff read them.
REFUSED = {
    "socket.__new__": "socket", "socket.getaddrinfo": "name look-up", "os.fork": "fork", "os.forkpty": "fork",
    "os.exec": "exec", "os.posix_spawn": "spawn", "os.spawn": "spawn", "os.system": "system", "pty.spawn": "spawn",
    "subprocess.Popen": "subprocess", "os.chmod": "chmod", "os.chown": "chown", "os.utime": "utime",
    "os.setxattr": "setxattr", "os.listdir": "list", "os.scandir": "list", "open": "open",
    "os.kill": "signal", "os.killpg": "signal", "signal.pthread_kill": "signal",
}  # fmt: skip
WITH_PATH = {"open", "list"}


def confine(
    limits: Mapping[str, int],
    threads: int,
    readable: Sequence[str],
    scratch: str,
    landlock: bool,
    seccomp: bool,
    nodes: Sequence[str] | None = None,
    noted: int | None = None,
) -> None:
    """Take away from this process all that student code has no use for.

    limits    see `limit`
    threads   how many there may be
    readable  files and folders that may be read
    scratch   the one folder to write to
    landlock, seccomp  whether to use them
    nodes     device files of the GPU, where this process is let near it
    noted     descriptor to write to what was refused, a line each; as the boxed process tells it, so no proof
    """
    limit(limits)
    if sys.platform != "linux":
        return
    if len(os.listdir("/proc/self/task")) > 1:  # what follows binds this thread and those it starts
        raise RuntimeError("there are threads already that could not be confined")
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    drop_capabilities()
    if landlock:
        landlock_rules.restrict(readable, scratch, nodes)
    limit_threads(threads)
    if noted is not None and landlock and seccomp:  # otherwise much of it is allowed
        here = str(Path(__file__).parent)  # tracebacks look for the lines of our own files, in vain
        known = (*readable, *landlock_rules.OWN, *landlock_rules.DEVICES, scratch, here)
        sys.addaudithook(note_refusals(noted, known))
    if seccomp:
        seccomp_rules.restrict(gpu=nodes is not None)


def limit(limits: Mapping[str, int]) -> None:
    """The limits that the kernel keeps: {name of resource.RLIMIT_*: value}, MEMORY being what may come on top of what
    is mapped now. Time, threads, output, disk and survivors are watched from outside (process.py)."""
    try:
        import resource
    except ImportError:  # Windows has none of them
        return
    wanted = {"CORE": (0, 0)}
    for name, value in limits.items():
        if name == "MEMORY":
            statm = Path("/proc/self/statm")
            mapped = int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else 0
            wanted["AS"] = (mapped + value, mapped + value)
        else:
            # A second more in which the signal for too much processor time can still be told from any other end.
            wanted[name] = (value, value + 1 if name == "CPU" else value)
    for name, pair in wanted.items():
        # A system may lack a limit (macOS has no usable RLIMIT_AS) or already hold a lower one.
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), pair)


def drop_capabilities() -> None:
    """Whoever started this, it is an ordinary user's process from here on, even as root. Nothing is lost as one."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    none = (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset(header, none):
        raise OSError(ctypes.get_errno(), "privileges cannot be given up")


def limit_threads(most: int) -> None:
    """Let Python fail to start one thread too many as where a system refuses it.

    What goes around Python meets the watchdog: no limit of the kernel counts the threads of one process.
    """
    start = threading.Thread.start

    @functools.wraps(start)
    def limited(self: threading.Thread) -> None:
        if os.stat("/proc/self/task").st_nlink - 2 >= most:  # a folder has two links, and one for each folder in it
            raise RuntimeError("can't start new thread")
        start(self)

    threading.Thread.start = limited


def note_refusals(descriptor: int, allowed: Iterable[str]) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook that writes a line for each thing tried that the box refuses, as far as Python sees it."""
    allowed, seen = tuple(map(str, allowed)), set()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in REFUSED or len(seen) >= NOTED:
            return
        with contextlib.suppress(Exception):  # one that leaves here would reach the student
            what = REFUSED[event]
            if what in WITH_PATH:
                path = os.path.abspath(os.fsdecode(arguments[0]))
                what = "" if path.startswith(allowed) else f"{what} {path[:200]!r}"
            elif what == "socket" and arguments[1] == socket.AF_UNIX:  # pairs of them are allowed
                what = ""
            if what and what not in seen:
                seen.add(what)
                os.write(descriptor, f"{what}\n".encode("utf-8", "replace"))

    return hook
