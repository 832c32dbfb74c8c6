"""The catalogue of known mistakes as a table, for staff."""

from rich.table import Table
from rich.text import Text


def render(mistakes, loses):
    """A rich table: what students do wrong, what comes of it, and which checks they lose."""
    table = Table("Handout", "Mistake", "What the student did, and what comes of it", "Loses", show_lines=True)
    for mistake in mistakes:
        lost = "\n".join(loses.get(mistake.id, ()))
        # As Text: brackets in a formula are no markup.
        table.add_row(mistake.section, mistake.id, Text(f"{mistake.did}\n").append(mistake.effect, "dim"), lost)
    return table
