"""What went wrong earlier, and is right now: how it was found."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from ....diagnosis import catalogue
from ....record import BLOCKED, NOT_IMPLEMENTED, PASSED, UNGRADED
from ..lab import SCHEDULER
from ..question import Code, Formula, Question, shown
from .changes import telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....record import CheckResult
    from ..desk import Attempt, Desk

TITLE = "Your earlier attempts"
NO_MISTAKE = (PASSED, NOT_IMPLEMENTED, BLOCKED, UNGRADED)
MOST = 12  # lines of a difference


def asked(desk: Desk) -> Iterator[Question]:
    """Questions about checks that an earlier attempt lost and the present one passes; known mistakes first."""
    found = [
        (attempt, check)
        for attempt in reversed(desk.earlier)
        for check in attempt.record.checks
        if check.verdict not in NO_MISTAKE and not check.follows
        and check.id in desk.checks and desk.checks[check.id].verdict == PASSED
    ]  # fmt: skip
    desk.draw(TITLE).shuffle(found)
    told: set[str] = set()
    for attempt, check in sorted(found, key=lambda each: (not each[1].mistake, not each[1].computes)):
        if (check.mistake or check.id) not in told:
            told.add(check.mistake or check.id)
            yield about(desk, attempt, check)


def about(desk: Desk, attempt: Attempt, check: CheckResult) -> Question:
    ask = [
        f"In {attempt.name} you lost “{check.title}” ({check.message}); now it passes. What was wrong, how did you "
        "find it, and what did you change?"
    ]
    answer: list[str | Formula | Code] = []
    if check.mistake:
        mistake = catalogue()[check.mistake]
        answer.append(f"{mistake.did} {mistake.effect}")
    elif check.hint:
        answer.append(check.hint)
    answer += [Formula(source) for source, _ in check.computes if telling(source)]
    others = [one.id for one in attempt.record.checks if one.verdict != PASSED]
    if len(others) > 1:
        answer.append(f"{len(others)} checks failed then: {', '.join(others[:8])}{' ...' if len(others) > 8 else ''}.")
    if lines := difference(attempt.text, desk.lab.text):
        answer += [f"What changed in {SCHEDULER} since then:", Code(SCHEDULER, lines)]
    return Question(TITLE, ask, answer, check.section)


def difference(before: str, now: str) -> list[tuple[int | None, str, str]]:
    """The first lines that differ, as Code has them; nothing where the earlier text is not kept."""
    if not before or before == now:
        return []
    old, new, found = before.split("\n"), now.split("\n"), []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            found += [(None, shown(line), "gone") for line in old[a:b] if line.strip()]
            found += [(c + n + 1, shown(line), "new") for n, line in enumerate(new[c:d]) if line.strip()]
    return found[:MOST]
