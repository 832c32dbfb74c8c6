"""The reference report: the study with the kit's checkpoints, and report.ipynb run from top to bottom.

    make report        # about 30 minutes on two cores; goes on where it was stopped

Tables and plots go to solution/study/, which instructors read beside the marking guide; the notebook with its outputs
goes to build/report.html. Run it again when a checkpoint changes, and look at what the marking guide says then.
"""

import os
import shutil
import subprocess
import sys
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from rich.console import Console

from ...paths import ROOT
from .course import Course

RUN, KEPT = ROOT / "runs" / "study", ROOT / "solution" / "study"
TABLES = ("study.md", "study.csv", "samples.png", "steps.png", "timesteps.png", "distortion.png")


def study() -> None:
    """Compute what is missing, and keep tables and plots where instructors find them."""
    done = subprocess.run([sys.executable, ROOT / "solution" / "study.py", "--out", RUN])
    if done.returncode:
        sys.exit(done.returncode)
    KEPT.mkdir(exist_ok=True)
    for name in TABLES:
        shutil.copyfile(RUN / name, KEPT / name)


def execute() -> float:
    """Run solution/report.ipynb; its outputs as build/report.html. Returns the seconds it took."""
    whole = Course.whole().notebook((ROOT / "solution" / "report.ipynb").read_text(encoding="utf-8"))
    notebook: NotebookNode = nbformat.reads(whole, 4)  # pyrefly: ignore[bad-assignment]
    console, started = Console(), time.perf_counter()
    shutil.rmtree(ROOT / "runs" / "report", ignore_errors=True)
    with console.status("") as status:

        def say(cell: NotebookNode, cell_index: int) -> None:
            status.update(f"report.ipynb, cell {cell_index + 1} of {len(notebook.cells)}")

        folder = {"metadata": {"path": ROOT / "solution"}}
        NotebookClient(notebook, timeout=1200, resources=folder, on_cell_start=say).execute()
    page, _ = HTMLExporter().from_notebook_node(notebook)
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "report.html").write_text(page, encoding="utf-8")
    return time.perf_counter() - started


def main() -> None:
    study()
    try:
        seconds = execute()
    except CellExecutionError as error:
        sys.exit(f"report.ipynb: {error.ename}: {error.evalue}")
    print(f"{KEPT.relative_to(ROOT)}/ and build/report.html; the notebook ran for {seconds:.0f} s")


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
