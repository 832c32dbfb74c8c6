"""From what is kept to what is read: the record with the points given by hand, a student's report and results.json, and
what the staff page and grades.csv need to know of the student."""

from __future__ import annotations

import shutil
import tomllib
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ... import reports
from ...grading import conclude, not_run
from ...language import _
from ...record import BLOCKED, UNGRADED
from ...text import readable
from ..grades.exceptions import EXCUSED, WITHHELD
from .keeping import Kept
from .working import Stop

if TYPE_CHECKING:
    from pathlib import Path

    from ...record import GradeRecord
    from ...rubric import Rubric

RESULTS = "results"
KEYS = {"student", "check", "points", "reason"}
ByHand = dict[str, tuple[float, str]]  # {check: (points, reason)} of one student


@dataclass
class Row:
    """A student, for staff.

    points     None where there is no score
    parts      {part: points}
    verdicts   {check: verdict}, mistakes {check: id}, by_hand {check: reason}
    why        why there is no score or nothing was run, or ""
    denied     what the box refused, as its processes noted it
    endings    {why a boxed process ended: how often}, but for ordinary ends
    made_with  as in a GradeRecord
    status     of exceptions.csv
    standing   {name: number} of a contest
    """

    student: str
    points: float | None
    max_points: float
    parts: dict[str, float]
    verdicts: dict[str, str]
    mistakes: dict[str, str]
    by_hand: dict[str, str]
    complete: bool
    why: str
    notes: list[str]
    denied: list[str]
    endings: dict[str, int]
    seconds: float
    made_with: dict[str, Any]
    status: str = ""
    standing: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.why, self.notes = readable(self.why, limit=None), [readable(note, limit=None) for note in self.notes]


def overrides(path: Path, rubric: Rubric) -> dict[str, ByHand]:
    """{student: what was given} of overrides.toml. Raises Stop."""
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("override", [])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Stop(f"{path} cannot be read: {error}") from None
    found: dict[str, ByHand] = {}
    for number, entry in enumerate(entries, 1):
        where = f"{path}, override {number}"
        if not isinstance(entry, dict) or entry.keys() != KEYS:
            raise Stop(f"{where}: it needs {', '.join(sorted(KEYS))}, and nothing else.")
        student, check, points, reason = (entry[key] for key in ("student", "check", "points", "reason"))
        if not isinstance(student, str) or not isinstance(check, str):
            raise Stop(f"{where}: student and check are texts, so write them in quotes.")
        if check not in rubric.checks:
            raise Stop(f"{where}: there is no check {check!r}; `python -m autograder debug --help` lists them.")
        most = rubric.checks[check].points
        if isinstance(points, bool) or not isinstance(points, (int, float)) or not 0 <= points <= most:
            raise Stop(f"{where}: points must be a number from 0 to {most:g}.")
        if not (isinstance(reason, str) and reason.strip()):
            raise Stop(f"{where}: the student and your colleagues will want to know the reason.")
        if check in found.setdefault(student, {}):
            raise Stop(f"{where}: {check} of {student} stands there twice.")
        found[student][check] = (float(points), reason.strip())
    return found


def record(kept: Kept, rubric: Rubric, by_hand: ByHand) -> GradeRecord | None:
    """What is kept of a student, with the points given by hand; None where grading broke off."""
    if kept.failed:
        return None
    found = kept.found
    if kept.refused:
        found = not_run(rubric.checks.values(), _(kept.refused))
    made = conclude(found, rubric, kept.student, list(kept.notes), kept.depends["seed"])
    for n, check in enumerate(made.checks):
        if check.id in by_hand:
            points, reason = by_hand[check.id]
            told = _("{points:g} points were given by hand: {reason}", points=points, reason=reason)
            made.checks[n] = replace(check, by_hand=points, hint="\n".join(filter(None, [told, check.hint])))
    return made


def hand_back(folder: Path, made: GradeRecord, rubric: Rubric, status: str, nothing: bool) -> None:
    """Write what a student may see into results/, or what only staff may into withheld/; nowhere the 0 of somebody who
    is excused.

    status   of exceptions.csv
    nothing  whether nothing was handed in
    """
    where = {EXCUSED: "" if nothing else RESULTS, WITHHELD: WITHHELD}.get(status, RESULTS)
    for other in {RESULTS, WITHHELD} - {where}:
        shutil.rmtree(folder / other / made.submission, ignore_errors=True)
    if where:
        reports.write_all(folder / where / made.submission, made, rubric, in_class=True)


def row(kept: Kept, made: GradeRecord | None, by_hand: ByHand) -> Row:
    """A student with this record, or with None, where grading broke off."""
    if made is None:
        return Row(
            kept.student, None, 0.0, parts={}, verdicts={}, mistakes={}, by_hand={}, complete=False, why=kept.failed,
            notes=kept.notes, denied=[], endings={}, seconds=0.0, made_with={},
        )  # fmt: skip
    parts: dict[str, float] = {}
    for check in made.checks:
        parts[check.part] = parts.get(check.part, 0.0) + check.points
    faults = [f"{check.id}: {check.message}" for check in made.ungraded]
    ended = Counter(run.get("signal") or run["ended"] for run in made.runs if run.get("ended") not in (None, "closed"))
    return Row(
        student=kept.student,
        points=None if faults else float(made.points),
        max_points=float(made.max_points),
        parts=parts,
        verdicts={check.id: check.verdict for check in made.checks},
        mistakes={check.id: check.mistake for check in made.checks if check.mistake},
        by_hand={check.id: by_hand[check.id][1] for check in made.checks if check.id in by_hand},
        complete=made.complete,
        why="; ".join(faults) or kept.refused,
        notes=made.notes,
        denied=list(dict.fromkeys(note for run in made.runs for note in run.get("denied", ()))),
        endings=dict(ended),
        seconds=float(made.seconds),
        made_with=made.made_with,
        standing={name: number for check in made.checks for name, number in check.standing.items()},
    )


def waiting(student: str, why: str) -> Row:
    """Somebody who is not graded yet, for this reason."""
    return row(Kept({}, student, [], failed=why), None, {})


def summary(row: Row) -> str:
    """One line about a student, for the terminal: points, and how many checks ended in which way."""
    if row.status:
        return row.status
    if row.points is None:
        return f"not graded: {row.why}"
    counts = Counter(row.verdicts.values())
    lost = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in counts.items() if verdict != "passed")
    why = f" ({row.why})" if counts[BLOCKED] == len(row.verdicts) and row.why else ""
    return f"{row.points:g} of {row.max_points:g}{', ' if lost else ''}{lost}{why}"


def ungraded(row: Row) -> bool:
    return row.points is None or UNGRADED in row.verdicts.values()
