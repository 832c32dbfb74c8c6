"""The grade record: what one check found, and what one submission earned. Plain data; reports are made from it. All
text in it is fit to be read anywhere (text.py)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .language import N_, _, english
from .readback.expression import Expression
from .text import all_readable, readable

PASSED = "passed"
WRONG = "wrong"
NOT_IMPLEMENTED = "not_implemented"
CRASHED = "crashed"
TIMED_OUT = "timed_out"
OVER_LIMIT = "over_limit"
BAD_OUTPUT = "bad_output"
BLOCKED = "blocked"
UNGRADED = "ungraded"
WORDS = {
    PASSED: N_("passed"),
    WRONG: N_("wrong"),
    NOT_IMPLEMENTED: N_("not implemented"),
    CRASHED: N_("crashed"),
    TIMED_OUT: N_("timed out"),
    OVER_LIMIT: N_("over limit"),
    BAD_OUTPUT: N_("bad output"),
    BLOCKED: N_("blocked"),
    UNGRADED: N_("ungraded"),
}
VERDICTS = tuple(WORDS)


class Failed(Exception):
    """A check cannot pass: the verdict, and one plain sentence for the student. Both may quote the student's code.

    detail  numbers or text that only a public case may show
    types   for an exception of the student's code: the names of its class and base classes
    said    what that exception said; of what is not implemented, its name
    place   where in the student's file it was raised: "scheduler.py line 12"
    english the message, as it is recorded and compared in any language
    """

    def __init__(
        self, verdict: str, message: str, detail: str = "", types: Sequence[str] = (), said: str = "", place: str = ""
    ) -> None:
        super().__init__(message)
        self.verdict, self.message, self.place = verdict, readable(message, limit=None), place
        self.english = readable(english(message), limit=None)
        self.detail, self.types = readable(detail, limit=None, lines=True), types
        self.said = readable(said, limit=None)


@dataclass
class Evidence:
    """A wrong answer to a public case, for a picture.

    name, where    what it is, in which case
    got, expected  float64, of the same shape; a number is an array of no dimensions
    cases          (where, right) of every answer of its check
    """

    name: str
    where: str
    got: np.ndarray
    expected: np.ndarray
    cases: list[tuple[str, bool]]


@dataclass
class CheckResult:
    """What one check found.

    message  one plain sentence, true on public and hidden cases
    detail   the numbers behind it; of public cases only
    place    where in the student's file it stopped: "scheduler.py line 12"
    hint     what the student probably did, or what else is known
    mistake  the catalogue's id for what the student did, where it is named
    follows  ids of the checks without whose failure it would not have failed, as far as that is known
    reads    {term: what the student's code computes it with, a formula in Python, "right", or None where it was not
             read}; of public cases only
    computes the same in lines to show, [[source of an equation or "", text that follows]]
    evidence what a picture can show of it; of public cases only
    picture  what the student's work drew: a PNG, in base64
    standing {name: number} of a contest, the less the better
    printed  what the student's code printed on public cases
    facts    for staff: how a process ended, a traceback of ours
    by_hand  points that an instructor gave instead
    section  of the handout, where what it tests is asked for
    bonus    whether its points come on top of the total
    """

    id: str
    part: str
    title: str
    max_points: int | float  # as the rubric writes it, and so do reports
    verdict: str
    message: str = ""
    detail: str = ""
    hint: str = ""
    mistake: str | None = None
    follows: list[str] = field(default_factory=list)
    reads: dict[str, Any] = field(default_factory=dict)
    computes: list[list[str]] = field(default_factory=list)
    evidence: Evidence | None = None
    picture: str = ""
    standing: dict[str, float] = field(default_factory=dict)
    printed: str = ""
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    by_hand: float | None = None
    section: str = ""
    bonus: bool = False
    place: str = ""

    def __post_init__(self) -> None:
        self.message = readable(self.message, limit=None)
        for name in ("detail", "hint", "printed", "facts", "reads", "computes"):
            setattr(self, name, all_readable(getattr(self, name)))

    @property
    def output(self) -> str:
        """All that the student is told, as lines of plain text."""
        return "\n".join(self.paragraphs)

    @property
    def in_words(self) -> str:
        """The verdict."""
        return _(WORDS[self.verdict])

    @property
    def paragraphs(self) -> list[str]:
        """The same, piece by piece."""
        what = _("{what} ({detail})", what=self.message, detail=self.detail) if self.detail else self.message
        printed = _("Printed:\n{text}", text=self.printed) if self.printed else ""
        return [text for text in (what, "\n".join(self.formulas), self.hint, printed) if text]

    @property
    def formulas(self) -> list[str]:
        """What was read of the student's code, as lines of plain text."""
        return [(Expression(formula).unicode if formula else "") + text for formula, text in self.computes]

    @property
    def points(self) -> float:
        earned = self.max_points if self.verdict == PASSED else 0.0
        return earned if self.by_hand is None else self.by_hand


def tally(checks: Sequence[CheckResult]) -> tuple[float, float]:
    """(points, the most) of the checks of a part. A bonus adds nothing to the most, unless there is nothing else."""
    counted = [check for check in checks if not check.bonus] or checks
    return sum(check.points for check in checks), sum(check.max_points for check in counted)


@dataclass
class Shown:
    """What the student's code draws, or why it draws nothing yet: of report.html alone (look/).

    picture  a PNG, in base64, or ""
    """

    title: str
    text: str
    picture: str = ""


@dataclass
class GradeRecord:
    """One graded submission.

    complete      every part and every case was run
    provisional   hidden cases were not run
    notes         what was ignored or assumed when the submission was read
    made_with     kit version, box tier and what it does not block, start method, device, fingerprint of the hidden seed
    runs          for staff: facts of each boxed process (how it ended, its times, peak memory, what it was denied)
    shown         what the student's code draws; no part of the grade
    """

    submission: str
    checks: list[CheckResult]
    complete: bool
    provisional: bool
    notes: list[str]
    made_with: dict[str, Any]
    runs: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    shown: list[Shown] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.submission, self.notes = readable(self.submission), [readable(note, limit=None) for note in self.notes]
        self.runs, self.made_with = all_readable(self.runs), all_readable(self.made_with)

    @property
    def points(self) -> float:
        return sum(check.points for check in self.checks)

    @property
    def max_points(self) -> float:
        """Without what comes on top: `points` may be more."""
        return sum(check.max_points for check in self.checks if not check.bonus)

    @property
    def ungraded(self) -> list[CheckResult]:
        return [check for check in self.checks if check.verdict == UNGRADED and check.by_hand is None]

    def first_wrong(self, among: Collection[str] | None = None) -> CheckResult | None:
        """The first check that is not right, in the handout's order, and that does not follow from another. What is
        written and wrong comes before what is not written yet: it is what the student works on.

        among  the ids of some checks; all by default
        """
        failed = [check for check in self.checks if check.verdict not in (PASSED, BLOCKED, UNGRADED)]
        failed = [check for check in failed if check.by_hand is None and (among is None or check.id in among)]
        own = [check for check in failed if not check.follows] or failed
        return min(own, key=lambda check: check.verdict == NOT_IMPLEMENTED, default=None)

    @property
    def next(self) -> str:
        """What to do next, in a sentence, or "" where no check failed. Of a wrong result, what is wrong with it stands
        beside its check; what stopped a check stands here, word for word."""
        wrong = self.first_wrong()
        if not wrong:
            return ""
        if wrong.verdict in (WRONG, BAD_OUTPUT):
            return _("Next: look at {check.section} again, {check.title} ({check.id}).", check=wrong)
        says = N_("Next: {check.message}; {check.title} ({check.id}, handout {check.section}) stops there.")
        return _(says, check=wrong)

    @property
    def state(self) -> str:
        """How far this is the last word, in a sentence or two for the student."""
        if self.ungraded:
            says = N_("{count} checks could not be graded here, so there is no score. Tell your instructor.")
            return _(says, count=len(self.ungraded))
        if self.provisional:
            return _("Provisional: public cases only. Hidden cases: after you submit.")
        return _("Public and hidden cases.") if self.complete else _("Some parts only.")
