"""The catalogue of known mistakes as a table, for staff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from ..readback.expression import SYMBOLS, Expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..diagnosis import Mistake


def render(mistakes: Iterable[Mistake], loses: Mapping[str, Sequence[str]]) -> Table:
    """A table of what students do wrong, what comes of it, and which checks they lose.

    loses  {mistake: checks}
    """
    table = Table("Handout", "Mistake", "What the student did, and what comes of it", "Loses", show_lines=True)
    for mistake in mistakes:
        formulas = "".join(f"\n{line}" for line in equations(mistake.form))
        lost = "\n".join(loses.get(mistake.id, ()))
        # As Text: brackets in a formula are no markup.
        table.add_row(
            mistake.section, mistake.id, Text(f"{mistake.did}\n").append(mistake.effect, "dim").append(formulas), lost
        )
    return table


def equations(form: Mapping[str, dict[str, Any]]) -> list[str]:
    """The wrong formulas of a mistake, as they are read back: "z: η·√β_t".

    form  as of a Mistake
    """
    lines = []
    for terms in form.values():
        for term, source in terms.items():
            if isinstance(source, dict):
                lines += [f"{SYMBOLS[term]}, {line}" for line in equations({"": source})]
            else:
                lines.append(f"{SYMBOLS.get(term, term)}: {Expression(source)}")
    return list(dict.fromkeys(lines))
