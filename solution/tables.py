"""<!-- IF infer ddim
-->What study.py leaves for people: two CSV files, one page of tables, and the plots where matplotlib is there.<!-- ELSE
The table of the report.
--><!-- END IF -->"""

from __future__ import annotations

### IF infer ddim
import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import saving
from evaluate import FEWEST, disagree

### ELSE from collections.abc import Sequence
### ELSE from typing import Any
### ELSE
### END IF
Rows = list[dict[str, Any]]


### IF infer ddim
def write_all(folder: Path, rows: Rows, codes: Rows, floor: dict[str, Any]) -> None:
    """Write everything into `folder`, each file at once or not at all.

    rows   results of Study.row
    codes  results of Study.code
    floor  that of the Study
    """
    saving.write(folder / "study.csv", study_csv(rows, floor))
    saving.write(folder / "timesteps.csv", timesteps_csv(codes))
    saving.write(folder / "study.md", page(rows, codes, floor).encode())
    try:
        import plots
    except ImportError:
        print("The plots are left out: matplotlib is not installed")
        return
    for name, figure in plots.all_of(rows, codes, floor).items():
        saving.write(folder / f"{name}.png", plots.png(figure))


def study_csv(rows: Rows, floor: dict[str, Any]) -> bytes:
    """A line for each row, and one for the real digits, whose Frechet distance is the floor."""
    counts = [f"digit_{digit}" for digit in range(10)]
    lines = [["checkpoint", "steps", "eta", "n", "confident", "frechet", *counts]]
    for row in rows:
        judged = [f"{row['confident']:.4f}", f"{row['frechet']:.3f}", *row["digits"]]
        lines.append([row["checkpoint"], row["steps"], row["eta"], row["n"], *judged])
    real = [f"{floor['confident']:.4f}", f"{floor['frechet']:.3f}", *floor["digits"]]
    return as_csv([*lines, ["real digits", "", "", sum(floor["digits"]), *real]])


def timesteps_csv(codes: Rows) -> bytes:
    """A line for each checkpoint, variance and timestep; the rate is what was sent before, rmse what that buys."""
    lines: list[Sequence[object]] = [["checkpoint", "variance_type", "t", "loss", "bits", "rate", "rmse"]]
    for row in codes:
        code = row["code"]
        columns = [values.mean(1).tolist() for values in (code.loss, code.bits[:-1], code.rate, code.rmse)]
        for t, values in enumerate(zip(*columns, strict=True)):
            lines.append([row["checkpoint"], row["variance_type"], t, *(f"{value:.6g}" for value in values)])
    return as_csv(lines)


def as_csv(lines: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode()


def page(rows: Rows, codes: Rows, floor: dict[str, Any]) -> str:
    """The tables in Markdown, which reads well as plain text, too."""
    return "\n".join(["# The study\n", samples(rows, floor), *([bits(codes, floor)] if codes else [])])


def samples(rows: Rows, floor: dict[str, Any]) -> str:
    """Share and distance of each row, always together, and what real digits get."""
    n = sum(floor["digits"])
    steps = sorted({row["steps"] for row in rows})
    lines = [["checkpoint", "eta", *(f"S = {S}" for S in steps)]]
    for name, eta in dict.fromkeys((row["checkpoint"], row["eta"]) for row in rows):
        found = {row["steps"]: row for row in rows if (row["checkpoint"], row["eta"]) == (name, eta)}
        lines.append([name, f"{eta:g}", *(cell(found[S], floor) if S in found else "" for S in steps)])
    real = "" if n < FEWEST else f", {floor['frechet']:.1f}"
    said = [
        f"DDIM, x0_hat clipped, {n:,} images in every row, all from the same noise, that of `{floor['student']}`.", "",
        "Each cell: the share of images of which the classifier is surer than 0.9, and the Frechet distance to the "
        f"training digits. Real digits, {floor['line']}, get {floor['confident']:.1%}{real}: the floor.", "",
        markdown(lines),
    ]  # fmt: skip
    if n < FEWEST:
        said.append(f"So few images have no Frechet distance; it takes {FEWEST} or more.\n")
    if any(disagree(row, floor) for row in rows):
        said.append("(!): the classifier is sure, and the distance is far from its floor. It may be sure of blots.\n")
    return "\n".join(said)


def cell(row: dict[str, Any], floor: dict[str, Any]) -> str:
    if row["n"] < FEWEST:
        return f"{round(row['confident'] * row['n'])} of {row['n']}"
    return f"{row['confident']:.1%}, {row['frechet']:.1f}{' (!)' if disagree(row, floor) else ''}"


### END IF
def bits(codes: Rows, floor: dict[str, Any]) -> str:
    """The variational bound of each code, and its terms."""
    lines = [["checkpoint", "variance", "prior", "steps", "decoder", "all", "standard error"]]
    for row in codes:
        terms, total = row["code"].bits.mean(1), row["code"].total
        numbers = (terms[-1], terms[1:-1].sum(), terms[0], total.mean(), total.std() / len(total) ** 0.5)
        lines.append([row["checkpoint"], row["variance_type"], *(f"{number:.3g}" for number in numbers)])
    said = f"Bits per dimension, all T steps, x0_hat clipped. Coded: {floor['coded_line']}."
    return f"## The variational bound\n\n{said}\n\n{markdown(lines)}"


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A table whose columns stand under each other in plain text as well."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    head, *rest = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    return "\n".join([head, "|" + "|".join("-" * (width + 2) for width in widths) + "|", *rest, ""])
