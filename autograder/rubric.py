"""rubric.toml, read: what the course asks and what it is worth, tolerances and limits. No other file knows a number of
these."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .language import ENGLISH, _, languages
from .paths import RUBRIC

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GRADED, BONUS, OFF = "graded", "bonus", "off"
ALWAYS = ("schedule", "forward", "reverse")  # all other parts build on them
VARIED = ("v_prediction", "ddim")  # without these, checks of other parts ask for other things
MNIST = "mnist"  # a data set, and what a check needs whose trained networks ship
REPORT = "report"
# Parts of one section of the handout, which come and go together.
TOGETHER = (("loss", "training"),)
NAME = re.compile(r"[\w-]+", re.ASCII)  # of a folder: it goes into programs
FIELDS = {"title", "points", "section", "tolerance"}  # of a check; it may have `needs`
DEFAULT_STEPS = 50  # of infer.py: a network with fewer timesteps could not be sampled from without an option


class RubricError(ValueError):
    """The rubric asks for what makes no sense; the text says what, in one line."""

    def __init__(self, what: str) -> None:
        super().__init__(f"autograder/rubric.toml: {what}")


@dataclass
class Entry:
    """What the rubric says of one check.

    needs  the other parts without which it cannot be asked
    bonus  whether its points come on top of the total
    """

    id: str
    title: str
    points: float
    tolerance: float
    section: str
    needs: Sequence[str] = ()
    bonus: bool = False

    @property
    def part(self) -> str:
        return self.id.split(".")[0]


@dataclass
class Rubric:
    """Titles are in the language of this process.

    parts   {part: title} of those that have checks here
    checks  those of parts that are on, by id
    counts  {part: "graded", "bonus" or "off"}, also of parts without checks of their own
    course  data, num_train_timesteps, language
    """

    limits: dict[str, Any]
    box: dict[str, str]
    parts: dict[str, str]
    checks: dict[str, Entry]
    gradescope: dict[str, str]
    late: dict[str, Any]
    counts: dict[str, str]
    course: dict[str, Any]

    @classmethod
    def load(cls, path: Path = RUBRIC, smoke: bool = False, whole: bool = False) -> Self:
        """smoke  whether the smoke test is wanted, also where the rubric leaves it out of grades
        whole  for the kit itself, its recordings and its tests: a part that is off is a bonus, but for VARIED

        Raises RubricError.
        """
        return cls.read(path.read_text(encoding="utf-8"), smoke, whole)

    @classmethod
    def read(cls, text: str, smoke: bool = False, whole: bool = False) -> Self:
        """The rubric that this text is, with the checks of what is on. Raises RubricError."""
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise RubricError(f"it is no TOML: {error}") from None
        counts, entries = settings(data)
        if whole:
            counts = {part: BONUS if how == OFF and part not in VARIED else how for part, how in counts.items()}
        if not (smoke or data["smoke"]):
            counts["smoke"] = OFF
        off = {part for part, how in counts.items() if how == OFF} | ({MNIST} - {data["course"]["data"]})
        checks = {id: entry for id, entry in entries.items() if not off & {entry.part, *entry.needs}}
        for entry in checks.values():
            entry.title = _(entry.title)
            if BONUS in {counts.get(part) for part in (entry.part, *entry.needs)}:
                entry.bonus, entry.title = True, _("{title} (bonus)", title=entry.title)
        parts = {}
        for part, table in data["parts"].items():
            if of_part := [entry for entry in checks.values() if entry.part == part]:
                title = _(table["title"])
                parts[part] = _("{title} (bonus)", title=title) if all(each.bonus for each in of_part) else title
        return cls(data["limits"], data["box"], parts, checks, data["gradescope"], data["late"], counts, data["course"])

    def on(self, name: str) -> bool:
        """Whether a part is asked for; of "mnist", whether the course is about it."""
        return self.course["data"] == MNIST if name == MNIST else self.counts.get(name, OFF) != OFF

    @property
    def asks(self) -> tuple[str, ...]:
        """Of VARIED, what is on: recorded cases are of a course that asks for just these."""
        return tuple(part for part in VARIED if self.on(part))

    @property
    def total(self) -> float:
        """What all checks give together, without what comes on top."""
        return sum(entry.points for entry in self.checks.values() if not entry.bonus)


def settings(data: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Entry]]:
    """(what each part counts as, all checks) of rubric.toml. Raises RubricError where settings make no sense, alone or
    together."""
    for name in ("course", "limits", "box", "gradescope", "late", "parts", "checks"):
        if not isinstance(data.get(name), dict):
            raise RubricError(f"the table [{name}] is missing")
    counts, entries = {}, {}
    for part, table in data["parts"].items():
        if not isinstance(table, dict) or table.keys() != {"title", "counts"}:
            raise RubricError(f"[parts.{part}] needs title and counts, and nothing else")
        if table["counts"] not in (GRADED, BONUS, OFF):
            raise RubricError(f"[parts.{part}]: counts is {table['counts']!r}; it must be graded, bonus or off")
        counts[part] = table["counts"]
    for id, fields in data["checks"].items():
        if not FIELDS <= fields.keys() <= FIELDS | {"needs"}:
            raise RubricError(f'"{id}" needs {", ".join(sorted(FIELDS))}; needs may follow, and nothing else')
        points = fields["points"]
        if isinstance(points, bool) or not isinstance(points, int | float) or not 0 <= points < math.inf:
            raise RubricError(f'"{id}": points is {points!r}; it must be a number, and not below 0')
        entries[id] = Entry(id, **fields)
    known = {part for entry in entries.values() for part in (entry.part, *entry.needs)} - {MNIST}
    for part in counts.keys() - known - {REPORT}:
        raise RubricError(f"[parts.{part}]: there is no such part, but {', '.join([*sorted(known), REPORT])}")
    for part in sorted(known - counts.keys()):
        raise RubricError(f"[parts.{part}] is missing, and checks belong to it")
    off = {part for part in (*known, REPORT) if counts.get(part, OFF) == OFF}
    for part in ALWAYS:
        if part in off:
            raise RubricError(f"[parts.{part}] cannot be off: the other parts build on it")
    for parts in TOGETHER:
        if 0 < len(off.intersection(parts)) < len(parts):
            raise RubricError(f"[parts.{'] and [parts.'.join(parts)}] are one section: both are off, or none")
    smoke = entries.get("smoke.digits")
    if data["smoke"] and (smoke is None or off.intersection(smoke.needs)):
        raise RubricError("smoke = true needs the parts ddim, loss and training, and one of them is off")
    course = data["course"]
    if not isinstance(course.get("data"), str) or not NAME.fullmatch(Path(course["data"]).name):
        told = f"[course]: data is {course.get('data')!r}; it must be mnist, fashion or a folder"
        raise RubricError(f"{told}, whose name has only letters, digits, - and _")
    T = course.get("num_train_timesteps")
    if isinstance(T, bool) or not isinstance(T, int) or T < DEFAULT_STEPS:
        raise RubricError(f"[course]: num_train_timesteps is {T!r}; it must be a whole number from {DEFAULT_STEPS} on")
    language = course.setdefault("language", ENGLISH)
    if language not in languages():
        raise RubricError(f"[course]: language is {language!r}; it must be one of {', '.join(languages())}")
    return counts, entries
