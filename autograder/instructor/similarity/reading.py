"""The files of a class and what is left out of all, read in the room of intake/parsing.py: strangers wrote them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...intake import parsing, submission
from ...intake.submission import DAMAGED, Refused
from ...paths import ASSIGNMENT, ROOT
from ...rubric import Rubric
from ...text import readable
from ..authoring.course import Course
from ..authoring.patches import reference
from . import own_code
from .comparing import Prints, compare, leave_out, without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ..handins.collecting import HandedIn
    from .comparing import Pair
    from .own_code import Function

FILES = ("scheduler.py", "infer.py")
READER = own_code.__name__
KINDS = {".py": "functions", ".ipynb": "in_notebook"}  # of known texts


@dataclass
class Compared:
    """What was found of one of the two files.

    prints   by student; of those who share one hand-in, only the first
    texts    by student, as they may be shown
    pairs    all that share anything, most first
    missing  {why nothing was compared: students}
    """

    file: str
    prints: dict[str, Prints] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    missing: dict[str, list[str]] = field(default_factory=dict)

    @property
    def shown(self) -> list[Pair]:
        return [pair for pair in self.pairs if pair.worth_a_look]

    @property
    def broken(self) -> dict[str, str]:
        """{student: why the file is no Python}; it was compared line by line."""
        return {student: prints.broken for student, prints in self.prints.items() if prints.broken}


def compare_class(
    class_list: Iterable[HandedIn],
    known: Path | None = None,
    show: Callable[[list[HandedIn]], Iterable[HandedIn]] = iter,
) -> list[Compared]:
    """Compare everybody's files with everybody's.

    known  a folder with texts that anybody may have found, as .py and .ipynb
    show   wraps the list of those who handed something in, to show how far it is
    What a student did never raises. Raises RubricError.
    """
    skeletons = {file: text_of(ASSIGNMENT / file) for file in FILES if (ASSIGNMENT / file).exists()}
    given = {statement for text in skeletons.values() for statement in parsing.parse(READER, "given", text)}
    compared = {file: Compared(file) for file in skeletons}
    seen: set[Path] = set()
    for entry in show([entry for entry in class_list if entry.path]):
        assert entry.path
        if entry.path not in seen:  # else a team's, which is one
            seen.add(entry.path)
            parsing.fresh()
            read(entry, compared, given)
    parsing.fresh()
    texts = [("functions", text) for text in [*solutions(), *map(text_of, ASSIGNMENT.glob("*.py"))]]
    texts += [(KINDS[path.suffix], text_of(path)) for path in files_in(known) if path.suffix in KINDS]
    public = [Prints(without(found, given)) for kind, text in texts if (found := functions_of(kind, text))]
    for one in compared.values():
        leave_out(one.prints.values(), public)
        one.pairs = compare(one.prints)
    return list(compared.values())


def read(entry: HandedIn, compared: dict[str, Compared], given: set[str]) -> None:
    """Read one hand-in."""
    try:
        assert entry.path
        files, why = submission.read(entry.path).files, "it was not handed in"
    except (Refused, *DAMAGED) as reason:
        files, why = {}, readable(str(reason), limit=200)
    for file, into in compared.items():
        if file not in files:
            into.missing.setdefault(why, []).append(entry.student)
            continue
        text = files[file].decode("utf-8-sig", errors="replace")
        try:
            functions, broken = parsing.parse(READER, "functions", text)
        except parsing.Unparsable as reason:
            into.missing.setdefault(str(reason), []).append(entry.student)
            continue
        into.prints[entry.student] = Prints(without(functions, given), readable(broken, limit=200))
        into.texts[entry.student] = readable(text, limit=None, lines=True).split("\n")


def solutions() -> list[str]:
    """The instructor's own, of the whole homework and of this course."""
    course = Course(Rubric.load())
    ours = [course.text(text_of(ROOT / "solution" / file), file) for file in FILES]
    return [*ours, *(data.decode() for data in reference().values())]


def files_in(folder: Path | None) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder else []


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def functions_of(kind: str, text: str) -> list[Function]:
    """Those of a text that is left out; none of one that cannot be read."""
    try:
        return parsing.parse(READER, kind, text)[0]
    except parsing.Unparsable:
        return []
