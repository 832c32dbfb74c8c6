"""What was read of one thing, and what may be said of it: what is right is called right and no more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..language import N_, _, chained, english, listed
from ..readback.expression import SYMBOLS, Expression, combination
from ..readback.reading import CONFIRMED, Cases, Reading
from ..readback.sameness import leaves
from ..readback.weights import Weights, constant
from ..which import apart, certain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..readback.forms import Step
    from ..readback.predictions import Sum
    from .collecting import Case, Readers

TABLES = ("betas", "alphas", "alphas_cumprod")
RIGHT = N_("right")
OF_Z = "right_for_z"
NEARLY = N_("the numbers are right; `make check` says what else is wrong")
OTHER_TIMESTEPS = (6, 61, 307, 733)  # of the full list, where what was read must hold, too
NONE = 1e-6  # a weight
MOST = 7.0  # the cost of a formula; among those beyond it some fit by chance


class Line(NamedTuple):
    """One line of what there is to say.

    formula  source of an equation, or ""; see readback/expression.py
    text     what follows it
    """

    formula: str
    text: str

    def __str__(self) -> str:
        return (Expression(self.formula).unicode if self.formula else "") + self.text


@dataclass
class Found:
    """What was read of one thing that a submission computes.

    check  its id
    what   it is, in words
    reads  {term: source of an Expression, RIGHT, or None where it was not read}
    lines  what there is to say of it
    cases  in which cases it is right: sentences
    notable  whether the lines tell of something that is not as it should be, and that is no formula
    """

    check: str
    what: str
    reads: dict[str, Any] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    cases: list[str] = field(default_factory=list)
    notable: bool = False

    def say(self, text: str = "", formula: str = "") -> None:
        self.lines.append(Line(formula, text))

    def which(self, cases: Sequence[Case], name: str = "") -> None:
        """Say what is right among cases that are not all right."""
        told = [(case.where, case.right) for case in cases]
        if len({case.right for case in cases}) < 2:
            return
        words = apart(told) or certain(told)
        says = N_("right in {n} of {count} cases: {words}") if words else N_("right in {n} of {count} cases")
        right = _(says, n=sum(case.right for case in cases), count=len(cases), words=words)
        self.cases.append(_("{name} is {what}", name=name, what=right) if name else right)

    @property
    def telling(self) -> bool:
        """Whether anything was read that is not as it should be."""
        return self.notable or any(source not in (RIGHT, None) for source in leaves(self.reads))


def untold(found: Found, terms: Iterable[str], why: str) -> None:
    """Note that some terms were not read, and why."""
    found.reads |= dict.fromkeys(terms)
    found.say(not_read(why))


def not_read(why: str) -> str:
    return _("not read: {why}", why=why) if why else _("not read")


def is_right(name: str) -> str:
    return _("{what}: right", what=name)


def no_sum(
    found: Found,
    terms: Iterable[str],
    names: str,
    answers: Sequence[np.ndarray | None],
    columns: Sequence[Iterable[np.ndarray]],
) -> None:
    """Note that answers are no weighted sums of what is named, and whether a constant alone is too much."""
    number = constant(answers, columns)
    if number is None:
        untold(found, terms, _("it is no weighted sum of {terms}", terms=names))
    else:
        says = N_("it is a weighted sum of {terms}, and {number:.4g} is added everywhere")
        untold(found, terms, _(says, terms=names, number=number))
        found.notable = True


def told(
    found: Found,
    name: str,
    one: Sum | Step,
    into: dict[str, Any],
    cases: Sequence[Case],
    holds: Mapping[str, bool],
    partly: Mapping[str, str],
    where: Sequence[str],
) -> None:
    """Write down a weighted sum: what is right, as such; what was read, in full; and which cases are right.

    name    of the sum, a symbol
    into    found.reads, or the part of it that the terms stand in
    cases   all that are told of
    holds   whether what was read of a term holds in other cases, too
    partly  what stands for the weight of a term, where its formula is right and its weights are not in all cases
    where   what to call the cases that it was read from
    """
    if all(right.all() for right in one.right.values()):
        right = all(case.right for case in cases)
        nearly = _("{what}: its weights are right, or nearly", what=SYMBOLS[name])
        found.say(is_right(SYMBOLS[name]) if right else nearly)
        into |= dict.fromkeys(one.reads, RIGHT if right else None)
        found.which(cases)
        return
    shown, wrong, unread = {}, [], []
    for term, reading in one.reads.items():
        right = one.right[term]
        if right.all():
            into[term] = RIGHT
            shown[term] = "right"
        elif term in partly:
            into[term] = RIGHT if partly[term] == OF_Z else None
            shown[term] = partly[term]
        elif not (reading and sure(reading) and holds[term] and np.all(reading.holds | right)):
            wrong.append(term)
            unread.append(term)
            shown[term] = "unread"
        else:
            wrong.append(term)
            into[term] = shown[term] = reading.expression.python
    if wrong and len(unread) == len(wrong) == len(shown):
        found.say(_("{what}: not read", what=SYMBOLS[name]))
    else:
        found.say(
            formula=f"{name} == {combination({term: Expression(source) for term, source in shown.items()}).python}"
        )
        if any("sigma" in (source or "") for source in into.values()):
            found.say(_("where σ is the weight of z"))
        found.notable |= bool(unread)
        for term in unread:
            if some := values(one.weights[term], where):
                says = N_("the weight of {term} that was not read is {values}")
                found.say(_(says, term=SYMBOLS[term], values=some))
    if wrong:
        rights = [SYMBOLS[term] for term in one.reads if one.right[term].all()]
        names = {"wrong": listed([SYMBOLS[term] for term in wrong]), "right": listed(rights) if rights else ""}
        says = N_("not as it should be: the weight of {wrong}")
        if len(wrong) > 1:
            says = N_("not as it should be: the weights of {wrong}")
        told = _(says, **names)
        found.say(_("{told}; right: {right}", told=told, **names) if rights else told)
    found.which(cases)


def values(weights: np.ndarray, where: Sequence[str]) -> str:
    """A weight in some cases, in words; of those in which it is none, few."""
    some = dict(zip(where, weights, strict=True)) if len(where) == len(weights) else {}
    chosen = [case for case in some if abs(some[case]) > NONE] or list(some)
    shown = chosen[:: max(1, len(chosen) // 4)]
    return chained(_("{number:.4g} at {case}", number=some[case], case=case) for case in shown)


def others_agree(one: Sum, cases: Cases, weights: np.ndarray, errors: np.ndarray) -> dict[str, bool]:
    """Whether what was read of each term holds in other cases."""
    measured = dict(zip(one.reads, zip(weights.T, errors.T, strict=True), strict=True))
    return {
        term: reading is not None and bool(cases.agrees(reading.expression, *measured[term], CONFIRMED).all())
        for term, reading in one.reads.items()
    }


def sure(reading: Reading) -> bool:
    """Whether it is plain enough to be told."""
    return not reading.ambiguous and reading.cost <= MOST


def standard(readers: Readers) -> tuple[np.ndarray, np.ndarray] | None:
    """(betas, alphas_cumprod) of the default tables, or None where they are not right: what is made of wrong tables
    could be called right or wrong for the wrong reason."""
    cases = [case for case in readers["schedule.linear"].cases if english(case.where).endswith("T = 1000")]
    by_name = {case.name: case.got for case in cases if case.right and case.got is not None}
    return (by_name["betas"], by_name["alphas_cumprod"]) if by_name.keys() >= set(TABLES) else None


def arrays(measured: Sequence[Weights | None]) -> tuple[np.ndarray, np.ndarray]:
    """(values, errors) of K Weights on N terms, each (K, N). Raises AttributeError where one is None."""
    values, errors = (np.array([getattr(one, name) for one in measured]) for name in ("values", "errors"))
    return values, errors
