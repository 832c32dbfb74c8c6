"""`make class` and `make regrade`: the command line of a class run."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ... import checks
from ...box import BoxError
from ...expectations import ExpectationsError
from ...files import write
from ...grading import TooWeak
from ...rubric import RubricError
from ...text import readable
from ..grades.lateness import PolicyError
from ..handins.collecting import collect_class, keep_roster
from ..handins.platforms import DownloadError
from ..handins.tables import TableError
from .regrading import Regrade, as_csv, table
from .session import Session
from .working import Stop

GRADED, USAGE, NOT_GRADED, STOPPED = 0, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "python -m autograder.instructor.classroom",
        description="Grade a whole class.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "grade",
        help="collect and grade what is missing; a run that was stopped goes on where it was",
        description="Collects what was handed in, grades what is missing and writes grades.csv and index.html. Run it "
        "again after it was stopped: only what is missing is graded. A grade that is there stays: see regrade.",
    )
    command.add_argument("submissions", type=Path, nargs="?", metavar="SUBMISSIONS",
                         help="a folder with one folder or archive per student, or a platform's download; by default "
                         "what was collected before")  # fmt: skip
    command.add_argument(
        "--roster", type=Path, metavar="CSV", help="everybody in the class, with a column id; it is kept as roster.csv"
    )
    command.add_argument(
        "--exact", action="store_true", help="the exact parts only, for a first look; the others later"
    )
    command.add_argument("--absent-are-absent", action="store_true",
                         help="who handed in nothing gets 0, also while some hand-ins are nobody's")  # fmt: skip
    options_of_a_run(command)
    command.set_defaults(run=run_grade)
    command = commands.add_parser(
        "regrade",
        help="grade again what changed, and show who gains or loses what; publish it with --publish",
        description="Grades again whoever's submission, kit or seed is another than when it was graded, and "
        "shows who changes, by how much and why. Nothing is published before you say --publish. Points given by hand "
        "in overrides.toml stay.",
    )
    command.add_argument(
        "--student", action="append", default=[], help="this one alone, changed or not; may be repeated"
    )
    command.add_argument("--publish", action="store_true", help="make the regraded results those of the class")
    options_of_a_run(command)
    command.set_defaults(run=run_regrade)
    options = parser.parse_args(arguments)
    errors = Console(stderr=True)
    try:
        return options.run(options)
    except (Stop, TooWeak, BoxError, ExpectationsError, OSError) as error:
        errors.print(readable(str(error), limit=None, lines=True), style="red", soft_wrap=True, markup=False)
        return NOT_GRADED
    except (DownloadError, PolicyError, RubricError, TableError) as error:
        errors.print(readable(str(error), limit=None, lines=True), style="red", soft_wrap=True, markup=False)
        return USAGE
    except KeyboardInterrupt:
        errors.print("Stopped. What is graded is kept; the same command goes on from here.", style="yellow")
        return STOPPED


def options_of_a_run(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--class", type=Path, default=Path("class"), dest="folder", metavar="DIR", help="default: class"
    )
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto",
                         help="for training; auto is the GPU where there is one that works in the box")  # fmt: skip
    command.add_argument("--workers", type=positive, metavar="N", help="how many to grade at once; one per core")
    command.add_argument("--trainings", type=positive, metavar="N",
                         help="how many train at once: 2 on a GPU, else as many as there are workers")  # fmt: skip
    command.add_argument(
        "--cluster", metavar="ADDRESS", help="a Dask scheduler such as tcp://host:8786, for its workers"
    )
    command.add_argument("--slurm", type=asked_of_slurm, metavar="WHAT",
                         help="jobs of Slurm, such as cores=2,memory=4GB,jobs=2; the README has more")  # fmt: skip


def asked_of_slurm(text: str) -> dict[str, str]:
    """cores=2,memory=4GB as {"cores": "2", "memory": "4GB"}."""
    pairs = [part.split("=", 1) for part in text.split(",")]
    return {name.strip(): value.strip() for name, value in pairs}


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def run_grade(options: argparse.Namespace) -> int:
    if options.submissions and not options.submissions.exists():
        raise DownloadError(f"There is no {options.submissions}.")
    if options.roster:
        keep_roster(options.roster, options.folder)
    if options.submissions:
        collect_class(options.submissions, options.folder)
    with Session(options, absent_are_absent=options.absent_are_absent or None) as session:
        for kept in session.run(
            session.known, session.kept, checks.EXACT if options.exact else tuple(session.rubric.parts)
        ):
            session.publish(kept)
        failed = session.finish()
    if session.outdated:
        causes = Counter(cause for causes in session.outdated.values() for cause in causes)
        why = ", ".join(f"{cause} for {count}" for cause, count in causes.items())
        what = f"{len(session.outdated)} were graded before something changed ({why}) and keep their grade"
        session.say(f"{what}; `make regrade` shows what would change.", "yellow")
    return NOT_GRADED if failed or session.class_list.open else GRADED


def run_regrade(options: argparse.Namespace) -> int:
    with Session(options) as session:
        regrade = Regrade(session, options.student)
        if options.publish:
            failed = regrade.publish()
            session.say(f"Published: {len(regrade.again)} regraded.")
            return NOT_GRADED if failed or session.class_list.open else GRADED
        if not regrade.again:
            session.say("Nothing changed since everybody was graded; --student NAME grades one again anyway.")
            return GRADED
        changes = regrade.run()
    write(options.folder / "regraded" / "changes.csv", as_csv(changes))
    moved = [change for change in changes if change.checks]
    if moved:
        session.console.print(table(moved))
    points = sum(change.before != change.after for change in changes)
    what = f"{len(changes)} graded again, {len(moved)} change, {points} in points; all of them: regraded/changes.csv"
    session.say(f"{what}. Nothing is published before the same command with ARGS=--publish.")
    return GRADED


if __name__ == "__main__":
    sys.exit(main())
