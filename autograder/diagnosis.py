"""Naming the mistake: what a wrong answer has in common with the recorded answers of known mistakes.

The recorder runs every known mistake (mistakes.toml) on the cases of each check that it fails. For every wrong answer
it keeps a fingerprint: nine numbers that say how far the answer is off. A mistake is a suspect of a check when it
explains every answer of it: wrong where the student's is wrong, in the same way, and right where that is right.
Which suspect is named is decided when all checks are done: only one that failed wherever it must, and that explains
how. No name is better than a wrong one, which sends a student looking in the wrong place.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .causes import LIST, TABLES
from .language import N_, _, chained, english, together
from .paths import MISTAKES
from .readback.sameness import agree, complete
from .record import BAD_OUTPUT, BLOCKED, CRASHED, NOT_IMPLEMENTED, PASSED, WRONG
from .text import readable
from .which import apart, certain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from .expect import Expect
    from .expect.answers import Answer
    from .record import CheckResult, Failed

PROJECTIONS = 8
LARGE = 1e4  # what is farther off, or not finite, counts as this far: its place is part of a fingerprint, its size not
QUOTED = re.compile(r"( at \w+\.py line \d+): .*", re.DOTALL)  # a line of code in the message of an exception
PREVIOUS = "reverse.previous_timestep"
# What flow matching takes of the rest of the scheduler.
OF_FLOW = {"flow.step": [PREVIOUS], "flow.strided": [LIST, PREVIOUS], "flow.loss": ["loss.v_prediction"]}
KIND = re.compile("must be a torch.Tensor|must have dtype")
CLEAR = 3  # tolerances; an answer less far off may be right in another, equally right program


@dataclass(frozen=True)
class Mistake:
    """An entry of the catalogue, in English. Never says what would be right.

    form  {check: {term: source of the wrong formula}}, where the mistake is a formula: what reads/ must read back of it
    """

    id: str
    did: str
    effect: str
    hint: str
    section: str
    form: dict[str, dict[str, Any]] = field(default_factory=dict, compare=False)

    @property
    def text(self) -> str:
        """All of it, for a student to read."""
        told = {"did": _(self.did), "effect": _(self.effect), "hint": _(self.hint), "section": self.section}
        return _("It looks like this: {did} {effect}\nHint: {hint} (handout {section})", **told)


@cache
def catalogue() -> dict[str, Mistake]:
    """All mistakes by their ids, in the order of the handout."""
    tables = tomllib.loads(MISTAKES.read_text(encoding="utf-8"))
    return {id: Mistake(id, **fields) for id, fields in tables.items()}


def fingerprint(off: np.ndarray | float) -> np.ndarray:
    """(9,) float32: projections of how far an answer is off, about as large as its typical element; and how far off its
    worst element is, which projections of a long table hardly show."""
    flat = np.clip(np.nan_to_num(np.ravel(off), nan=LARGE), -LARGE, LARGE)
    n = np.arange(1, flat.size + 1)
    signs = np.sign(np.cos(np.outer(np.arange(1, PROJECTIONS + 1), n**1.5)))
    return np.array([*(signs @ flat / np.sqrt(flat.size)), np.abs(flat).max(initial=0)], np.float32)


def alike(off: np.ndarray | float, recorded: np.ndarray, tolerance: float) -> np.ndarray:
    """Whether an answer that is this far off has each of the recorded fingerprints (M, 9): (M,) bool."""
    size = np.maximum(1, np.abs(recorded))
    size[:, :PROJECTIONS] = size[:, :PROJECTIONS].max(axis=1, keepdims=True)
    return np.all(np.abs(fingerprint(off) - recorded) <= 2 * tolerance * size, axis=1)


@dataclass
class Suspects:
    """The known mistakes that explain one failed check, and what is known if none does.

    mistakes  ids of those that the answers point to
    possible  ids of those that the answers do not contradict, because theirs are random
    loses     {id: the checks that it must fail}
    known     a sentence about which results are right
    nameable  whether any known mistake must fail this check
    error     what two failures have in common that come from one and the same error; of public cases, else empty
    cause     what makes the check pass (causes.py), a sentence, and in `follows` the checks that it follows from
    faint     whether all that is wrong is NaN or infinite, as many different errors end
    """

    mistakes: list[str]
    possible: list[str]
    loses: dict[str, list[str]]
    known: str
    nameable: bool
    error: str = ""
    cause: str = ""
    follows: list[str] = field(default_factory=list)
    faint: bool = False

    @property
    def explained(self) -> bool:
        return bool(self.mistakes or self.possible or self.follows)

    def allows(self, mistake: str) -> bool:
        """Whether the check may have failed because of a mistake, or because of what that mistake did elsewhere."""
        return mistake in self.mistakes + self.possible or bool(self.follows)

    @classmethod
    def of(cls, expect: Expect, failed: Failed) -> Self:
        """Suspects of a check that ended with `failed`, from the answers that it had collected."""
        recorded = expect.expectations.mistakes
        said = recorded["said"].get(expect.check, {})
        words = None if expect.settled else words_of(failed, expect)
        ids = recorded["suspects"].get(expect.check, [])
        found, possible = match_fingerprints(expect, ids)
        found, possible = (
            [id for id in some if said.get(id) == words] for some in (found if expect.wrong else ids, possible)
        )
        if expect.settled and not found:
            found = match_weights(expect, ids)
        known = [*expect.remarks, parts(expect)]
        error = error_of(failed) if expect.public else ""
        faint = bool(expect.wrong) and not any(finite_and_off(answer) for answer in expect.wrong)
        return cls(found, possible, recorded["loses"], "\n".join(filter(None, known)), bool(ids), error, faint=faint)


def finite_and_off(answer: Answer) -> bool:
    """Whether any element of a wrong answer is a number that is off."""
    return bool(np.any(np.isfinite(answer.off) & (np.abs(answer.off) > answer.tolerance)))


def error_of(failed: Failed) -> str:
    """What is the same wherever the same error strikes: the line where it is raised, or what it says where that is a
    missing name or there is no such line; what is not implemented; or the kind of a result."""
    if failed.verdict == NOT_IMPLEMENTED:
        return failed.message
    if failed.types:
        if set(failed.types) & {"NameError", "ImportError"} or not failed.place:
            return f"{failed.types[0]} {failed.said}".strip()
        return _("{type} at {place}", type=failed.types[0], place=located(failed.place))
    return failed.message if failed.verdict == BAD_OUTPUT and KIND.search(failed.english) else ""


def located(place: str) -> str:
    """A place in the student's file, "scheduler.py line 12", to be read."""
    file, _line, line = place.split()
    return _("{file} line {line}", file=file, line=line)


def words_of(failed: Failed, expect: Expect) -> list[str | int]:
    """[verdict, message, number of answers before it] of what ended a check, as it is recorded for each known mistake:
    without the line of code that the message of an exception quotes. Of a known mistake that is a line of the
    reference."""
    return [failed.verdict, QUOTED.sub(r"\1", failed.english), len(expect.answers)]


def match_fingerprints(expect: Expect, ids: Sequence[str]) -> tuple[list[str], list[str]]:
    """(mistakes whose fingerprints agree with every answer of the check, those that only do not disagree)."""
    possible, clear = np.ones(len(ids), bool), np.zeros(len(ids), bool)
    for answer in expect.answers:
        recorded = expect.expectations.tensors.get(f"{expect.check}/mistakes/{key(answer)}")
        if recorded is None:  # no known mistake goes wrong here
            possible &= answer.right
            continue
        recorded = of_each(recorded, len(ids))
        right, unclear = np.isnan(recorded[:, 0]), np.isinf(recorded[:, 0])
        same = right
        if not answer.right:
            same = ~right & ~unclear & alike(answer.off, np.where(np.isfinite(recorded), recorded, 0), answer.tolerance)
            clear |= same
        possible &= unclear | same
    return (
        [id for id, one, sure in zip(ids, possible, clear, strict=True) if one and sure],
        [id for id, one, sure in zip(ids, possible, clear, strict=True) if one and not sure],
    )


def key(answer: Answer) -> str:
    """What an answer is recorded under."""
    return f"{english(answer.name)} {english(answer.where)}"


def of_each(rows: np.ndarray, count: int) -> np.ndarray:
    """(count, 9) fingerprints of so many mistakes, from recorded rows (W, 10); NaN for a mistake that has no row."""
    found = np.full((count, rows.shape[1] - 1), np.nan)
    found[rows[:, 0].astype(int)] = rows[:, 1:]
    return found


def match_weights(expect: Expect, ids: Sequence[str]) -> list[str]:
    """The mistakes in `step` that explain every step, given what the student's own, also wrong, `predict` returns."""
    steps = [(answer, answer.step) for answer in expect.answers if answer.step]
    if len(steps) < len(expect.answers):
        return []
    recorded = [expect.expectations.tensors.get(f"{expect.check}/weights/{key(a)}", ()) for a, _step in steps]
    own = [{int(n): np.reshape(weights, (-1, 3)) for n, *weights in rows} for rows in recorded]

    def fits(n: int) -> bool:
        return all(
            step.explains(answer, weights.get(n, step.forms))
            for (answer, step), weights in zip(steps, own, strict=True)
        )

    return [id for n, id in enumerate(ids) if fits(n)]


def parts(expect: Expect) -> str:
    """What the numbers say when no known mistake fits: which results are right, and in which cases."""
    if not expect.wrong:
        right = len(expect.answers)
        says = N_("Until then {n} results were right.") if right > 1 else N_("Until then {n} result was right.")
        return _(says, n=right) if right else ""
    if len(expect.answers) == 1:
        return ""
    faults, known, fine = expect.faults(), [], []
    for name in dict.fromkeys(answer.name for answer in expect.answers):
        cases = [(answer.where, answer not in faults) for answer in expect.answers if answer.name == name]
        wrong = sum(not right for _, right in cases)
        if not wrong:
            fine.append(name)
        elif expect.public and (told := apart(cases)):
            known.append(_("{name} is {what}", name=name, what=told))
        else:
            surely = certain(cases) if expect.public and wrong < len(cases) else ""
            says = N_("{name} is wrong in {n} of {count} cases")
            says = N_("{name} is wrong in {n} of {count} cases ({which})") if surely else says
            known.append(_(says, name=name, n=wrong, count=len(cases), which=surely))
    if fine:
        says = N_("{names} is right") if len(fine) == 1 else N_("{names} are right")
        known.append(_(says, names=together(fine)))
    if len(faults) < len(expect.wrong):
        return _("What is known, given what your own predict returns: {what}.", what=chained(known))
    return _("What is known: {what}.", what=chained(known))


def explains_all(
    mistake: str,
    loses: Mapping[str, Sequence[str]],
    results: Mapping[str, CheckResult],
    suspects: Mapping[str, Suspects],
    sections: Mapping[str, str],
) -> bool:
    """Whether the results as a whole speak for a mistake that one of them points to.

    Each check that it must fail has failed, and it explains how they did: all of them where nothing else failed and no
    other mistake is in sight, and else at least the first, which is nearest to where it is made, and by more than NaN.
    What it says must also hold for the checks that it does not fail: none of those of the same code has failed in a way
    that nothing explains, nor that of the tables which all later checks compute with.

    loses     {mistake: the checks that it must fail}
    sections  {check: where the handout asks for what it tests}
    """
    tested = [id for id in results if id in loses[mistake] and results[id].verdict != BLOCKED]
    explained = [id in suspects and suspects[id].allows(mistake) for id in tested]
    if not all(results[id].verdict != PASSED for id in tested) or not all(explained[:1]):
        return False
    others = [id for id, suspect in suspects.items() if suspect.nameable and id not in loses[mistake]]
    same_code = {sections.get(id) for id in tested}
    unexplained = [id for id in others if not suspects[id].explained]
    if TABLES in unexplained or any(sections.get(id) in same_code for id in unexplained):
        return False
    if not others:
        return all(explained)
    signs = [suspects[id].faint for id in tested if id in suspects and mistake in suspects[id].mistakes]
    return not (signs and all(signs))


def hold_to_formulas(
    suspects: Mapping[str, Suspects],
    results: Mapping[str, CheckResult],
    recorded: Mapping[str, dict[str, dict[str, Any]]],
) -> None:
    """Drop the suspects whose formula is another than what was read back of the student's code; and where none is left,
    take those whose formula is the one that was read.

    recorded  {id: {check: what is read back of that mistake}}
    """

    def is_not_another(mistake: str, suspect: Suspects) -> bool:
        formulas = recorded.get(mistake, {})
        return all(agree(results[id].reads, formulas.get(id, {})) for id in suspect.loses[mistake] if id in results)

    def is_the_one(mistake: str, reads: dict[str, Any]) -> bool:
        known = recorded[mistake].get(id, {})
        return complete(known) and complete(reads) and agree(known, reads) and agree(reads, known)

    for id, suspect in suspects.items():
        for some in (suspect.mistakes, suspect.possible):
            some[:] = [mistake for mistake in some if is_not_another(mistake, suspect)]
        # A formula says nothing of another shape or kind of result.
        if results[id].verdict == WRONG and results[id].reads and not suspect.mistakes:
            alike = [mistake for mistake in recorded if is_the_one(mistake, results[id].reads)]
            suspect.mistakes += [mistake for mistake in alike if is_not_another(mistake, suspect)]


def diagnose(results: Mapping[str, CheckResult], suspects: Mapping[str, Suspects], sections: Mapping[str, str]) -> None:
    """Give each failed check its hint, and the id of the mistake where one is named.

    sections  {check: where the handout asks for what it tests}
    """
    if not suspects:
        return
    catalogued = catalogue()
    order, told, errors = list(catalogued), {}, {}
    explains = Counter(mistake for suspect in suspects.values() for mistake in suspect.mistakes)
    for id, suspect in suspects.items():
        results[id].mistake, results[id].follows = None, []
        # One that is only possible here is named if the answers to another check point to it.
        candidates = suspect.mistakes or [mistake for mistake in suspect.possible if explains[mistake]]
        likely = [
            m for m in candidates if m in catalogued and explains_all(m, suspect.loses, results, suspects, sections)
        ]
        if not likely:
            results[id].hint = "\n".join(filter(None, unnamed(id, suspect, results, errors)))
            continue
        best = max(likely, key=lambda m: (explains[m], -len(suspect.loses[m]), -order.index(m)))
        first = told.setdefault(best, id)
        results[id].mistake = best
        same = first != id
        says = N_("Follows from {checks}: it is the same mistake.")
        results[id].hint = follow(results[id], [first], says) if same else catalogued[best].text


def follow(result: CheckResult, others: list[str], says: str, cause: str = "") -> str:
    """Note that a check fails because of these others. Returns what `says` makes of them for its hint."""
    result.follows = others
    return _(says, checks=together(others), cause=cause)


def unnamed(id: str, suspect: Suspects, results: Mapping[str, CheckResult], errors: dict[str, str]) -> list[str]:
    """What is said where no mistake is named: what the failure follows from, or else what is known.

    errors  {what they have in common: the first check that failed with it}
    """
    result = results[id]
    first = errors.setdefault(suspect.error, id) if suspect.error else id
    if suspect.follows:
        if result.verdict == CRASHED:
            result.detail = ""  # of what its inputs made of the earlier mistake
        return [follow(result, suspect.follows, N_("Follows from {checks}. {cause}"), suspect.cause)]
    if first != id:
        here, there = result.place, results[first].place
        same = not (here and there) or here == there
        if same and result.verdict != NOT_IMPLEMENTED:
            result.message = readable(_("{error}, as in {check}", error=suspect.error, check=first), limit=None)
        result.detail = ""
        return [follow(result, [first], N_("Follows from {checks}: it is the same error."))]
    if suspect.cause and (first := errors.setdefault(suspect.cause, id)) != id:
        return [follow(result, [first], N_("Follows from {checks}: it is the same order of arguments."))]
    wrong = [each for each in sources(result) if each in results and results[each].verdict not in (PASSED, BLOCKED)]
    may = [_("It may follow from {checks}: mend that first.", checks=together(wrong))] if wrong else []
    return [suspect.cause, suspect.known, *may]


def sources(result: CheckResult) -> list[str]:
    """The checks of what a later check takes from the student's scheduler."""
    id, part = result.id, result.part
    if part == "schedule" or id == LIST:
        return []
    if id == PREVIOUS:
        return [LIST]
    if part == "flow":
        return OF_FLOW.get(id, [PREVIOUS] if result.verdict == CRASHED else [])
    lists = [LIST] if id.endswith(".strided") else []
    if result.verdict != CRASHED or part == "forward":
        return [TABLES, *lists]
    return [each for each in (TABLES, *lists, PREVIOUS, "reverse.predict_epsilon") if each != id]
