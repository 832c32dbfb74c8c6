"""Runs the phases one after another, keeps what they find as lines of JSON, and makes one Markdown table of it."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ...files import write
from ...paths import ROOT
from .phases import PHASES

NOT_DONE = 3


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m autograder.instructor.gpu_report", description=__doc__)
    parser.add_argument("phases", nargs="*", metavar="PHASE", help=f"of {', '.join(PHASES)}; all by default")
    parser.add_argument("--out", type=Path, default=Path("build/gpu-report"), metavar="DIR")
    parser.add_argument("--tiny", action="store_true", help="a rehearsal: every phase at a size that shows nothing")
    parser.add_argument("--slow", type=float, default=1, metavar="N", help="N times as long for each phase")
    options = parser.parse_args(arguments)
    if unknown := set(options.phases) - PHASES.keys():
        parser.error(f"there is no phase {', '.join(sorted(unknown))}; there are {', '.join(PHASES)}")
    chosen = options.phases or list(PHASES)
    console, failed = Console(highlight=False), []
    for number, name in enumerate(chosen, 1):
        left = sum(PHASES[later].seconds for later in chosen[number - 1 :]) * options.slow
        console.print(f"[bold]{name}[/], {number} of {len(chosen)}; all that is left takes at most {left / 60:.0f} min")
        facts, why = run(name, options)
        write(options.out / f"{name}.jsonl", "".join(json.dumps(fact) + "\n" for fact in facts))
        for fact in facts:
            console.print(f"  {fact['what']}: {fact['found']}", soft_wrap=True, markup=False)
        if why:
            failed.append(name)
            console.print(f"  {why}", style="red", soft_wrap=True, markup=False)
    write(options.out / "report.md", table(options.out))
    console.print(f"Written to {options.out}/: report.md, and JSON for each phase.", style="dim", soft_wrap=True)
    if failed:
        console.print(f"Not finished: {', '.join(failed)}. `make gpu-report ARGS='{' '.join(failed)}'` tries again.")
    return NOT_DONE if failed else 0


def run(name: str, options: argparse.Namespace) -> tuple[list[dict[str, Any]], str]:
    """(what a phase told, each {"phase", "what", "found"}; why it did not finish, or "")."""
    limit = PHASES[name].seconds * options.slow
    command = [sys.executable, "-m", f"{__package__}.phases", name, *(["--tiny"] if options.tiny else [])]
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        told, said = process.communicate(timeout=limit)
        why = "" if process.returncode == 0 else f"ended with {process.returncode}: {last_line(said)}"
    except subprocess.TimeoutExpired:
        process.terminate()  # Python then closes its boxes
        try:
            told, said = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            told, said = process.communicate()
        why = f"not finished within {limit:.0f} s"
    facts = []
    for line in told.splitlines():
        try:
            facts.append({"phase": name, **json.loads(line)})
        except ValueError:
            pass  # a library talks
    facts.append({"phase": name, "what": "seconds of the phase", "found": round(time.monotonic() - started, 1)})
    if why:
        facts.append({"phase": name, "what": "not finished", "found": why})
    return facts, why


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["nothing was said"])[-1][:300]


def table(folder: Path) -> str:
    """All phases that were ever run into this folder, as Markdown."""
    lines = ["| phase | what | found |", "|---|---|---|"]
    for name in PHASES:
        path = folder / f"{name}.jsonl"
        for line in path.read_text().splitlines() if path.exists() else ():
            fact = json.loads(line)
            what, found = (str(fact[key]).replace("|", "\\|").replace("\n", " ") for key in ("what", "found"))
            lines.append(f"| {name} | {what} | {found} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
