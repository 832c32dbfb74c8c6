"""What went wrong: the student's own formula as it was read back, the line that raised an error, what is still open."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ....diagnosis import catalogue
from ....record import CRASHED, NOT_IMPLEMENTED, PASSED
from .. import measures
from ..lab import SCHEDULER
from ..question import Code, Formula, Question, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....record import CheckResult
    from ..desk import Desk

TITLE = "What your code computes"
BEFORE = "right for the tables before it"
LINE = re.compile(r"\b(scheduler|infer)\.py line (\d+)")


def asked(desk: Desk) -> Iterator[Question]:
    """Questions about checks that failed, those with a formula first; one for what failed for one reason."""
    failed = [check for check in desk.checks.values() if check.verdict != PASSED and not check.follows]
    desk.draw(TITLE).shuffle(failed)
    for check in sorted(failed, key=lambda check: (not check.computes, not check.mistake)):
        if question := formula(desk, check) if check.computes else told(desk, check):
            yield question


def formula(desk: Desk, check: CheckResult) -> Question | None:
    """About a formula that was read back, and is not the handout's."""
    heading, *lines = check.computes
    shown = [Formula(source) for source, _ in lines if source]
    words = [text for source, text in lines if not source and BEFORE not in text]
    cases = any(text.startswith("It is right in") for text in words)
    if not shown:
        return told(desk, check)
    what = heading[1].removeprefix("What your code computes, ").partition(" (the right one")[0]
    ask = [
        f"Read back from what your code answers ({what}); [right] stands for what is as the handout has it:",
        "Which term is not as it should be? "
        + ("In which cases does that make no difference, and why?" if cases else "What does it do to images?"),
    ]
    answer: list[str | Formula | Table] = [*words]
    if check.mistake:
        mistake = catalogue()[check.mistake]
        answer = [f"{mistake.did} {mistake.effect}", *answer]
    if measure := measures.of_check(check.id):
        with desk.lab.at_work() as student:
            table = measure.table(measure.of(student))
        answer += [f"{measure.what}, as this code has them:", table] if table else []
    answer.append(f"The right formula stands in handout {check.section}. {check.title}: {check.points:g} of "
                  f"{check.max_points:g} points.")  # fmt: skip
    return Question(TITLE, ask, answer, check.section, formulas=shown)


def told(desk: Desk, check: CheckResult) -> Question | None:
    """About what a check says in words."""
    quoted = []
    if place := LINE.search(check.message):
        file, line = f"{place[1]}.py", int(place[2])
        text = desk.lab.text if file == SCHEDULER else desk.lab.infer
        if 1 <= line <= text.count("\n") + 1:
            quoted = [Code.of(file, text, line, line)]
    if check.verdict == NOT_IMPLEMENTED:
        ask = f"{check.title} is still open in your file. What goes in, what comes out, and how would you begin?"
        answer = [f"What goes in and comes out stands above the formula in handout {check.section}.", check.message]
    elif check.verdict == CRASHED:
        what = "" if check.message.startswith("import") else f"{check.title}: "
        ask = f"{what}{check.message}. What is wrong there, and how would you find it?"
        answer = [text for text in (check.detail, check.hint) if text]
    elif check.mistake:
        mistake = catalogue()[check.mistake]
        ask = f"{check.title} does not pass: {check.message}. Which line is it, and what does it do to samples?"
        answer = [f"{mistake.did} {mistake.effect}", f"What the student was told: {mistake.hint}"]
    elif check.hint or check.detail:
        ask = f"{check.title} does not pass: {check.message}. What would you look at first?"
        answer = [text for text in (check.hint, check.detail) if text]
    else:
        return None
    return Question(TITLE, [ask], [*answer] or ["Nothing more is known."], check.section, quoted)
