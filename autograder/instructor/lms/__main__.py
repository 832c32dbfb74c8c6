"""make canvas: grades and feedback of a class to Canvas by its API. Without --send it shows what it would send."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...rubric import Rubric, RubricError
from ...text import readable
from ..grades import lateness, sheet
from ..grades.lateness import PolicyError
from ..handins import collecting, tables
from ..handins.platforms import DownloadError
from ..handins.roster import Person, Roster
from ..handins.tables import TableError
from . import LMSError
from .canvas_api import Broken, Canvas, Given

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .canvas_api import Plan

DONE, USAGE, MISSING = 0, 2, 3
URL, TOKEN = "CANVAS_API_URL", "CANVAS_API_TOKEN"
NEEDED = ("id", "status", "points", "max_points")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m autograder.instructor.lms", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("class"), help="of the class; default: class")
    parser.add_argument("--course", type=int, required=True, metavar="N", help="its number in Canvas's addresses")
    parser.add_argument("--assignment", type=int, required=True, metavar="N")
    parser.add_argument("--send", action="store_true", help="send what is shown")
    parser.add_argument("--scale", choices=("yes", "no"),
                        help="where Canvas has other points possible: scale to these, or do not")  # fmt: skip
    options = parser.parse_args(arguments)
    console, errors = Console(), Console(stderr=True)
    try:
        return run(options, console, errors)
    except (DownloadError, LMSError, PolicyError, RubricError, TableError) as reason:
        errors.print(readable(f"{reason}.", limit=None), style="red", soft_wrap=True, markup=False)
        return MISSING if isinstance(reason, Broken) else USAGE
    except OSError as reason:
        told = readable(f"Nothing more was done: {reason}.", limit=None)
        errors.print(told, style="red", soft_wrap=True, markup=False)
        return MISSING


def run(options: argparse.Namespace, console: Console, errors: Console) -> int:
    url, token = os.environ.get(URL, "").strip(), os.environ.get(TOKEN, "").strip()
    if not (url and token):
        raise LMSError(f"Set {URL}, such as https://canvas.example.edu, and {TOKEN}, in the environment")
    try:
        listed, roster = collecting.class_list(options.folder, zone=lateness.time_zone(Rubric.load().late))
    except FileNotFoundError:
        raise LMSError(f"Nothing was collected into {options.folder} yet: `make class SUBMISSIONS=path`") from None
    given, most = grades(options.folder)
    absent = [entry.student for entry in listed if entry.path is None]
    people = roster or Roster([Person(entry.student) for entry in listed])
    canvas = Canvas(url, token, options.course, options.assignment)
    plan = canvas.plan(given, absent, most, people, {"yes": True, "no": False, None: None}[options.scale])
    show(plan, getattr(canvas.assignment, "name", ""), console)
    if not options.send:
        console.print("Nothing was sent; ARGS=--send does it.", markup=False)
        return DONE
    sent, refused = 0, 0
    try:
        for sending, why in canvas.send(plan.sendings):
            sent, refused = sent + (not why), refused + bool(why)
            if why:
                errors.print(f"{sending.student}: {why}", style="red", soft_wrap=True, markup=False)
    except Broken as reason:
        open = len(plan.sendings) - sent - refused
        raise Broken(f"{reason}. Sent: {sent}, open: {open}; the same command sends what is missing") from None
    console.print(f"Sent: {sent} of {len(plan.sendings)}.", markup=False)
    return MISSING if refused else DONE


def grades(folder: Path) -> tuple[list[Given], float]:
    """(what stands in grades.csv with the pages beside it, the most points there are). Raises LMSError, TableError."""
    path = folder / "grades.csv"
    if not path.exists():
        raise LMSError(f"There is no {path} yet; `make feedback` writes it, or `make class` where there is no report")
    table = tables.read(path)
    if absent := [name for name in NEEDED if name not in table.head]:
        raise LMSError(f"{path}, line 1: there is no column {absent[0]}; `make feedback` writes the file anew")
    made, most, marked = [], 0.0, (folder / "nbgrader").exists()
    for line, cells in table.rows:
        row = dict(zip(table.head, cells, strict=True))
        where = table.where(line, "points")
        points = number(row["points"], where) if row["points"] else None
        most = number(row["max_points"], table.where(line, "max_points"))
        id = row["id"]
        page = folder / "feedback" / f"{id}.html" if marked else folder / "results" / id / "report.html"
        made.append(Given(id, points, row["status"], page if page.exists() else None))
    return made, most


def number(text: str, where: str) -> float:
    try:
        points = float(text)
    except ValueError:
        points = -1.0
    if not 0 <= points < float("inf"):
        raise LMSError(f"{where}: {text!r} is no number of points")
    return points


def show(plan: Plan, name: str, console: Console) -> None:
    """What would be sent, as a table, and who is left out."""
    table = Table(title=Text(readable(name)), title_justify="left")
    for column in ("student", "in Canvas", "now", "then", "feedback"):
        table.add_column(column, justify="right" if column in ("now", "then") else "left")
    for each in plan.sendings:
        then = "EX" if each.excuse else "the same" if each.points is None else sheet.written(each.points)
        page = each.page.name if each.page else ""
        cells = (each.student, f"{readable(each.name)} ({each.user})", each.there or "none", then, page)
        table.add_row(*map(Text, cells))
    if plan.sendings:
        console.print(table)
    for who, why in plan.left.items():
        console.print(f"Not sent, {readable(who)}: {why}.", soft_wrap=True, markup=False)
    console.print(f"{len(plan.sendings)} to send, {plan.same} as they should be, {len(plan.left)} left out.")
    if plan.sendings and plan.at_once:
        console.print("Students see each as soon as it is sent, unless the assignment posts grades manually.")


if __name__ == "__main__":
    sys.exit(main())
