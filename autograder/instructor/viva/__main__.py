"""`make viva`: five minutes of talk with each student, for an assistant."""

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track

from ...box import Box, BoxError
from ...box.host import strongest
from ...expectations import Expectations, ExpectationsError
from ...files import write
from ...grading import TooWeak, strong_enough
from ...paths import COURSE, PUBLIC, SECRETS
from ...rubric import Rubric, RubricError
from ...text import readable
from ..handins.platforms import DownloadError
from ..handins.roster import RosterError
from . import page
from .collecting import Class, Nothing
from .drawing import five

DONE, USAGE, FAILED = 0, 2, 3


class Unknown(Exception):
    """What was asked for is not there."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "python -m autograder.instructor.viva",
        description="Writes viva/<student>.html into the folder of a class: five questions about the student's own "
        "code and record, with computed answers. The same student gets the same questions in every run.",
    )
    parser.add_argument("folder", type=Path, nargs="?", default=Path("class"), help="of the class; default: class")
    parser.add_argument("--student", action="append", default=[], metavar="ID", help="this one alone; may be repeated")
    parser.add_argument("--earlier", action="append", type=Path, default=[], metavar="CLASS",
                        help="the folder of an earlier run, to ask what went wrong then; may be repeated")  # fmt: skip
    options, errors = parser.parse_args(arguments), Console(stderr=True)
    try:
        return run(options.folder, options.student, options.earlier)
    except FileNotFoundError as error:
        told = f"{error.filename or error} is not there. Is it the folder of a class? `make class` makes one."
        status = USAGE
    except (DownloadError, RosterError, RubricError, Unknown) as error:
        told, status = str(error), USAGE
    except (BoxError, TooWeak, ExpectationsError, OSError) as error:
        told, status = str(error), FAILED
    except KeyboardInterrupt:
        told, status = "Stopped. The pages that are made are there.", 130
    errors.print(readable(told, limit=None), style="red", soft_wrap=True, markup=False)
    return status


def run(folder: Path, students: Sequence[str], earlier: list[Path]) -> int:
    rubric, console = Rubric.load(), Console(highlight=False)
    known = Class(folder, earlier, rubric)
    for student in students:
        if student not in known.students:
            near = difflib.get_close_matches(student, known.students, n=1)
            raise Unknown(f"Nobody in {folder} has the id {student!r}." + (f" Do you mean {near[0]}?" if near else ""))
    secret, missing, made = (COURSE / "seed").read_text(encoding="utf-8"), {}, []
    chosen = list(students or known.students)
    with strongest(rubric.limits, SECRETS) as box:
        for student in track(chosen, "Questions", transient=True, disable=not console.is_terminal):
            entry = known.students[student]
            if entry.path:  # other people's code is to run here
                strong_enough(entry.path, box, rubric, Expectations.load(PUBLIC))
            try:
                made.append(page_of(known, student, box, secret, folder))
            except Nothing as reason:
                missing.setdefault(str(reason), []).append(student)
    what = f"{made[0]}" if len(made) == 1 else f"{len(made)} pages in {folder / 'viva'}"
    console.print(f"Written: {what}, for staff only.", soft_wrap=True, markup=False)
    for reason, names in missing.items():
        shown = ", ".join(names[:10]) + (" ..." if len(names) > 10 else "")
        console.print(
            readable(f"No page for {shown}: {reason}.", limit=None), style="yellow", soft_wrap=True, markup=False
        )
    return DONE if made or not students else USAGE


def page_of(known: Class, student: str, box: Box, secret: str, folder: Path) -> Path:
    """Write the page of one student. Raises Nothing."""
    desk, path = known.desk(student, box, secret), folder / "viva" / f"{student}.html"
    write(path, page.render(desk, five(desk)))
    return path


if __name__ == "__main__":
    sys.exit(main())
