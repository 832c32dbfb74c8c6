"""`make course`: what rubric.toml describes, made anew after a change of it.

Its data set, assignment/, the recorded cases and handout.html come first. Once they are committed, the bundles follow,
with all proofs, as from `make release`.
"""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from ...rubric import OFF, REPORT, Rubric
from ..authoring import datasets, handout_page, recording, skeleton
from ..authoring.course import Course
from . import __main__ as release
from . import bundles
from .bundles import NotReady


def table(course: Course) -> Table:
    """What the course asks for, and what it is worth."""
    rubric, shown = course.rubric, Table("part", "counts", "checks", "points")
    for part, how in rubric.counts.items():
        if part == "smoke":
            continue
        entries = [entry for entry in rubric.checks.values() if entry.part == part]
        points = sum(course.report.values()) if part == REPORT else sum(entry.points for entry in entries)
        off = how == OFF or (part == REPORT and not course.on[part])
        shown.add_row(part, how, *(("", "") if off else (str(len(entries) or ""), f"{points:g}" if points else "")))
    shown.add_section()
    shown.add_row("all checks, without a bonus", "", str(len(rubric.checks)), f"{rubric.total:g}")
    return shown


def prepare(course: Course) -> list[str]:
    """Write everything but the bundles. Returns a line about each. Raises ValueError or OSError, in one line."""
    said = [datasets.make(course)]
    said.append(f"assignment/: {len(skeleton.write_all(course))} files")
    recording.main("stale")
    return [*said, *handout_page.write_all(course)]


def main() -> None:
    console = Console()
    try:
        course = Course(Rubric.load())
        said = prepare(course)
    except (ValueError, OSError) as reason:
        sys.exit(str(reason))
    console.print(table(course))
    console.print("\n".join(said), highlight=False)
    try:
        bundles.commit()
    except NotReady as reason:
        console.print(
            f"No bundles yet: {reason}. Then `make course` again writes them.", soft_wrap=True, highlight=False
        )
        return
    release.main()


if __name__ == "__main__":
    main()
