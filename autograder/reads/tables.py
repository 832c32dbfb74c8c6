"""The tables of a schedule: the curve of the betas, and what the other two are made of."""

import numpy as np

from ..readback.curves import Table, made_equal, read_alphas, read_alphas_cumprod, read_betas
from ..readback.expression import SYMBOLS
from .found import NEARLY, RIGHT, TABLES, untold, which

SCHEDULES = ("linear", "scaled_linear", "cosine")


def tables(readers, found):
    """The curve of the betas, and what the other two tables are made of."""
    reader, own, recorded = readers[found.check], {}, {}
    for name in TABLES:
        cases = [case for case in reader.cases if case.name == name]
        if not cases or any(case.got is None or case.got.ndim != 1 or not len(case.got) for case in cases):
            untold(found, TABLES[TABLES.index(name) :], reader.stopped or "it is no table")
            return
        own[name], recorded[name] = ([table_of(case, array) for case in cases] for array in ("got", "expected"))
        close, right = (all(getattr(case, what) for case in cases) for what in ("close", "right"))
        # A table may be right within the tolerance and be another: the bound of a clip moves the last entry only.
        known = close or (name != "betas" and right)
        expression, place = (None, "") if known else read_table(name, own)
        usual = expression is not None and gives(expression, name, recorded)
        if not expression or (usual and name == "betas"):
            found.reads[name] = RIGHT if right else None
            found.lines += [f"{name}: {RIGHT if right else NEARLY if close or usual else 'not read'}", *which(cases)]
        elif usual and not place:
            found.reads[name] = RIGHT
            found.lines.append(f"{name}: right for the tables before it")
        else:
            found.reads[name] = None if place else expression.python
            text = "as it should be, but" if usual else f"{SYMBOLS[name]}_t = {expression}"
            first = own[name][0]
            size = f", in {len(first.values)} entries for T = {first.T}" if len(first.values) != first.T else ""
            found.lines += [f"{name}: {text}{place and f' {place}'}{size}", *which(cases)]


def table_of(case, array):
    """The Table that a case got, or that was expected."""
    ends = case.settings.get("beta_start", 1e-4), case.settings.get("beta_end", 0.02)
    return Table(getattr(case, array), case.scheduler.T, *ends)


def read_table(name, own):
    """(Expression or None, a word for where the table lies) of the tables of one name."""
    if name == "betas":
        return read_betas(own["betas"]), ""
    if name == "alphas":
        return read_alphas(own["alphas"], own["betas"]), ""
    return read_alphas_cumprod(own["alphas_cumprod"], own["alphas"], own["betas"])


def gives(expression, name, recorded):
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
