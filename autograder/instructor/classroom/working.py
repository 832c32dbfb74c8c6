"""What a worker does: one stage of one submission, in the box of its own process. Nothing here knows of other students.

A worker is a process of this machine or of a cluster, and takes one job at a time. Its box, with the warm parent, is
made for the first job and serves all later ones.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from ...box import Box
from ...box.host import strongest
from ...expectations import Expectations
from ...grading import Found, run, strong_enough
from ...paths import HIDDEN, PUBLIC, SECRETS
from ...record import UNGRADED
from ...rubric import Rubric
from ..fingerprint import kit

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from ...checks import Stage
    from ...intake.submission import Submission


class Stop(Exception):
    """The run cannot go on; the text says why, and what helps."""


@dataclass
class Bench:
    """What every job of this process uses.

    sets  of cases, "public" and "hidden"
    """

    kit: str
    rubric: Rubric
    sets: dict[str, Expectations]
    box: Box


@cache
def bench() -> Bench:
    """Raises Stop, BoxError or ExpectationsError, with a line for the instructor."""
    rubric = Rubric.load()
    sets = {name: Expectations.load(path) for name, path in (("public", PUBLIC), ("hidden", HIDDEN))}
    box = strongest(rubric.limits, SECRETS)
    atexit.register(box.close)
    return Bench(kit(rubric, HIDDEN), rubric, sets, box)


def fresh_bench() -> None:
    """Another box, where the parent of the old one may be gone."""
    with contextlib.suppress(OSError):
        bench().box.close()
    bench.cache_clear()


def device(wanted: str) -> bool:
    """Whether training may use a GPU, as one works in the box where it would run. Raises Stop."""
    gpu = wanted != "cpu" and bench().box.find_gpu()
    if wanted == "cuda" and not gpu:
        why = bench().box.gpu_fault or "there is none where training would run"
        raise Stop(f"No GPU can be used: {why}. --device cpu or auto trains on the CPU.")
    return bool(gpu)


def stage(wanted_kit: str, path: Path, submission: Submission, which: Stage, found: Found, gpu: bool) -> Found:
    """Run one stage of checks, and add what it finds to a copy of `found`.

    wanted_kit  the digest of the kit that the class is graded with
    path        where the submission came from
    Raises Stop, TooWeak, BoxError. What a student did never raises.
    """
    if bench().kit != wanted_kit:
        raise Stop("A worker has another kit than this one: give all of them the same checkout, with course/ in it.")
    earlier = found
    for _ in range(2):  # what may be the fault of a box whose parent was killed is tried once more
        desk = bench()
        room(desk.rubric)
        strong_enough(path, desk.box, desk.rubric, desk.sets["hidden"])
        copies = {name: getattr(earlier, name).copy() for name in ("results", "waiting", "suspects", "runs")}
        found = Found(**vars(earlier) | copies)
        run(found, desk.box, desk.rubric, submission, desk.sets, which, desk.rubric.checks.values(), gpu=gpu)
        if not any(result.verdict == UNGRADED for id, result in found.results.items() if id not in earlier.results):
            break
        fresh_bench()
    room(desk.rubric)  # it may have filled up on the way
    for suspect in found.suspects.values():  # of the whole catalogue, what the diagnosis looks at
        suspect.loses = {id: suspect.loses[id] for id in (*suspect.mistakes, *suspect.possible) if id in suspect.loses}
    return found


def room(rubric: Rubric) -> None:
    """Raise Stop where the temporary folder cannot hold what a submission may write: it would seem to be its fault."""
    folder = tempfile.gettempdir()
    there = shutil.disk_usage(folder).free >> 20
    needed = rubric.limits["scratch_mb"]
    if there < needed:
        raise Stop(
            f"{folder} has {there} MB left, and grading needs {needed} a worker: make room there, or set TMPDIR. "
            "What is graded is kept; the same command goes on from here."
        )


def prepare() -> None:
    """Before the first job of a process of this machine: it ends with the one that started it, however that ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for that one
    threading.Thread(target=end_with, args=(multiprocessing.parent_process(),), daemon=True).start()


def end_with(parent: BaseProcess) -> None:
    parent.join()
    with contextlib.suppress(Exception):  # the box may not be there yet
        if bench.cache_info().currsize:
            bench().box.close()
    os._exit(1)
