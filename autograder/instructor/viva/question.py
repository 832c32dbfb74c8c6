"""One question, with its answer for the assistant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...text import readable


@dataclass
class Code:
    """Lines of a student's file.

    lines   (number or None, text, "" or what becomes of it: "here", "gone" or "new")
    margin  how far the lines stand to the right in the file, which is not shown
    """

    file: str
    lines: list[tuple[int | None, str, str]]
    margin: int = 0

    @classmethod
    def of(cls, file: str, text: str, first: int, last: int, around: int = 2) -> Code:
        """Some lines, marked, with those around them."""
        lines = text.split("\n")
        numbers = range(max(1, first - around), min(len(lines), last + around) + 1)
        several = [shown(lines[n - 1]) for n in numbers]
        margin = min((len(line) - len(line.lstrip()) for line in several if line.strip()), default=0)
        marks = ["here" if first <= n <= last else "" for n in numbers]
        shifted = [line[margin:] for line in several]
        return cls(file, list(zip(numbers, shifted, marks, strict=True)), margin)

    def changed(self, new: list[str]) -> Code:
        """The same with other lines in the place of those that are marked."""
        here = [n for n, (_, _, mark) in enumerate(self.lines) if mark]
        before, after = self.lines[: here[0]], self.lines[here[-1] + 1 :]
        gone = [(number, text, "gone") for number, text, mark in self.lines if mark]
        come = [(None, shown(text)[self.margin :], "new") for text in new]
        return Code(self.file, [*before, *gone, *come, *after], self.margin)


@dataclass
class Formula:
    """An equation as readback/expression.py writes it, or "", and what follows it."""

    source: str
    text: str = ""


@dataclass
class Table:
    head: list[str]
    rows: list[list[str]]


@dataclass
class Question:
    """What to ask, and what is right.

    title    what kind of question it is
    ask      paragraphs, for the student
    answer   for the assistant: paragraphs, formulas, tables and code; all of it was computed from this student's work
    section  of the handout
    code     that it is about
    formulas that it is about
    """

    title: str
    ask: Sequence[str]
    answer: Sequence[str | Formula | Table | Code]
    section: str = ""
    code: Sequence[Code] = ()
    formulas: Sequence[Formula] = ()


def shown(line: str) -> str:
    return readable(line.expandtabs(4), limit=200)


def number(value: float, digits: int = 3) -> str:
    """As the handout writes it."""
    return f"{value + 0.0:.{digits}g}".replace("-", "−").replace("e−0", "e−").replace("e+0", "e")
