"""What a person reads in a terminal: what to do next, how far they are, and the checks. A part whose checks all say the
same is one line, and nothing is told twice."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from ..language import N_, _, listed, together
from ..record import BLOCKED, NOT_IMPLEMENTED, PASSED, UNGRADED, tally
from ..rubric import REPORT
from ..text import is_wide, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from ..record import CheckResult, GradeRecord
    from ..rubric import Rubric

STYLES = {PASSED: "green", NOT_IMPLEMENTED: "yellow", BLOCKED: "dim", UNGRADED: "magenta"}
COMMANDS = {"training": "make train", "infer": "make infer"}  # for who has such a part before them
WIDTH = 34  # of names
INDENT = 15  # of what is told of a check, below its id


def render(record: GradeRecord, rubric: Rubric, when: str = "") -> Group:
    """when  a sentence about the time of this grade, where there are several"""
    total = _("{record.points:g} of {record.max_points:g} points. {record.state}", record=record)
    head = [(ahead(record, rubric), "bold"), (total, ""), (when, "dim")]
    notes = [block(note, "dim") for note in (*elsewhere(record, rubric), *record.notes)]
    above = [block(line, style) for line, style in head if line]
    return Group(*above, Text(), *rows(record, rubric), *([Text()] if notes else []), *notes)


class Wide(NamedTuple):
    """A text with wide letters, whose lines may end beside any of them: rich breaks lines at spaces only."""

    text: str
    style: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for paragraph in self.text.split("\n"):
            for line in wrapped(paragraph, options.max_width):
                yield Text(line, self.style)


def block(text: str, style: str) -> RenderableType:
    return Wide(text, style) if is_wide(text) else Text(text, style)


def elsewhere(record: GradeRecord, rubric: Rubric) -> list[str]:
    """A line about the points that are not in this grade, where there are any; a bonus is nobody's duty."""
    graded = {check.id for check in record.checks}
    left = [entry for entry in rubric.checks.values() if entry.id not in graded and entry.points and not entry.bonus]
    if not left:
        return []
    *parts, last = dict.fromkeys(number(entry.part, rubric) for entry in left)
    points = sum(entry.points for entry in left)
    if not parts:
        return [_("The other {points:g} points are in part {part}.", points=points, part=last)]
    return [_("The other {points:g} points are in parts {parts}.", points=points, parts=listed([*parts, last]))]


def ahead(record: GradeRecord, rubric: Rubric) -> str:
    """What to do next, in a sentence: also where all is right and something is left, else ""."""
    if record.next or record.complete or any(check.verdict != PASSED for check in record.checks):
        return record.next
    graded = {check.part for check in record.checks}
    left = next((part for part in rubric.parts if part not in graded), None)
    if not left:
        return _("Next: the study, handout 7; then `make submit`.") if rubric.on(REPORT) else _("Next: `make submit`.")
    asked = {"part": rubric.parts[left], "section": number(left, rubric), "command": COMMANDS.get(left)}
    says = N_("Next: {part}, handout {section}: `{command}`.")
    return _(says if asked["command"] else N_("Next: {part}, handout {section}."), **asked)


def number(part: str, rubric: Rubric) -> str:
    """Of a part, in the handout."""
    return next(entry.section for entry in rubric.checks.values() if entry.part == part).partition(".")[0]


def rows(record: GradeRecord, rubric: Rubric) -> Iterator[RenderableType]:
    told: dict[str, str] = {}
    for part, group in groupby(record.checks, lambda check: check.part):
        news = [(check, *new(check, told, record.next)) for check in group]
        points, most = tally([check for check, *_ in news])
        name = f"{number(part, rubric)} {rubric.parts[part]}"
        first, words, below = news[0]
        if not below and len({(check.verdict, *rest) for check, *rest in news}) == 1:
            yield row(points, most, Text(name, "bold"), words, first.verdict)
            continue
        yield row(points, most, Text(name, "bold"))
        for check, words, below in news:
            yield row(check.points, check.max_points, Text(f"  {check.section} {check.id}"), words, check.verdict)
            if below:
                yield Padding(block(below, "dim"), (0, 0, 0, INDENT), expand=False)


def new(check: CheckResult, told: dict[str, str], ahead: str) -> tuple[str, str]:
    """(the verdict, or words that point to where it was told before; text for below it, "" if there is nothing new)

    told   {paragraph: the check that it was told of}; the new ones are added
    ahead  the sentence that the report begins with
    """
    if check.follows:
        return _("follows from {checks}", checks=together(check.follows)), ""
    # Of what is not written yet there is nothing else to say.
    paragraphs = [check.message] if check.verdict == NOT_IMPLEMENTED else check.paragraphs
    if check.message and check.message in ahead:
        paragraphs[0] = "" if check.verdict == NOT_IMPLEMENTED else check.detail
    fresh = [paragraph for paragraph in paragraphs if paragraph not in told]
    if paragraphs and not fresh:
        return _("as for {check}", check=told[paragraphs[0]]), ""
    told.update(dict.fromkeys(fresh, check.id))
    return check.in_words, "\n".join(filter(None, fresh))


def row(points: float, most: float, name: Text, words: str = "", verdict: str = "") -> Text:
    name.pad_right(WIDTH - name.cell_len)
    return Text.assemble(f"{f'{points:g}/{most:g}':>7}  ", name, (words, STYLES.get(verdict, "red")))
