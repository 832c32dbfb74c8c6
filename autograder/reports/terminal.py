"""The table that a person reads in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ..record import BLOCKED, NOT_IMPLEMENTED, PASSED, UNGRADED

if TYPE_CHECKING:
    from ..record import GradeRecord
    from ..rubric import Rubric

STYLES = {PASSED: "green", NOT_IMPLEMENTED: "yellow", BLOCKED: "dim", UNGRADED: "magenta"}


def render(record: GradeRecord, rubric: Rubric) -> Group:
    """What to do next; a row per check, grouped by part, what happened below it; then the notes, the total, and once
    more what to do next, for who sees only the end."""
    table = Table(box=None, padding=(0, 1), header_style="bold")
    table.add_column("Points", justify="right")
    table.add_column("Check", overflow="fold")
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Handout", justify="right")
    part = message = None
    for check in record.checks:
        if check.part != part:
            part = check.part
            table.add_row("", Text(rubric.parts[part], "bold"))
        name = Text(check.id)
        if check.output:
            # The same text twenty times over helps nobody.
            name.append("\n" + ("as above" if check.output == message else check.output), "dim")
        message = check.output
        table.add_row(
            f"{check.points:g}/{check.max_points:g}",
            name,
            Text(check.verdict.replace("_", " "), STYLES.get(check.verdict, "red")),
            rubric.checks[check.id].section,
        )
    notes = [Text(note, "dim") for note in record.notes]
    total = f"{record.points:g} of {record.max_points:g} points. {record.state}"
    ahead = [Text(record.next, "bold")] if record.next else []
    return Group(*ahead, table, Text(), *notes, Text(total, "bold"), *ahead)
