"""make gradebook, make formgrader, make feedback."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track
from sqlalchemy.exc import OperationalError

from ...files import write
from ...rubric import Rubric, RubricError
from ...text import readable
from ..classroom import page
from ..grades import exceptions, lateness, sheet
from ..grades.lateness import PolicyError
from ..handins import collecting
from ..handins.platforms import DownloadError
from ..handins.tables import TableError
from ..lms import LMSError, canvas_export, moodle_worksheet
from . import handing_back, results
from .course import Course, CourseError
from .filling import fill

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..handins.collecting import ClassList
    from ..handins.roster import Roster

DONE, USAGE, MISSING = 0, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m autograder.instructor.gradebook", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("fill", help="put hand-ins and points into nbgrader's gradebook")
    command.add_argument("folder", type=Path, nargs="?", default=Path("class"), help="of the class; default: class")
    command.add_argument("--submissions", type=Path, metavar="PATH", help="collect this download first")
    command.add_argument("--roster", type=Path, metavar="CSV", help="everybody in the class; kept as roster.csv")
    command.add_argument("--db-url", metavar="URL", help="of the gradebook, for anything but SQLite; it is remembered")
    command.set_defaults(run=run_fill)
    command = commands.add_parser("formgrader", help="open nbgrader's formgrader, to mark the reports")
    command.add_argument("folder", type=Path, nargs="?", default=Path("class"))
    command.add_argument("--allow-root", action="store_true", help="start also as root")
    command.add_argument("--share", type=share, default=(1, 1), metavar="2/3",
                         help="show the second of three shares of the class: each assistant takes another")  # fmt: skip
    command.epilog = "What stands behind -- is for jupyter lab, such as: -- --no-browser"
    command.set_defaults(run=run_formgrader)
    command = commands.add_parser("feedback", help="reckon lateness, write grades.csv and the feedback for students")
    command.add_argument("folder", type=Path, nargs="?", default=Path("class"))
    command.add_argument("--canvas", type=Path, metavar="CSV", help="the gradebook that you exported from Canvas")
    command.add_argument("--moodle", type=Path, metavar="CSV", help="the grading worksheet that Moodle gave you")
    command.add_argument("--column", metavar="NAME", help="the assignment's column in Canvas's file, Grade in Moodle's")
    command.add_argument("--scale", choices=("yes", "no"),
                         help="where Canvas has other points possible: scale to these, or do not")  # fmt: skip
    command.set_defaults(run=run_feedback)
    arguments, jupyter = list(sys.argv[1:] if arguments is None else arguments), []
    if arguments[:1] == ["formgrader"] and "--" in arguments:
        end = arguments.index("--")
        arguments, jupyter = arguments[:end], arguments[end + 1 :]
    options = parser.parse_args(arguments, argparse.Namespace(jupyter=jupyter))
    errors = Console(stderr=True)
    try:
        return options.run(options, Rubric.load(), Console(), errors)
    except (CourseError, DownloadError, PolicyError, RubricError, TableError, LMSError) as reason:
        errors.print(readable(f"{reason}.", limit=None), style="red", soft_wrap=True, markup=False)
        return USAGE
    except OSError as reason:  # a full disk, or one that may only be read
        errors.print(
            readable(f"Nothing more was done: {reason}.", limit=None), style="red", soft_wrap=True, markup=False
        )
        return MISSING
    except OperationalError as reason:  # nbgrader would ask for an upgrade of its database
        told = f"The gradebook cannot be used: {reason.orig}. Does another program hold it, and is its server up?"
        errors.print(told, style="red", soft_wrap=True, markup=False)
        return MISSING


def the_class(folder: Path, rubric: Rubric) -> tuple[ClassList, Roster | None]:
    """The list and the roster of a class. Raises CourseError, PolicyError and TableError."""
    try:
        listed, roster = collecting.class_list(folder, zone=lateness.time_zone(rubric.late))
    except FileNotFoundError:
        raise CourseError(f"Nothing was collected into {folder} yet; --submissions PATH does it") from None
    exceptions.of_class(folder, rubric.late, listed, roster)
    return listed, roster


def run_fill(options: argparse.Namespace, rubric: Rubric, console: Console, errors: Console) -> int:
    if options.roster:
        collecting.keep_roster(options.roster, options.folder)
    if options.submissions:
        collecting.collect_class(options.submissions, options.folder)
    handed_in, roster = the_class(options.folder, rubric)
    filled = fill(options.folder, handed_in, rubric, roster, options.db_url,
                  lambda entries: track(entries, "Filling the gradebook", console=errors, transient=True))  # fmt: skip
    for student, notes in filled.notes.items():
        for note in notes:
            console.print(f"{student}: {readable(note)}", soft_wrap=True, markup=False)
    for student, why in filled.failed.items():
        errors.print(f"{student} is not in the gradebook: {readable(why)}", style="red", soft_wrap=True, markup=False)
    nothing = sum(entry.path is None and not entry.waits for entry in handed_in)
    waiting = f", {len(handed_in.waiting)} wait" * bool(handed_in.waiting)
    for line in handed_in.summary() if handed_in.open else ():
        errors.print(line, style="red", soft_wrap=True, markup=False)
    console.print(f"{filled.done} filled in, {filled.same} as before, {nothing} handed in nothing{waiting}.")
    return MISSING if filled.failed or handed_in.open else DONE


def run_feedback(options: argparse.Namespace, rubric: Rubric, console: Console, errors: Console) -> int:
    handed_in, roster = the_class(options.folder, rubric)
    if not Course(options.folder).config.exists():
        raise CourseError("The gradebook is empty; `make gradebook` fills it")
    if (options.canvas and not options.column) or (options.column and not (options.canvas or options.moodle)):
        raise LMSError("A file of Canvas and the name of its column go together")
    made = results.grades(options.folder, handed_in, rubric, roster)
    failed = results.feedback(
        options.folder, made, lambda each: track(each, "Writing feedback", console=errors, transient=True), rubric
    )
    print(sheet.write_sheet(options.folder, made, handed_in, rubric, roster))
    page.show(options.folder, rubric, handed_in, roster, made)
    for packed in handing_back.pack(options.folder, made, handed_in, rubric, failed):
        tell(f"{packed.path}, {packed.files} students", packed.left, console)
    scale = {"yes": True, "no": False, None: None}[options.scale]
    for platform, export in (("canvas", options.canvas), ("moodle", options.moodle)):
        if not export:
            continue
        if platform == "canvas":
            most = sheet.total(rubric)
            text, left, lost = canvas_export.fill(export, options.column, made, handed_in, most, roster, scale)
        else:
            column = None if options.canvas else options.column
            text, left, lost = moodle_worksheet.fill(export, column, made, handed_in)
        path = options.folder / f"{platform}_{export.name}"
        write(path, text)
        tell(f"{path}, without {len(left)}", left, console)
        if lost:
            errors.print(f"Not in {export}: {', '.join(lost)}", style="red", soft_wrap=True, markup=False)
    for student, why in failed.items():
        errors.print(f"{student} gets no feedback: {readable(why)}", style="red", soft_wrap=True, markup=False)
    if withheld := [grade.student for grade in made if grade.status == exceptions.WITHHELD]:
        console.print(f"Withheld, and without feedback: {', '.join(withheld)}.", soft_wrap=True, markup=False)
    if waiting := [grade for grade in made if not grade.complete]:
        for grade in waiting[:10]:
            errors.print(f"{grade.student} waits for {', '.join(grade.missing)}", style="red", markup=False)
        more = f", {len(waiting) - 10} more than shown" if len(waiting) > 10 else ""
        errors.print(f"{len(waiting)} of {len(made)} grades are not complete{more}.", style="red")
    return MISSING if waiting or failed else DONE


def tell(what: str, left: Mapping[str, str], console: Console) -> None:
    """What was written, and who is left out of it and why."""
    print(what)
    for name, why in left.items():
        console.print(f"  {readable(name)}: {why}", soft_wrap=True, markup=False)


def share(text: str) -> tuple[int, int]:
    """2/3 as (2, 3). Raises ArgumentTypeError."""
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise argparse.ArgumentTypeError(f"{text!r} is no share; write the second of three as 2/3")
    return int(number), int(of)


def run_formgrader(options: argparse.Namespace, rubric: Rubric, console: Console, errors: Console) -> int:
    from . import formgrader  # Jupyter's server takes a second to import

    course = Course(options.folder)
    if not course.config.exists():
        raise CourseError("The gradebook is empty; `make gradebook` fills it")
    course.configuration()  # refuses a copy of a class whose gradebook lies elsewhere
    course.configure()
    formgrader.run(course, options.share, options.allow_root, options.jupyter)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
