"""The tables of a schedule: the curve of the betas, and what the other two are made of."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import numpy as np

from ..language import _
from ..readback.curves import Table, fits, made_equal, read_alphas, read_alphas_cumprod, read_betas
from ..readback.expression import Expression
from .found import NEARLY, RIGHT, TABLES, Found, is_right, untold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .collecting import Case, Readers

ENTRY = {"betas": "beta_t", "alphas": "alpha_t", "alphas_cumprod": "abar"}
MOSTLY = 0.9  # of a table: the rest is where it is clipped
SCHEDULES = ("linear", "scaled_linear", "cosine")


def tables(readers: Readers, found: Found) -> None:
    """The curve of the betas, and what the other two tables are made of."""
    reader = readers[found.check]
    own: dict[str, list[Table]] = {}
    recorded: dict[str, list[Table]] = {}
    for name in TABLES:
        cases = [case for case in reader.cases if case.name == name]
        if not cases or any(case.got is None or case.got.ndim != 1 or not len(case.got) for case in cases):
            untold(found, TABLES[TABLES.index(name) :], reader.stopped or _("it is no table"))
            return
        own[name], recorded[name] = ([table_of(case, array) for case in cases] for array in ("got", "expected"))
        close, right = (all(getattr(case, what) for case in cases) for what in ("close", "right"))
        # A table may be right within the tolerance and be another: the bound of a clip moves the last entry only.
        known = close or (name != "betas" and right)
        expression, place = (None, "") if known else read_table(name, own)
        usual = expression is not None and gives(expression, name, recorded)
        if not expression or (usual and name == "betas"):
            found.reads[name] = RIGHT if right else None
            nearly = _("{what}: {told}", what=name, told=_(NEARLY))
            told = nearly if close or usual else _("{what}: not read", what=name)
            found.say(is_right(name) if right else told)
        elif usual and not place:
            found.reads[name] = RIGHT
            found.say(_("{what}: right for the tables before it", what=name))
            continue
        else:
            found.reads[name] = None if place else expression.python
            first = own[name][0]
            counts = {"count": len(first.values), "T": first.T}
            size = _(", in {count} entries for T = {T}", **counts) if len(first.values) != first.T else ""
            if usual:
                found.say(_("{what}: as it should be, but {place}", what=name, place=_(place)) + size)
                found.notable = True
            else:
                shown = bounded(expression, recorded[name]) if name == "betas" else expression.python
                apart = _(", {place}", place=_(place)) if place else ""
                found.say(apart + size, f"{ENTRY[name]} == {shown}")
        found.which(cases, name)


def table_of(case: Case, array: str) -> Table:
    """The Table that a case "got", or that was "expected"."""
    ends = case.settings.get("beta_start", 1e-4), case.settings.get("beta_end", 0.02)
    return Table(getattr(case, array), case.scheduler.T, *ends)


def read_table(name: str, own: Mapping[str, Sequence[Table]]) -> tuple[Expression | None, str]:
    """What the tables of one name are, if it is found, and a word for where they lie."""
    if name == "betas":
        return read_betas(own["betas"]), ""
    if name == "alphas":
        return read_alphas(own["alphas"], own["betas"]), ""
    return read_alphas_cumprod(own["alphas_cumprod"], own["alphas"], own["betas"])


def bounded(expression: Expression, recorded: Sequence[Table]) -> str:
    """What is shown of a curve: where the right one was only clipped otherwise, no more than that."""
    inner = expression.tree
    while isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id in ("min", "max"):
        inner = inner.args[0]
    curve = ast.unparse(inner)
    agree = [np.mean(fits(Expression(curve), table)) for table in recorded]
    if curve == expression.python or min(agree) < MOSTLY:
        return expression.python
    return ast.unparse(expression.tree).replace(curve, "right")


def gives(expression: Expression, name: str, recorded: Mapping[str, Sequence[Table]]) -> bool:
    """Whether an expression makes the recorded tables of the recorded ones before them: then it is not written out."""
    others = [one for one in TABLES if one != name and one in recorded]
    return all(
        made_equal(
            table.values,
            np.broadcast_to(
                expression.value(table.quantities | {one: recorded[one][n].values for one in others}),
                table.values.shape,
            ),
        )
        for n, table in enumerate(recorded[name])
    )
