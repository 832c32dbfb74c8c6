"""What each bundle holds. A bundle is {path: bytes}; nothing is in one that git does not track, but for the hidden
expectations in Gradescope's and the lists of packages, which come from pyproject.toml. Texts are as the course has them
(authoring/course.py): what is off is in no bundle. The autograder's programs are the same for every course.
"""

from __future__ import annotations

import subprocess
import tomllib
from typing import TYPE_CHECKING

from ...expectations import Expectations
from ...language import N_, _
from ...paths import HIDDEN, ROOT
from ..authoring import handout_page
from ..authoring.course import EDITIONS, NOTEBOOK, asked, mistakes
from ..authoring.recording import file_of
from ..authoring.skeleton import FILES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..authoring.course import Course

NAME = "ddpm-homework"
GRADESCOPE, SOLUTION = f"{NAME}-gradescope.zip", f"{NAME}-solution.zip"
STUDENTS = {lang: f"{NAME}{ending.replace('.', '-')}.zip" for lang, ending in EDITIONS.items()}  # by language
STUDENT = STUDENTS["en"]
AT_THE_TOP = ("Makefile", *handout_page.FILES, handout_page.PAGE, "AGENTS.md", "constraints.txt", "LICENSE")
WORKBENCH = "autograder/instructor/"
SCRIPTS = f"{WORKBENCH}release/gradescope/"
RUBRIC, MISTAKES = "autograder/rubric.toml", "autograder/mistakes.toml"
REPORT = f"assignment/{NOTEBOOK}"
RECORDED = "autograder/expectations/public.safetensors"
HIDDEN_PATH = "course/hidden.safetensors"
MODES = {HIDDEN_PATH: 0o600}  # permissions of what only root may read
MAX_STUDENT = 10_000_000  # bytes
# What platforms show where the autograder did not come to its end, in scripts that run before it does; longest first.
ENDINGS = (
    N_(
        "Not graded: the autograder did not come to its end. This is no fault of yours, and there is no score. "
        "Tell your instructor."
    ),
    N_("Not graded: the autograder did not come to its end. This is no fault of yours. Tell your instructor."),
    N_("Not graded: the autograder did not come to its end."),
)


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


def all_of_them(files: Mapping[str, bytes], hidden: bytes, course: Course) -> dict[str, dict[str, bytes]]:
    """The bundles of a course, by the names of their zips."""
    return {name: student(files, course.edition(lang)) for lang, name in STUDENTS.items()} | {
        GRADESCOPE: gradescope(files, hidden, course),
        SOLUTION: solution(files, course),
    }


def student(files: Mapping[str, bytes], course: Course) -> dict[str, bytes]:
    """What students get in the language of the course, in a folder of its own. NotReady where the handout's page is
    older than the handout."""
    texts = handout_page.texts(course, files)
    text = handout_page.both(*texts.values())
    page = course.named(handout_page.PAGE)
    if handout_page.sources(text, ROOT, course.lang) not in files.get(page, b"").decode():
        raise NotReady(
            f"{page} is missing or older than the Markdown it is made of, rubric.toml, figures/ or "
            "handout_page.css; `make handout` renders it"
        )
    shown = handout_page.pictures(text)
    kept = {name: data for name, data in files.items() if name in AT_THE_TOP or name in shown}
    kept[handout_page.PAGE] = files[page]
    for path, name in (("Makefile", "Makefile"), ("AGENTS.md", "AGENTS.md"), ("STUDENTS.md", "README.md")):
        texts[name] = course.text(course.source(path, files).decode(), course.named(path))
    bundle = kept | {name: text.encode() for name, text in texts.items()}
    bundle |= grading_kit(files, course) | {"requirements.txt": requirements(files)}
    return {f"{NAME}/{name}": data for name, data in bundle.items()}


def gradescope(files: Mapping[str, bytes], hidden: bytes, course: Course) -> dict[str, bytes]:
    """Gradescope's autograder: setup.sh and run_autograder at the root, the kit and the hidden expectations."""
    scripts = {name.removeprefix(SCRIPTS): data for name, data in files.items() if name.startswith(SCRIPTS)}
    kept = {"constraints.txt": files["constraints.txt"], "requirements.txt": requirements(files)}
    return translated(scripts) | grading_kit(files, course) | kept | {HIDDEN_PATH: hidden}


def translated(scripts: Mapping[str, bytes]) -> dict[str, bytes]:
    """Scripts of a platform, with what they say to students in the language of the course."""
    made = dict(scripts)
    for name in made:
        for text in ENDINGS:
            made[name] = made[name].replace(text.encode(), _(text).encode())
    return made


def solution(files: Mapping[str, bytes], course: Course) -> dict[str, bytes]:
    """The reference, for after the deadline: unpacked beside assignment/, it can be graded and run."""
    return {f"solution/{name}": data for name, data in reference(files, course).items()} | {"LICENSE": files["LICENSE"]}


def reference(files: Mapping[str, bytes], course: Course) -> dict[str, bytes]:
    """What the reference hands in, by name."""
    names = [name for name, needs in FILES.items() if course.asks(needs)]
    return {name: course.text(files[f"solution/{name}"].decode(), name).encode() for name in names}


def grading_kit(files: Mapping[str, bytes], course: Course) -> dict[str, bytes]:
    """The files given to students, and the autograder without the instructor's workbench."""
    endings = [ending for ending in EDITIONS.values() if ending]
    kit = {
        name: course.source(name, files)
        for name in files
        if name.startswith(("assignment/", "autograder/")) and not name.startswith(WORKBENCH)
        if not any(f"{ending}." in name for ending in endings)
    }
    rubric = files[RUBRIC].decode()
    everything = Expectations.read(files[RECORDED])
    ids = asked(rubric)
    recorded = everything.only(ids)
    kit[RUBRIC] = course.settings(rubric).encode()
    kit[MISTAKES] = mistakes(files[MISTAKES].decode(), recorded.mistakes["loses"], ids).encode()
    if recorded is not everything:
        kit[RECORDED] = file_of(recorded)
    return kit


def requirements(files: Mapping[str, bytes]) -> bytes:
    """requirements.txt: what grading needs, and with it what student code may import."""
    project = tomllib.loads(files["pyproject.toml"].decode())["project"]
    return "".join(f"{line}\n" for line in project["dependencies"]).encode()


def hidden_expectations() -> bytes:
    """The file of the recorded hidden cases. Raises NotReady without them."""
    if not HIDDEN.exists():
        raise NotReady(f"{HIDDEN_PATH} is missing; `make record` records it from the course seed")
    return HIDDEN.read_bytes()
