"""VALIDITY.md: what the run found, as a page for whoever has to decide whether to trust the grades."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ... import __version__, checks
from ...paths import PACKAGE
from ...readback.sameness import RIGHT, leaves
from ...record import BLOCKED, TIMED_OUT

if TYPE_CHECKING:
    from pathlib import Path

    from .trials import Subject

MERIT = 5  # points that may be had without a right formula
DATA = PACKAGE / "instructor" / "validity" / "survivors.toml"

PAGE = """\
# How far the grades can be trusted

Written by `make validity`: version {version} of the kit, commit {commit}; hidden cases and seeds drawn from `{seed}`.
It grades wrong and right submissions by the hundred, each in the box like a student's, and counts how often the
autograder errs.

| what can go wrong | how often it did |
|---|---|
{errors}

A **mutant** is the reference with one small change made by a machine: another operator, a number one larger, an
argument left out, a None in the place of a value. The operators are mutmut's, and all that they make is graded: the
mutants of `scheduler.py` on all but training, those of `infer.py` on part 6 but for `infer.digits`. A **known mistake**
is one that students make (`python -m autograder mistakes`). **Right submissions** are the {variants} of
`tests/submissions/accepted/`, on the exact parts under {seeds} seeds, and {whole} of them on all parts under
{seeds_all}.

## Mutants

| file | mutants | lose points | only by hanging | lose nothing: equivalent | lose nothing: wrong |
|---|---|---|---|---|---|
{files}

### Those that lose nothing, and why that is right
{survivors}
## What each check is good for

How many fail a check, and how many fail it and no other: without that check, these would get full marks.

| check | mutants | and nothing else | known mistakes | and nothing else |
|---|---|---|---|---|
{checks}

{needless}

## The cheapest points

What programs earn that are as cheap as anybody could make them, of the 96 points without training; the last column is
the figure of merit. `python -m autograder.instructor.validity.cheapest` searches for cheaper ones.

| program | points | without those for formulas that it has right |
|---|---|---|
{cheap}

## Formulas that are read back

Of those that lose points on public cases, how many are told what formula their code computes, how many only in which
words, how many get the name of a known mistake, and how many get none of it. `tests/test_readback.py` holds the reading
to steps with random formulas: none of them may be read as another.

| | lose points | a formula | words only | a name | neither |
|---|---|---|---|---|---|
{reads}

## Names that were not given, or wrongly

{names}
"""
ERRORS = {
    "a wrong submission loses nothing": "{accepted} of {behaving} mutants that behave differently",
    "a known mistake loses nothing": "{missed} of {known}",
    "a right submission loses points": "{rejected} of {exact} on the exact parts, {rejected_all} of {every} on all",
    "a known mistake is not named": "{nameless} of {known}",
    "a known mistake is given the name of another": "{misnamed} of {known}",
    "a mutant that does the same as a known mistake is not named": "{unnamed} of {twins}",
    "points for no right formula at all": "{merit} of 96, for the noise that a step draws",
    "a mutant is given the name of a mistake that it does not make": "{strange} of {killed}",
}


@dataclass
class Survivors:
    """What is known of mutants that lose nothing, and of checks that nothing fails alone (survivors.toml).

    why     {name of a mutant: why it is no mistake}
    checks  {check: what it is for}
    """

    why: dict[str, str]
    checks: dict[str, str]

    @classmethod
    def load(cls, path: Path = DATA) -> Self:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return cls({name: group["why"] for group in data["survivors"] for name in group["mutants"]}, data["checks"])


def render(
    commit: str,
    seed: str,
    wrong: Sequence[Subject],
    known: Sequence[Subject],
    exact: Sequence[Subject],
    every: Sequence[Subject],
    survivors: Survivors,
    cheap: Mapping[str, tuple[float, float]],
) -> tuple[str, list[str]]:
    """The page, and what has to be done about it, as lines: none where all is well.

    wrong, known, exact, every  all graded: mutants, known mistakes, and right ones twice
    cheap                       {program: (points, points that it does not deserve)}
    """
    killed, alive = split(wrong)
    detected, missed = split(known)
    accepted = [one for one in alive if one.name not in survivors.why]
    explained = [one for one in alive if one.name in survivors.why]
    rejected, rejected_all = split(exact)[0], split(every)[0]
    nameless = [one for one in detected if not one.named]
    misnamed = [one for one in known if set(one.named.values()) - {one.name}]
    twins = [one for one in killed if one.same_as]
    unnamed = [one for one in twins if not one.named]
    strange = [one for one in killed if one.misnamed]

    asked = [id for id in checks.CHECKS if id not in checks.MEASURED]
    rows = {id: [*counts(id, killed), *counts(id, detected)] for id in asked}
    idle = [id for id in asked if not rows[id][1]]
    groups = {
        "accepted": accepted,
        "behaving": [*killed, *accepted],
        "missed": missed,
        "known": known,
        "rejected": rejected,
        "exact": exact,
        "rejected_all": rejected_all,
        "every": every,
        "nameless": nameless,
        "misnamed": misnamed,
        "unnamed": unnamed,
        "twins": twins,
        "strange": strange,
        "killed": killed,
    }
    numbers: dict[str, int | str] = {name: len(group) for name, group in groups.items()}
    numbers["merit"] = f"{max(points for _, points in cheap.values()):g}"
    text = PAGE.format(
        version=__version__,
        commit=commit,
        seed=seed,
        errors="\n".join(row(what, how_often.format(**numbers)) for what, how_often in ERRORS.items()),
        variants=len({one.name for one in exact}),
        seeds=len({one.seeds for one in exact}),
        whole=len({one.name for one in every}),
        seeds_all=len({one.seeds for one in every}),
        files="\n".join(row(*of_file(file, wrong, accepted)) for file in dict.fromkeys(one.file for one in wrong)),
        survivors="".join(grouped(explained, survivors.why)),
        checks="\n".join(row(f"`{id}`", *rows[id]) for id in asked),
        needless="\n".join(f"- `{id}`: {survivors.checks[id]}" for id in checks.CHECKS if id in survivors.checks),
        reads="\n".join(
            row(*reading(what, file, group))
            for file in dict.fromkeys(one.file for one in wrong)
            for what, group in (("mutants", killed), ("known mistakes", detected))
        ),
        cheap="\n".join(row(f"`{name}`", *(f"{p:g}" for p in points)) for name, points in cheap.items()),
        names="\n".join(names(nameless, misnamed, unnamed, strange)) or "None.",
    )
    problems = [
        *(f"loses nothing, and is not in survivors.toml: '''{one.name}'''" for one in accepted),
        *(f"stands in survivors.toml, but survives no more: '''{name}'''"
          for name in survivors.why.keys() - {one.name for one in alive}),
        *(f"a known mistake that loses nothing: {one.name}" for one in missed),
        *(f"a right submission that loses points: {one.name} under {one.seeds[0]}: {one.said}"
          for one in [*rejected, *rejected_all]),
        *(f"a known mistake with the name of another: {one.name}: {one.named}" for one in misnamed),
        *(f"a program without a right formula earns {points:g} points, more than {MERIT}: {name}"
          for name, (_, points) in cheap.items() if points > MERIT),
        *(f"no mutant fails only {id}: say in survivors.toml what it is for, or remove it"
          for id in idle if id not in survivors.checks),
    ]  # fmt: skip
    return text, problems


def split(submissions: Iterable[Subject]) -> tuple[list[Subject], list[Subject]]:
    """(those that lose points, those that do not)."""
    return [one for one in submissions if one.verdicts], [one for one in submissions if not one.verdicts]


def counts(id: str, submissions: Iterable[Subject]) -> tuple[int, int]:
    """How many fail a check, and how many fail nothing else."""
    failing = [one.verdicts for one in submissions if one.verdicts and id in one.verdicts]
    return len(failing), sum(len(verdicts) == 1 for verdicts in failing)


def of_file(file: str, wrong: Iterable[Subject], accepted: Iterable[Subject]) -> tuple[str | int, ...]:
    """A row of the table of mutants."""
    killed, alive = split([one for one in wrong if one.file == file])
    hang = sum(set(one.verdicts.values()) <= {TIMED_OUT, BLOCKED} for one in killed if one.verdicts)
    open_ = sum(one.file == file for one in accepted)
    return f"`{file}`", len(killed) + len(alive), len(killed), hang, len(alive) - open_, open_


def reading(what: str, file: str, submissions: Iterable[Subject]) -> tuple[str | int, ...]:
    """A row of the table of what is read back."""
    some = [one for one in submissions if one.file == file]
    formula = [
        one for one in some if any(source not in (None, RIGHT) for r in one.reads.values() for source in leaves(r))
    ]
    words = [one for one in some if one.reads and one not in formula]
    named = [one for one in some if one.named]
    neither = [one for one in some if not one.reads and not one.named]
    return f"{what} of `{file}`", *map(len, (some, formula, words, named, neither))


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def grouped(explained: Collection[Subject], why: Mapping[str, str]) -> Iterator[str]:
    """The reasons, and under each the changed lines."""
    for reason in dict.fromkeys(why.values()):
        found = Counter(one.name for one in explained if why[one.name] == reason)
        if found:
            yield f"\n**{reason}** ({found.total()})\n\n"
            yield from (f"- `{name}`{f', {times} times' if times > 1 else ''}\n" for name, times in found.items())


def names(
    nameless: Iterable[Subject], misnamed: Iterable[Subject], unnamed: Iterable[Subject], strange: Iterable[Subject]
) -> Iterator[str]:
    for one in nameless:
        yield f"- The known mistake `{one.name}` gets no name."
    for one in misnamed:
        yield f"- The known mistake `{one.name}` is called {listed(one)}."
    for one in unnamed:
        yield f"- `{one.name}` does what `{one.same_as[0]}` does, and gets no name."
    for one in strange:
        yield f"- `{one.name}` is called {listed(one)}, and does something else."


def listed(one: Subject) -> str:
    return ", ".join(f"`{name}`" for name in dict.fromkeys(one.named.values()))
