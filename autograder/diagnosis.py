"""Naming the mistake: what a wrong answer has in common with the recorded answers of known mistakes.

The recorder runs every known mistake (mistakes.toml) on the cases of each check that it fails. For every wrong answer
it keeps a fingerprint: eight numbers, projections of how far the answer is off. A mistake is a suspect of a check when
it explains every answer of it: wrong where the student's is wrong, in the same way, and right where that is right.
Which suspect is named is decided when all checks are done: only one that failed wherever it must, and that explains
how. No name is better than a wrong one, which sends a student looking in the wrong place.
"""

import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from functools import cache

import numpy as np

from .paths import MISTAKES
from .record import BLOCKED, PASSED

PROJECTIONS = 8
LARGE = 1e4  # what is farther off, or not finite, counts as this far: its place is part of a fingerprint, its size not
QUOTED = re.compile(r"( at \w+\.py line \d+): .*", re.DOTALL)  # a line of code in the message of an exception
CLEAR = 3  # tolerances; an answer less far off may be right in another, equally right program


@dataclass(frozen=True)
class Mistake:
    """An entry of the catalogue, for a student to read. Never says what would be right."""

    id: str
    did: str
    effect: str
    hint: str
    section: str

    @property
    def text(self):
        return f"It looks like this: {self.did} {self.effect}\nHint: {self.hint} (handout {self.section})"


@cache
def catalogue():
    """{id: Mistake}, in the order of the handout."""
    tables = tomllib.loads(MISTAKES.read_text(encoding="utf-8"))
    return {id: Mistake(id, **fields) for id, fields in tables.items()}


def fingerprint(off):
    """(8,) float32: projections of how far an answer is off, about as large as its typical element."""
    flat = np.clip(np.nan_to_num(np.ravel(off), nan=LARGE), -LARGE, LARGE)
    n = np.arange(1, flat.size + 1)
    signs = np.sign(np.cos(np.outer(np.arange(1, PROJECTIONS + 1), n**1.5)))
    return np.float32(signs @ flat / np.sqrt(flat.size))


def alike(off, recorded, tolerance):
    """Whether an answer that is this far off has each of the recorded fingerprints (M, 8)."""
    size = np.maximum(1, np.abs(recorded).max(axis=1, keepdims=True))
    return np.all(np.abs(fingerprint(off) - recorded) <= 2 * tolerance * size, axis=1)


@dataclass
class Suspects:
    """The known mistakes that explain one failed check, and what is known if none does.

    mistakes  ids of those that the answers point to
    possible  ids of those that the answers do not contradict, because theirs are random
    loses     {id: the checks that it must fail}
    known     a sentence about which results are right
    nameable  whether any known mistake must fail this check
    """

    mistakes: list
    possible: list
    loses: dict
    known: str
    nameable: bool

    @classmethod
    def of(cls, expect, failed):
        """Suspects of a check that ended with `failed`, from the answers that it had collected."""
        recorded = expect.expectations.mistakes
        said = recorded["said"].get(expect.check, {})
        words = None if expect.settled else words_of(failed, expect)
        ids = recorded["suspects"].get(expect.check, [])
        found, possible = explained(expect, ids)
        found, possible = (
            [id for id in some if said.get(id) == words] for some in (found if expect.wrong else ids, possible)
        )
        if expect.settled and not found:
            found = carried(expect, ids)
        known = [*expect.remarks, parts(expect) if expect.wrong else ""]
        return cls(found, possible, recorded["loses"], "\n".join(filter(None, known)), bool(ids))


def words_of(failed, expect):
    """[verdict, message, number of answers before it] of what ended a check, as it is recorded for each known mistake:
    without the line of code that the message of an exception quotes. Of a known mistake that is a line of the
    reference."""
    return [failed.verdict, QUOTED.sub(r"\1", failed.message), len(expect.answers)]


def explained(expect, ids):
    """(mistakes whose fingerprints agree with every answer of the check, those that only do not disagree)."""
    possible, clear = np.ones(len(ids), bool), np.zeros(len(ids), bool)
    for answer in expect.answers:
        recorded = expect.expectations.tensors.get(f"{expect.check}/mistakes/{answer.name} {answer.where}")
        if recorded is None:  # no known mistake goes wrong here
            possible &= answer.right
            continue
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


def carried(expect, ids):
    """The mistakes in `step` that explain every step, given what the student's own, also wrong, `predict` returns."""
    steps = [answer for answer in expect.answers if answer.step]
    if len(steps) < len(expect.answers):
        return []
    recorded = [expect.expectations.tensors.get(f"{expect.check}/weights/{a.name} {a.where}") for a in steps]

    def fits(n):
        for answer, weights in zip(steps, recorded, strict=True):
            own = None if weights is None or np.isnan(weights[n, 0, 0]) else weights[n]
            if not answer.step.explains(answer, answer.step.forms if own is None else own):
                return False
        return True

    return [id for n, id in enumerate(ids) if fits(n)]


def parts(expect):
    """What the numbers say when no known mistake fits: which results are right, and in how many cases."""
    names = dict.fromkeys(answer.name for answer in expect.answers)
    wrong = {name: sum(answer.name == name for answer in expect.wrong) for name in names}
    right = [name for name in names if not wrong[name]]
    counts = [
        f"{name} is wrong in {wrong[name]} of {sum(answer.name == name for answer in expect.answers)} cases"
        for name in names
        if wrong[name]
    ]
    if right:
        counts.append(f"{' and '.join(right)} {'is' if len(right) == 1 else 'are'} right")
    return f"What is known: {', '.join(counts)}." if len(expect.answers) > 1 else ""


def made(mistake, loses, results, suspects):
    """Whether the results as a whole speak for a mistake that one of them points to.

    Each check that it must fail has failed, and it explains how they did: all of them where nothing else failed and no
    other mistake is in sight, and else at least the first, which is nearest to where it is made."""
    tested = [id for id in results if id in loses[mistake] and results[id].verdict != BLOCKED]
    explained = [id in suspects and mistake in suspects[id].mistakes + suspects[id].possible for id in tested]
    if not all(results[id].verdict != PASSED for id in tested) or not all(explained[:1]):
        return False
    others = any(suspect.nameable for id, suspect in suspects.items() if id not in loses[mistake])
    return others or all(explained)


def diagnose(results, suspects):
    """Give each failed check its hint, and the id of the mistake where one is named."""
    if not suspects:
        return
    catalogued = catalogue()
    order, told = list(catalogued), {}
    explains = Counter(mistake for suspect in suspects.values() for mistake in suspect.mistakes)
    for id, suspect in suspects.items():
        # One that is only possible here is named if the answers to another check point to it.
        candidates = suspect.mistakes or [mistake for mistake in suspect.possible if explains[mistake]]
        likely = [m for m in candidates if m in catalogued and made(m, suspect.loses, results, suspects)]
        if not likely:
            results[id].hint = suspect.known
            continue
        best = max(likely, key=lambda m: (explains[m], -len(suspect.loses[m]), -order.index(m)))
        first = told.setdefault(best, id)
        results[id].mistake = best
        results[id].hint = catalogued[best].text if first == id else f"The same mistake as in {first}."
