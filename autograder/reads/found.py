"""What was read of one thing, and what may be said of it: what is right is called right and no more."""

from dataclasses import dataclass, field

import numpy as np

from ..readback.expression import SYMBOLS, combination
from ..which import apart, certain

TABLES = ("betas", "alphas", "alphas_cumprod")
RIGHT = "right"
OF_Z = "for this weight of z"
NEARLY = "the numbers are right; `make check` says what else is wrong"
OTHER_TIMESTEPS = (6, 61, 307, 733)  # of the full list, where what was read must hold, too
MOST = 7.0  # the cost of a formula; among those beyond it some fit by chance


@dataclass
class Found:
    """What was read of one thing that a submission computes.

    check  its id
    what   it is, in words
    reads  {term: source of an Expression, RIGHT, or None where it was not read}
    lines  what there is to say of it
    """

    check: str
    what: str
    reads: dict = field(default_factory=dict)
    lines: list = field(default_factory=list)


def untold(found, terms, why):
    """Note that some terms were not read, and why."""
    found.reads |= dict.fromkeys(terms)
    found.lines.append(f"not read{why and f': {why}'}")


def which(cases):
    """What is right among cases that are not all right, as a line, if there is one."""
    told = [(case.where, case.right) for case in cases]
    if len({case.right for case in cases}) < 2:
        return []
    words = apart(told) or certain(told)
    return [f"  right in {sum(right for _, right in told)} of {len(told)} cases{words and f': {words}'}"]


def told(found, name, one, into, cases, holds, partly=()):
    """Write down a weighted sum: what is right, as such; what was read, in full; and which cases are right.

    one     Sum or Step
    into    {term: ...} of found.reads
    cases   all that are told of
    holds   {term: whether what was read holds in other cases, too}
    partly  {term: in what way its formula is right, where its weights are not right in all cases}
    """
    if all(right.all() for right in one.right.values()):
        found.lines += [f"{name}: not read, its weights are nearly right", *which(cases)]
        return
    shown, wrong, unread = [], [], []
    for term, reading in one.reads.items():
        symbol, right = SYMBOLS[term], one.right[term]
        if right.all():
            into[term] = RIGHT
            shown.append(f"+ [right] · {symbol}")
        elif term in partly:
            into[term] = RIGHT if partly[term] == OF_Z else None
            shown.append(f"+ [right {partly[term]}] · {symbol}")
        elif not (reading and sure(reading) and holds[term] and np.all(reading.holds | right)):
            wrong.append(symbol)
            unread.append(symbol)
            shown.append(f"+ [not read] · {symbol}")
        else:
            wrong.append(symbol)
            into[term] = reading.expression.python
            text = combination({term: reading.expression}).unicode
            if text != "0":
                shown.append(f"− {text[1:]}" if text.startswith("−") else f"+ {text}")
    if wrong and len(unread) == len(wrong):
        found.lines.append(f"{name}: not read")
    else:
        text = " ".join(shown).removeprefix("+ ") or "0"
        found.lines.append(f"{name} = {'−' + text[2:] if text.startswith('− ') else text}")
        if any("sigma" in (source or "") for source in into.values()):
            found.lines.append("  where σ is the weight of z")
    if wrong:
        rights = [SYMBOLS[term] for term in one.reads if one.right[term].all()]
        verb = "weight of {} differs" if len(wrong) == 1 else "weights of {} differ"
        line = f"  the {verb.format(' and '.join(wrong))} from the recorded"
        found.lines.append(line + (f"; right: {' and '.join(rights)}" if rights else ""))
    found.lines += which(cases)


def sure(reading):
    """Whether a Reading is plain enough to be told."""
    return not reading.ambiguous and reading.cost <= MOST


def standard(readers):
    """(betas, alphas_cumprod) of the default tables, or None where they are not right: what is made of wrong tables
    could be called right or wrong for the wrong reason."""
    cases = [case for case in readers["schedule.linear"].cases if case.where.endswith("T = 1000")]
    by_name = {case.name: case.got for case in cases if case.right}
    return (by_name["betas"], by_name["alphas_cumprod"]) if by_name.keys() >= set(TABLES) else None


def arrays(measured):
    """(values, errors) of K Weights on N terms, each (K, N)"""
    return tuple(np.array([getattr(one, name) for one in measured]) for name in ("values", "errors"))
