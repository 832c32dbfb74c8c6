"""What would change if a weight were another one: one formula of the student's own, changed in one place, graded in the
box, and read back. What is asked about is what the checks see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....diagnosis import catalogue
from ....record import PASSED, WRONG
from .. import measures
from ..lab import SCHEDULER
from ..question import Code, Formula, Question, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....record import CheckResult, GradeRecord
    from ..desk import Desk
    from ..source import Change

TITLE = "What if"
TRIES = 12  # each is graded once, in a third of a second
SUPPOSE = {
    "root": "Suppose the root were missing in line {line}",
    "square": "Suppose the square were missing in line {line}",
    "clip": "Suppose line {line} did not clip",
    "product": "Suppose line {line} did not take the product",
    "one minus": "Suppose line {line} had `{new}` in the place of `{old}`",
    "sign": "Suppose line {line} had {new} in the place of {old}",
    "name": "Suppose line {line} had `{new}` in the place of `{old}`",
    "gone": "Suppose lines {line} were not there",
}
ASK = {
    "schedule": "What would the table look like, and what would that do to images?",
    "forward": "What would come out at t = 0 and at t = 999, and what would that do to training?",
    "loss": "Would the loss still fall, and what would the network learn?",
    "reverse": "Would anything raise an error? What would that do to samples, and in which steps is it worst?",
}
NAMED = 5  # checks, in words
UNNAMED = "Would anything raise an error? What would be computed then, and where is it worst?"


def asked(desk: Desk) -> Iterator[Question]:
    """Questions about changes of this student's formulas, in the order of the draw; those that make a known mistake
    come first."""
    changes = list(desk.places[1])
    desk.draw(TITLE).shuffle(changes)
    others, tried, seen = [], 0, set()
    for change in varied(changes):
        if tried == TRIES:
            break
        tried += 1
        lines = desk.lab.text.split("\n")
        text = "\n".join([*lines[: change[2] - 1], *without(change, lines), *lines[change[3] :]])
        lost = new_faults(desk.lab.record, desk.lab.grade(text.encode()))
        if not lost or any(check.verdict != WRONG for check in lost):
            continue  # of no effect, or one that Python itself would tell
        named = next((check.mistake for check in lost if check.mistake), None)
        question = about(desk, change, text, lost, named)
        if named and named not in seen:
            seen.add(named)
            yield question
        elif any(check.computes for check in lost):
            others.append(question)
    yield from others


def varied(changes: list[Change]) -> list[Change]:
    """The same, one of each kind and function before the next of them."""
    rank: dict[tuple[str, str], int] = {}
    order = []
    for change in changes:
        place = rank[change[:2]] = rank.get(change[:2], -1) + 1
        order.append(place)
    return [change for _, change in sorted(zip(order, changes, strict=True), key=lambda each: each[0])]


def without(change: Change, lines: list[str]) -> list[str]:
    """The lines that stand in the place of those that are changed: a block must not become empty."""
    kind, _, first, *_, new = change
    indentation = lines[first - 1][: -len(lines[first - 1].lstrip())]
    return [f"{indentation}pass"] if kind == "gone" else new


def new_faults(before: GradeRecord, after: GradeRecord) -> list[CheckResult]:
    """The checks that a change loses."""
    passed = {check.id for check in before.checks if check.verdict == PASSED}
    return [check for check in after.checks if check.id in passed and check.verdict != PASSED]


def about(desk: Desk, change: Change, text: str, lost: list[CheckResult], named: str | None) -> Question:
    kind, function, first, last, old, new, lines = change
    line = f"{first} to {last}" if last > first else f"{first}"
    signs = {"+": "a plus", "-": "a minus"}
    words = {"old": signs.get(old.strip(" ()\n"), old), "new": signs.get(new.strip(" ()\n"), new)}
    ask = ASK.get(lost[0].part, ASK["reverse"]) if named else UNNAMED
    where = f"in `{function.rpartition('.')[2]}`{' of DDIM' if function.startswith('DDIM') else ''}"
    here = Code.of(SCHEDULER, desk.lab.text, first, last, around=1)
    answer: list[str | Formula | Table | Code] = []
    if named:
        mistake = catalogue()[named]
        answer.append(f"{mistake.did} {mistake.effect}")
    computes = next((check.computes for check in lost if check.computes), [])
    answer += [Formula(formula) for formula, _ in computes if telling(formula)]
    answer += numbers(desk, text, lost)
    passed = sum(check.verdict == PASSED for check in desk.lab.record.checks)
    kept = f"{passed - len(lost)} of {len(desk.lab.record.checks)}"
    answer.append(f"Nothing raises an error. {spoken(lost)} would fail; {kept} checks of scheduler.py still pass.")
    paragraph = f"{SUPPOSE[kind].format(line=line, **words)}, {where}. {ask}"
    return Question(TITLE, [paragraph], answer, lost[0].section, [here.changed(lines)])


def telling(formula: str) -> bool:
    """Whether a line that was read back is a formula, all of it."""
    return bool(formula) and "unread" not in formula and not formula.endswith("== right")


def numbers(desk: Desk, text: str, lost: list[CheckResult]) -> list[str | Table]:
    """What the change does to the weights, of the first check that tells; else one number of the first."""
    for check in lost:
        if measure := measures.of_check(check.id):
            with desk.lab.at_work() as student:
                now = measure.of(student)
            with desk.lab.at_work(text) as student:
                then = measure.of(student)
            table = measure.table(now, then) if then else None
            if table and any("→" in cell for row in table.rows for cell in row):
                return [f"{measure.what}, now → then:", table]
    first = lost[0]
    return [f"In numbers: {first.message} ({first.detail})."] if first.detail else []


def spoken(checks: list[CheckResult]) -> str:
    ids = [check.id for check in checks]
    few = ids if len(ids) <= NAMED else [*ids[: NAMED - 1], f"{len(ids) - NAMED + 1} more"]
    return f"{', '.join(few[:-1])} and {few[-1]}" if len(few) > 1 else few[0]
