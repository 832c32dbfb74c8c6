"""The bundles of other platforms than Gradescope: what is in Gradescope's, where each platform looks for it, and a few
scripts. So what was proven of Gradescope's bundle holds for them."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from ...reports.platforms.autolab import not_graded
from .bundles import HIDDEN_PATH, NAME, SCRIPTS, WORKBENCH, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...rubric import Rubric

    Files = dict[str, bytes]

FOLDER = f"{WORKBENCH}release/"
HIDDEN = "hidden.safetensors"
UNGRADED = "ungraded.json"


def bundle(name: str, files: Mapping[str, bytes], student: Files, gradescope: Files, rubric: Rubric) -> Files:
    """The bundle of a platform.

    files                the repository's, by path
    student, gradescope  the bundles of these names
    """
    scripts = {path.removeprefix(f"{FOLDER}{name}/"): data for path, data in files.items()
               if path.startswith(f"{FOLDER}{name}/")}  # fmt: skip
    own = {path.removeprefix(SCRIPTS) for path in files if path.startswith(SCRIPTS)}
    kit = {path: data for path, data in gradescope.items() if path not in {HIDDEN_PATH, *own}}
    image = {f"image/kit/{path}": data for path, data in kit.items()}
    dockerfile = scripts.pop("Dockerfile", None) or files[f"{FOLDER}Dockerfile"]
    return LAYOUTS[name](
        translated(scripts), image | {"image/Dockerfile": dockerfile}, gradescope[HIDDEN_PATH], student, rubric
    )


def prairielearn(scripts: Files, image: Files, hidden: bytes, student: Files, rubric: Rubric) -> Files:
    """question/ goes into a course, image/ is built and pushed: PrairieLearn copies tests/ into each job, but not the
    kit."""
    return {f"question/{path}": data for path, data in scripts.items()} | image | {f"question/tests/{HIDDEN}": hidden}


def autolab(scripts: Files, image: Files, hidden: bytes, student: Files, rubric: Rubric) -> Files:
    """The two files that a lab wants, and the image that its autograder runs in."""
    return scripts | image | {"autograde.tar": tarred({HIDDEN_PATH: hidden, UNGRADED: not_graded(rubric).encode()})}


def classroom(scripts: Files, image: Files, hidden: bytes, student: Files, rubric: Rubric) -> Files:
    """The repository that students get: their bundle, and a workflow. No hidden case, as they can read all of it."""
    return {path.removeprefix(f"{NAME}/"): data for path, data in student.items()} | scripts


def inginious(scripts: Files, image: Files, hidden: bytes, student: Files, rubric: Rubric) -> Files:
    """task/ goes into a course, image/ is built as the environment of it."""
    return {f"task/{path}": data for path, data in scripts.items()} | image | {f"task/{HIDDEN}": hidden}


LAYOUTS: dict[str, Callable[[Files, Files, bytes, Files, Rubric], Files]] = {
    "prairielearn": prairielearn,
    "autolab": autolab,
    "classroom": classroom,
    "inginious": inginious,
}


def modes(files: Mapping[str, bytes]) -> dict[str, int]:
    """Permissions of what only root may read."""
    return {path: 0o600 for path in files if path.endswith((f"/{HIDDEN}", "autograde.tar"))}


def tarred(files: Mapping[str, bytes]) -> bytes:
    """A tar of files that only their owner may read, the same on every machine: sorted and without dates."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as file:
        for path, data in sorted(files.items()):
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), 0o600
            file.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
