"""What each bundle holds. A bundle is {path: bytes}; nothing is in one that git does not track, but for the hidden
expectations in Gradescope's and the lists of packages, which come from pyproject.toml."""

from __future__ import annotations

import subprocess
import tomllib
from typing import TYPE_CHECKING

from ...paths import HIDDEN, ROOT
from ..authoring import handout_page
from ..authoring.skeleton import FILES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = "ddpm-homework"
STUDENT, GRADESCOPE, SOLUTION = f"{NAME}.zip", f"{NAME}-gradescope.zip", f"{NAME}-solution.zip"
AT_THE_TOP = ("Makefile", *handout_page.FILES, "handout.html", "AGENTS.md", "constraints.txt", "LICENSE")
WORKBENCH = "autograder/instructor/"
SCRIPTS = f"{WORKBENCH}release/gradescope/"
HIDDEN_PATH = "course/hidden.safetensors"
MODES = {HIDDEN_PATH: 0o600}  # permissions of what only root may read
MAX_STUDENT = 10_000_000  # bytes


class NotReady(Exception):
    """There can be no bundle, for this reason, which says what to do."""


def tracked(root: Path = ROOT) -> dict[str, bytes]:
    """Every file that git tracks, by path, as it is in the working tree."""
    names = git("ls-files", "-z", root=root).split("\0")[:-1]
    try:
        return {name: (root / name).read_bytes() for name in names}
    except OSError as error:
        raise NotReady(f"a file that git tracks cannot be read: {error}") from None


def commit(root: Path = ROOT) -> str:
    """The commit that the bundles are made from. Raises NotReady where the files differ from it."""
    changed = git("status", "--porcelain", root=root).splitlines()
    if changed:
        raise NotReady(
            f"{len(changed)} files differ from the commit ({changed[0][3:]}, for one), so nobody could make this "
            "release again; commit them, or remove what is new"
        )
    return git("rev-parse", "HEAD", root=root).strip()


def git(*arguments: str, root: Path) -> str:
    try:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise NotReady(f"a release is made from a clone, and git does not work here: {said.strip()}") from None


def all_of_them(files: Mapping[str, bytes], hidden: bytes) -> dict[str, dict[str, bytes]]:
    """The bundles, by the names of their zips."""
    return {STUDENT: student(files), GRADESCOPE: gradescope(files, hidden), SOLUTION: solution(files)}


def student(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """What students get, in a folder of its own. NotReady where the handout's page is older than the handout."""
    text = handout_page.both(*(files[name].decode() for name in handout_page.FILES))
    if handout_page.sources(text, ROOT) not in files.get("handout.html", b"").decode():
        raise NotReady(
            "handout.html is missing or older than the Markdown it is made of, figures/ or handout_page.css; "
            "`make handout` renders it"
        )
    kept = {name: data for name, data in files.items() if name in AT_THE_TOP or name.startswith("figures/")}
    bundle = kept | grading_kit(files) | {"requirements.txt": requirements(files), "README.md": files["STUDENTS.md"]}
    return {f"{NAME}/{name}": data for name, data in bundle.items()}


def gradescope(files: Mapping[str, bytes], hidden: bytes) -> dict[str, bytes]:
    """Gradescope's autograder: setup.sh and run_autograder at the root, the kit and the hidden expectations."""
    scripts = {name.removeprefix(SCRIPTS): data for name, data in files.items() if name.startswith(SCRIPTS)}
    kept = {"constraints.txt": files["constraints.txt"], "requirements.txt": requirements(files)}
    return scripts | grading_kit(files) | kept | {HIDDEN_PATH: hidden}


def solution(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The reference, for after the deadline: unpacked beside assignment/, it can be graded and run."""
    return {f"solution/{name}": files[f"solution/{name}"] for name in FILES} | {"LICENSE": files["LICENSE"]}


def grading_kit(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files given to students, and the autograder without the instructor's workbench."""
    return {
        name: data
        for name, data in files.items()
        if name.startswith(("assignment/", "autograder/")) and not name.startswith(WORKBENCH)
    }


def requirements(files: Mapping[str, bytes]) -> bytes:
    """requirements.txt: what grading needs, and with it what student code may import."""
    project = tomllib.loads(files["pyproject.toml"].decode())["project"]
    return "".join(f"{line}\n" for line in project["dependencies"]).encode()


def hidden_expectations() -> bytes:
    """The file of the recorded hidden cases. Raises NotReady without them."""
    if not HIDDEN.exists():
        raise NotReady(f"{HIDDEN_PATH} is missing; `make record` records it from the course seed")
    return HIDDEN.read_bytes()
