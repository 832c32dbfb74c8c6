"""Which cases of a check are right and which are wrong, in words: "right for epsilon; wrong for v_prediction".

A case is known by the text that names it (`where` of an Answer), such as "for epsilon, clipped, at t = 3". What stands
there is read as settings, and settings that tell the right cases from the wrong ones are worth a sentence.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import combinations

from .language import N_, _, chained, english, together

# What may be told apart, in the order in which it is tried: (what a case says in English, how it is called), the
# last for cases that say nothing of it.
SETTINGS = {
    "samples": ((r"in float64", N_("in float64")), (r"", N_("in float32"))),
    "batch": ((r"batch of one image", N_("for one image alone")), (r"batch of images", N_("for a batch of images"))),
    "schedule": ((r"the (\w+) schedule", N_("with the {value} schedule")),),
    "prediction": ((r"\bfor (epsilon|v_prediction)\b", N_("for {value}")), (r"prediction_type=(\w+)", "for {value}")),
    "clipping": ((r"not clipped", N_("not clipped")), (r"clipped", N_("clipped"))),
    "variance": ((r"(fixed_\w+)", N_("with {value}")),),
    "list": (
        (r"before set_timesteps is called", N_("before set_timesteps is called")),
        (r"set_timesteps\((\d+)\), T = ", N_("for S = {value}")),
        (r"\bS = 1\b|set_timesteps\(1\)", N_("in one step")),
        (r"\bS = |set_timesteps\(\d", N_("over a short list")),
        (r"", N_("over the full list")),
    ),
    "eta": (
        (r"eta = 0\.0\b", N_("with eta = 0")),
        (r"eta = 1\.0\b", N_("with eta = 1")),
        (r"eta = ", N_("with eta between 0 and 1")),
    ),
    "tables": (
        (r"\b(T = \d+) and (beta_end = [\d.]+)", N_("with {value} and {other}")),
        (r"\b(T = \d+)", "with {value}"),
        (r"", N_("with the default tables")),
    ),
    "inputs": ((r"(x_t = 0)", "with {value}"), (r"(x_0 = 0)", "with {value}"), (r"", N_("with both inputs"))),
    "steps": ((r"default steps", N_("with default steps")), (r"\b(\d+) steps", N_("with {value} steps"))),
    "images": ((r"\b(\d+) images", N_("for {value} images")),),
}
VALUES = ("value", "other")  # what a case says of a setting
MOST = 3  # settings that a sentence lists
TIMESTEP = re.compile(r"\bt = (\d+)|\bof (\d+) ")


def settings(where: str) -> dict[str, str]:
    """{setting: its words} of a case."""
    return {name: words for name, forms in SETTINGS.items() if (words := first(forms, where))}


def first(forms: Iterable[tuple[str, str]], where: str) -> str | None:
    for pattern, words in forms:
        if found := re.search(pattern, english(where)):
            return _(words, **dict(zip(VALUES, found.groups(), strict=False)))
    return None


def timestep(where: str) -> int | None:
    found = TIMESTEP.search(english(where))
    return int(found[1] or found[2]) if found else None


def apart(cases: Sequence[tuple[str, bool]]) -> str:
    """What the right cases have in common and the wrong ones have not; "" where no few settings tell them apart.

    cases  (where, right) of each
    """
    if len({right for _, right in cases}) < 2:
        return ""
    read = [(settings(where), right) for where, right in cases]
    names = [name for name in SETTINGS if len({each.get(name) for each, _ in read} - {None}) > 1]
    for chosen in (*combinations(names, 1), *combinations(names, 2)):
        groups = {}
        for each, right in read:
            groups.setdefault(tuple(each.get(name) for name in chosen), []).append(right)
        if all(len(set(group)) == 1 for group in groups.values()) and (len(groups) < len(read) or chosen == ("list",)):
            return sentence(groups)
    return by_timestep(cases)


def certain(cases: Sequence[tuple[str, bool]]) -> str:
    """Where no few settings tell the cases apart: those with which several cases are all right, or all wrong. Where
    most cases are wrong, that some of them are says nothing."""
    told, mostly_wrong = [], 2 * sum(right for _, right in cases) < len(cases)
    read = [(settings(where), right) for where, right in cases]
    for name in SETTINGS:
        groups = {}
        for each, right in read:
            groups.setdefault(each.get(name), []).append(right)
        for words, group in groups.items():
            alike = len(group) > 1 and len(set(group)) == 1 and len(groups) > 1
            if words and alike and (group[0] or not mostly_wrong):
                says = N_("right in all {n} {words}") if group[0] else N_("wrong in all {n} {words}")
                told.append(_(says, n=len(group), words=words))
    return chained(told[:MOST]) if told else ""


def sentence(groups: dict[tuple[str | None, ...], list[bool]]) -> str:
    """What is right and what is wrong: "right for epsilon, not clipped (5 cases); wrong for v_prediction (4 cases)"."""
    right, wrong = listed(groups, True), listed(groups, False)
    if max(len(right), len(wrong)) <= MOST:
        return _("right {right}; wrong {wrong}", right=together(right), wrong=together(wrong))
    if len(right) <= MOST:
        return _("right {right}; wrong in all other cases", right=together(right))
    return _("wrong {wrong}; right in all other cases", wrong=together(wrong)) if len(wrong) <= MOST else ""


def listed(groups: dict[tuple[str | None, ...], list[bool]], right: bool) -> list[str]:
    """Words for the settings whose cases are all right, or all wrong."""
    parts, told = [], set()
    for key, group in groups.items():
        if group[0] is not right:
            continue
        # Where the second setting makes no difference, it goes without saying.
        alike = [other for other in groups if other[0] == key[0]]
        whole = len(key) > 1 and key[0] and all(groups[other][0] is right for other in alike)
        words = tuple(filter(None, key[:1] if whole else key))
        if words not in told:
            told.add(words)
            count = sum(len(groups[other]) for other in alike) if whole else len(group)
            what = chained(words) if words else _("in the other cases")
            parts.append(_("{what} ({count} cases)", what=what, count=count) if count > 1 else what)
    return parts


def by_timestep(cases: Sequence[tuple[str, bool]]) -> str:
    """Where only early, or only late, timesteps are right."""
    known = sorted((timestep(where), right) for where, right in cases if timestep(where) is not None)
    rights = [right for _, right in known]
    if len(known) < len(cases):
        return ""
    cut = next(i for i, right in enumerate(rights) if right is not rights[0])
    if len(set(rights[cut:])) > 1 or known[cut - 1][0] == known[cut][0]:
        return ""
    places = {"until": known[cut - 1][0], "start": known[cut][0]}
    if known[0][0] == known[cut - 1][0]:
        says = (
            N_("right at t = {until}; wrong from t = {start} on"),
            N_("wrong at t = {until}; right from t = {start} on"),
        )
    else:
        says = (
            N_("right up to t = {until}; wrong from t = {start} on"),
            N_("wrong up to t = {until}; right from t = {start} on"),
        )
    return _(says[0] if rights[0] else says[1], **places)
