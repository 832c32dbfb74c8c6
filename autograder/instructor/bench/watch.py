"""`make bench`, the watch: from a save of scheduler.py to the table that tells of it, as a median of 20 saves: TODO by
TODO from the skeleton to the reference, then known mistakes."""

import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import track

from ...files import write
from ...paths import ROOT
from ..authoring import patches
from .classroom import REGION, written

SAVES = 20


def main() -> None:
    states = saves()
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        scheduler = Path(folder, "scheduler.py")
        write(scheduler, states[-1])
        command = [sys.executable, "-m", "autograder", "watch", folder]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as watch:
            assert watch.stdout is not None  # a pipe
            for name in ("scheduler.py", "infer.py"):
                wait(watch.stdout, name)
            for state in track(states, "Saving", transient=True):
                started = time.perf_counter()
                write(scheduler, state)
                wait(watch.stdout, "scheduler.py")
                seconds.append(time.perf_counter() - started)
            watch.send_signal(signal.SIGINT)
    told = f"median {statistics.median(seconds):.2f} s, from {min(seconds):.2f} to {max(seconds):.2f} s"
    Console().print(f"From a save to the table of `make watch`: {told} ({len(seconds)} saves).", soft_wrap=True)


def saves() -> list[str]:
    """What is saved, one after another."""
    source = patches.reference()["scheduler.py"].decode()
    unfinished = [written(source, number) for number in range(len(REGION.findall(source)) + 1)]
    mistaken = [patch.files["scheduler.py"].decode() for patch in patches.load_all() if patch.file == "scheduler.py"]
    left = SAVES - len(unfinished)
    return unfinished + mistaken[:: len(mistaken) // left][:left]


def wait(lines: IO[str], name: str) -> None:
    """Until a block says that this file was graded."""
    for line in lines:
        if line.startswith(f"{name} was graded"):
            return


if __name__ == "__main__":
    main()
