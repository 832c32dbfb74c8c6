"""`make bench`, the box: what a fresh boxed process costs over a bare fork of the same warm parent, and what a call
costs, at each tier of this host; medians, the things compared in turn."""

import statistics
import subprocess
import sys
import time
from dataclasses import replace

from rich.console import Console
from rich.progress import track
from rich.table import Table

from ...box import Box, Layers, Process
from ...box.launch import HERE
from ...rubric import Rubric

STARTS, CALLS = 100, 2000
BARE = f"""
import os, sys, time
sys.path.insert(0, {str(HERE)!r})
import parent
parent.warm()
for _ in sys.stdin:
    started = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    print(time.perf_counter() - started, flush=True)
os._exit(0)  # the exit handlers of parts of torch are talkative
"""
CODE = b"class DDPMScheduler:\n    def previous_timestep(self, timestep):\n        return timestep - 1\n"


def main() -> None:
    limits = Rubric.load().limits
    layers = Layers.of_this_host()
    tiers = {"E": Layers(), "B": replace(layers, bubblewrap=""), "A": layers}
    tiers = {tier: those for tier, those in tiers.items() if those.tier == tier}
    bare = subprocess.Popen([sys.executable, "-c", BARE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    table = Table("tier", "bare fork", "start", "start and end", "start and end, over bare fork", "one call", box=None)
    for tier, those in tiers.items():
        with Box(limits, those) as box:
            table.add_row(tier, *measured(box, bare))
    assert bare.stdin is not None  # a pipe
    bare.stdin.close()
    bare.wait()
    Console().print(table, f"Medians of {STARTS} starts and {CALLS} calls.")


def measured(box: Box, bare: subprocess.Popen[str]) -> list[str]:
    """The cells of one row."""
    assert bare.stdin is not None and bare.stdout is not None  # both are pipes
    folder = box.stage({"scheduler.py": CODE})
    box.start(folder).close()
    forks, starts, wholes = [], [], []
    for _ in track(range(STARTS), f"Starting at tier {box.tier}", transient=True):
        print(file=bare.stdin, flush=True)
        forks.append(float(bare.stdout.readline()))
        started = time.perf_counter()
        process = box.start(folder)
        starts.append(time.perf_counter() - started)
        process.close()
        wholes.append(time.perf_counter() - started)
    medians = [1000 * statistics.median(seconds) for seconds in (forks, starts, wholes)]
    over = 1000 * statistics.median(whole - fork for whole, fork in zip(wholes, forks, strict=True))
    call = 1000 * statistics.median(calls(box.start(folder)))
    return [*(f"{median:.1f} ms" for median in medians), f"{over:.1f} ms", f"{call:.3f} ms"]


def calls(process: Process) -> list[float]:
    """Seconds of each call."""
    process.ask("load", "scheduler", seconds=10)
    scheduler = process.ask("new", "DDPMScheduler", {}, seconds=5)[1]
    seconds = []
    for number in range(CALLS):
        started = time.perf_counter()
        process.ask("call", scheduler, "previous_timestep", (number,), {}, seconds=5)
        seconds.append(time.perf_counter() - started)
    process.close()
    return seconds


if __name__ == "__main__":
    main()
