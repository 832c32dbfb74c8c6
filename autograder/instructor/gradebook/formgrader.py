"""nbgrader's formgrader, in Jupyter on this machine: it opens on what is to be marked, and each assistant may have a
share of the class. (course.py configures nbgrader, and says where its pages have MathJax from.)"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jupyterlab.labapp import LabApp
from nbgrader.apps import NbGraderAPI

from .course import ASSIGNMENT, NOTEBOOK, CourseError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .course import Course


def run(course: Course, share: tuple[int, int], as_root: bool, options: Sequence[str]) -> None:
    """Serve until somebody stops it.

    share    which of how many shares of the submissions is shown
    options  for jupyter lab
    Raises CourseError.
    """
    if hasattr(os, "geteuid") and os.geteuid() == 0 and not as_root and "--allow-root" not in options:
        raise CourseError("Jupyter does not start for root, who may do anything here; ARGS=--allow-root starts it")
    only(*share)
    # Formgrader looks for its configuration where it is started: elsewhere its Autograde button would run student code.
    os.chdir(course.root)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    LabApp.launch_instance([
        f"--ServerApp.root_dir={course.root}",
        f"--LabApp.default_url=/formgrader/gradebook/{ASSIGNMENT}/{NOTEBOOK}",
        *["--allow-root"] * as_root,
        *options,
    ])  # fmt: skip


def only(number: int, of: int) -> None:
    """Let formgrader list one share of the submissions. By their ids, which are drawn at random: a share stays the same
    when others hand in, and a name tells nobody who marks it."""
    everything = NbGraderAPI._filter_existing_notebooks

    def share(self: NbGraderAPI, *of_what: Any) -> list[Any]:
        return [each for each in everything(self, *of_what) if int(each.id, 16) % of == number - 1]

    NbGraderAPI._filter_existing_notebooks = share
