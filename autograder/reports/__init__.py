"""Reports: one file per format, each a pure function from a grade record and the rubric to the text of a file.

A new format is a module here, and a line in FORMATS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..files import write
from . import gradescope, html, junit, markdown
from .platforms import autolab, classroom, inginious, prairielearn

if TYPE_CHECKING:
    from pathlib import Path

    from ..record import GradeRecord
    from ..rubric import Rubric


class Format(NamedTuple):
    """A file that a grade is written to.

    in_class  whether a class run writes it for each student, too
    """

    name: str
    render: Callable[[GradeRecord, Rubric], str]
    in_class: bool = False


FORMATS = (
    Format("report.html", html.render, in_class=True),
    Format("results.json", gradescope.render, in_class=True),
    Format("junit.xml", junit.render),
    Format("summary.md", markdown.render),
)
# Written where a command asks for one of them.
PLATFORMS = {
    "prairielearn": Format("prairielearn.json", prairielearn.render),
    "autolab": Format("autolab.txt", autolab.render),
    "classroom": Format("classroom.json", classroom.render),
    "inginious": Format("inginious.json", inginious.render),
}


def write_all(
    folder: Path, record: GradeRecord, rubric: Rubric, in_class: bool = False, platforms: Sequence[str] = ()
) -> None:
    """Write a grade into a folder in all formats, or in those of a class run, and in those of some platforms.

    A file that is right already is left alone: its time tells when the grade changed.
    """
    wanted = [each for each in FORMATS if each.in_class or not in_class] + [PLATFORMS[name] for name in platforms]
    for each in wanted:
        path, text = folder / each.name, each.render(record, rubric)
        if not path.exists() or path.read_bytes() != text.encode():
            write(path, text)
