"""Reports: one file per format, each a pure function from a grade record and the rubric to the text of a file.

A new format is a module here, and a line in FORMATS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ..files import write
from . import gradescope, html, junit, markdown

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


def write_all(folder: Path, record: GradeRecord, rubric: Rubric, in_class: bool = False) -> None:
    """Write a grade into a folder in all formats, or in those of a class run.

    A file that is right already is left alone: its time tells when the grade changed.
    """
    for each in (each for each in FORMATS if each.in_class or not in_class):
        path, text = folder / each.name, each.render(record, rubric)
        if not path.exists() or path.read_bytes() != text.encode():
            write(path, text)
