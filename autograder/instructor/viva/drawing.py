"""Five questions for one student: drawn from all kinds that this student's work allows, the same in every run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...box import BoxError
from .questions import changes, experiments, history, mistakes, program, report, variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .desk import Desk
    from .question import Question

FIVE = 5
RUNS = (variables, changes, program, experiments)  # kinds that run the student's code
# What only this student can be asked comes first; where there are more kinds than questions, the last are left out.
KINDS = (mistakes, history, variables, changes, report, program, experiments)
ORDER = (variables, changes, mistakes, history, program, report, experiments)  # on the page: what is easy to begin with


def five(desk: Desk) -> list[Question]:
    """At most five: one of each kind, then more of those kinds of which there are more. What cannot be made because of
    a fault of ours is named in `desk.faults`. Raises BoxError and OSError for what is this host's."""
    kinds = [kind for kind in KINDS if not (kind in RUNS and desk.lab.slow)]
    waiting = {kind.TITLE: kind.asked(desk) for kind in kinds}
    found: list[Question] = []
    while waiting:
        for title in list(waiting):
            if len(found) == FIVE:
                waiting.clear()
            elif question := another(desk, title, waiting[title]):
                found.append(question)
            else:
                del waiting[title]
    titles = [kind.TITLE for kind in ORDER]
    return sorted(found, key=lambda question: titles.index(question.title))


def another(desk: Desk, title: str, kind: Iterator[Question]) -> Question | None:
    """The next question of a kind, if there is one."""
    try:
        return next(kind, None)
    except (BoxError, OSError):
        raise
    except Exception as error:  # what students write may be anything, and the others must not wait for it
        desk.faults.append(f"{title} ({type(error).__name__}: {error})")
        return None
