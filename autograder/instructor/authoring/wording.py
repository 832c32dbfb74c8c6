"""How each language says the numbers of the handout: its headings, tables, totals and counts of public cases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from ...language import english

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...rubric import Entry

Run = tuple[int, int]  # the first and the last of parts in a row


class Wording(Protocol):
    """heading  a chapter with points: its number, its title
    table    what stands above the rows of checks
    total    the sentence that says what there is to earn
    public   what stands before a number of public cases, after the heading of its section
    """

    heading: re.Pattern[str]
    table: str
    total: re.Pattern[str]
    public: re.Pattern[str]

    def chapter(self, number: str, title: str, worth: str) -> str:
        """The line of a heading."""

    def title(self, entry: Entry, written: str) -> str:
        """Of a check, which the handout calls `written`."""

    def worth(self, graded: float, bonus: float) -> str: ...

    def by_hand(self, points: float, bonus: bool) -> str:
        """What the report gives."""

    def sentence(self, runs: Sequence[Run], graded: float, bonus: float) -> str: ...


class English:
    heading = re.compile(r"## (\d+) (.*) \([^()]*points?[^()]*\)\n")
    table = "| check | title | points | section |"
    total = re.compile(r"\*\*Parts? [^*]* give [^*]* points?[^*]*\.\*\*")
    public = re.compile(r"(?s)(^### (\d\.\d) [^\n]*\n\n> [^\n]*Public: )\d+(?= )", re.MULTILINE)

    def chapter(self, number: str, title: str, worth: str) -> str:
        return f"## {number} {title} ({worth})\n"

    def title(self, entry: Entry, written: str) -> str:
        return english(entry.title)

    def points(self, number: float) -> str:
        return f"{number:g} point{'s' * (number != 1)}"

    def worth(self, graded: float, bonus: float) -> str:
        if not bonus:
            return self.points(graded)
        return f"{self.points(graded)}, and {bonus:g} as a bonus" if graded else f"{self.points(bonus)}, bonus"

    def by_hand(self, points: float, bonus: bool) -> str:
        return f"{self.points(points)}, by hand" + ", bonus" * bonus

    def sentence(self, runs: Sequence[Run], graded: float, bonus: float) -> str:
        on_top = f", and a bonus of {bonus:g} comes on top" if bonus else ""
        names = [
            name
            for first, last in runs
            for name in ([f"{first} to {last}"] if last > first + 1 else map(str, range(first, last + 1)))
        ]
        listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
        return f"**Parts {listed} give {self.points(graded)}{on_top}.**"


class Chinese:
    heading = re.compile(r"## (\d+) (.*)（[^（）]*分[^（）]*）\n")
    table = "| 检查 | 内容 | 分值 | 小节 |"
    total = re.compile(r"\*\*第 [^*]*部分共 [^*]* 分[^*]*。\*\*")
    public = re.compile(r"(?s)(^### (\d\.\d) [^\n]*\n\n> [^\n]*公开用例：)\d+(?= )", re.MULTILINE)

    def chapter(self, number: str, title: str, worth: str) -> str:
        return f"## {number} {title}（{worth}）\n"

    def title(self, entry: Entry, written: str) -> str:
        return written.removesuffix("（加分）") + "（加分）" * entry.bonus

    def worth(self, graded: float, bonus: float) -> str:
        if not bonus:
            return f"{graded:g} 分"
        return f"{graded:g} 分，另加 {bonus:g} 分" if graded else f"{bonus:g} 分，加分"

    def by_hand(self, points: float, bonus: bool) -> str:
        return f"{points:g} 分，人工评阅" + "，加分" * bonus

    def sentence(self, runs: Sequence[Run], graded: float, bonus: float) -> str:
        on_top = f"，另有 {bonus:g} 分加分" if bonus else ""
        names = [f"第 {first} 至 {last} 部分" if last > first else f"第 {first} 部分" for first, last in runs]
        listed = f"{'、'.join(names[:-1])}和{names[-1]}" if len(names) > 1 else names[0]
        return f"**{listed}共 {graded:g} 分{on_top}。**"


WORDINGS: dict[str, Wording] = {"en": English(), "zh": Chinese()}
