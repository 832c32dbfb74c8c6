"""`make class` and `make regrade`: the command line of a class run."""

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ... import checks
from ...box import BoxError
from ...expected import Expectations, ExpectationsError
from ...files import write
from ...grading import TooWeak
from ...paths import HIDDEN
from ...rubric import Rubric
from . import page, publishing, regrading, roster, working
from .collecting import collect, collected
from .downloads import DownloadError
from .keeping import Shelf, kit, prices
from .pools import Cluster, Local
from .running import Course, Run
from .working import Stop

GRADED, USAGE, NOT_GRADED = 0, 2, 3


def main(arguments=None):
    parser = argparse.ArgumentParser(
        "python -m autograder.tools.classroom", description="Grade a whole class: one command, and nothing is lost."
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
    options_of_a_run(command)
    command.set_defaults(run=run_grade)
    command = commands.add_parser(
        "regrade",
        help="grade again what changed, and show who gains or loses what; publish it with --publish",
        description="Grades again whoever's submission, kit, seed or device is another than when it was graded, and "
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
        errors.print(str(error), style="red", soft_wrap=True, markup=False)
        return NOT_GRADED
    except (DownloadError, roster.RosterError) as error:
        errors.print(str(error), style="red", soft_wrap=True, markup=False)
        return USAGE
    except KeyboardInterrupt:
        errors.print("Stopped. What is graded is kept; the same command goes on from here.", style="yellow")
        os._exit(130)  # the workers notice, and end


def options_of_a_run(command):
    command.add_argument(
        "--class", type=Path, default=Path("class"), dest="folder", metavar="DIR", help="default: class"
    )
    command.add_argument(
        "--exact", action="store_true", help="the exact parts only, for a first look; the others later"
    )
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto",
                         help="for training; auto is the GPU where there is one with a recorded run")  # fmt: skip
    command.add_argument("--workers", type=positive, metavar="N", help="how many to grade at once; one per core")
    command.add_argument("--trainings", type=positive, metavar="N",
                         help="how many train at once: 2 on a GPU, else as many as there are workers")  # fmt: skip
    command.add_argument(
        "--cluster", metavar="ADDRESS", help="a Dask scheduler such as tcp://host:8786, for its workers"
    )


def positive(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


class Classroom:
    """A class folder, the workers that grade it, and what every grade of this run depends on."""

    def __init__(self, options):
        self.options, self.folder, self.console = options, options.folder, Console(highlight=False)
        self.rubric = Rubric.load()
        self.overrides = publishing.overrides(self.folder / "overrides.toml", self.rubric)
        self.kept = Shelf(self.folder / "kept")
        known = self.folder / "roster.csv"
        self.roster = roster.read(known) if known.exists() else None
        self.rows = {}

    def __enter__(self):
        seed, options = Expectations.load(HIDDEN, checks.version()).metadata["seed"], self.options
        self.pools = Cluster(options.cluster) if options.cluster else Local(options.workers)
        gpu = None
        if options.device != "cpu":
            with self.console.status("Starting a worker"):
                gpu = self.pools.training().submit(working.device, options.device).result()
        self.course = Course(kit(self.rubric), prices(self.rubric), seed, gpu)
        return self

    def __exit__(self, *_):
        self.pools.close()

    def run(self, class_list, shelf, settled=True):
        """Grade what is missing on a shelf; yields the Kept of each student, with a line and the progress."""
        parts = checks.EXACT if self.options.exact else tuple(checks.PARTS)
        trainings = self.options.trainings or (2 if self.course.gpu else None)
        run = Run(self.course, self.pools, shelf, parts, trainings, settled)
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        with Progress(*columns, TextColumn("{task.description}"), console=self.console) as progress:
            shown, counts = progress.add_task("", total=len(class_list)), Counter()
            for kept in run.each(class_list):
                row = self.row(kept)
                counts.update(row.verdicts.values())
                progress.console.print(f"[bold]{escape(kept.name)}[/]  {escape(publishing.told(row))}", soft_wrap=True)
                said = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in counts.most_common())
                progress.update(shown, advance=1, description=said)
                yield kept
        self.outdated = run.outdated

    def by_hand(self, student):
        return self.overrides.get(student, {})

    def record(self, kept):
        return publishing.record(kept, self.rubric, self.by_hand(kept.name))

    def row(self, kept):
        return publishing.row(kept, self.record(kept), self.by_hand(kept.name))

    def publish(self, kept):
        """Write what a student may see, and remember the student for the pages."""
        made = self.record(kept)
        self.rows[kept.name] = publishing.row(kept, made, self.by_hand(kept.name))
        if made:
            publishing.publish(self.folder / "results" / kept.name, made, self.rubric)

    def finish(self, class_list, outdated=()):
        """Write the table and the page of the class."""
        from . import grades  # nbgrader, which the workers do without

        known = {handed_in.student: handed_in for handed_in in class_list}
        if unknown := self.overrides.keys() - known.keys():
            raise Stop(f"overrides.toml names {', '.join(sorted(unknown))}, who is not in this class.")
        rows = [self.rows[student] for student in sorted(known)]
        for row in rows:
            row.notes = [*known[row.student].notes, *row.notes]
        write(self.folder / "index.html", page.render(rows, self.rubric, outdated))
        if (self.folder / "nbgrader").exists():
            self.say("The gradebook is in use: `make gradebook` and `make feedback` bring grades.csv up to date.")
        else:
            write(self.folder / "grades.csv", grades.render(rows, class_list, self.rubric, self.roster))
        self.say(f"Written: grades.csv, index.html and results/ in {self.folder}/", "dim")
        failed = [row.student for row in rows if publishing.ungraded(row)]
        if failed:
            names = ", ".join(failed[:10]) + (" ..." if len(failed) > 10 else "")
            self.say(f"Not graded: {names}. index.html says why; the same command tries these again.", "red")
        return NOT_GRADED if failed else GRADED

    def say(self, text, style=None):
        self.console.print(text, style=style, soft_wrap=True, markup=False)


def run_grade(options):
    if options.submissions:
        if not options.submissions.exists():
            raise DownloadError(f"There is no {options.submissions}.")
        known = options.folder / "roster.csv"
        if options.roster:
            roster.read(options.roster)
            write(known, options.roster.read_bytes())
        students = roster.read(known) if known.exists() else None
        class_list = collect(options.submissions, options.folder / "submissions", students)
    else:
        class_list = listed(options.folder)
    with Classroom(options) as classroom:
        for kept in classroom.run(class_list, classroom.kept):
            classroom.publish(kept)
        status = classroom.finish(class_list, classroom.outdated)
    if classroom.outdated:
        causes = Counter(cause for causes in classroom.outdated.values() for cause in causes)
        why = ", ".join(f"{cause} for {count}" for cause, count in causes.items())
        what = f"{len(classroom.outdated)} were graded before something changed ({why}) and keep their grade"
        classroom.say(f"{what}; `make regrade` shows what would change.", "yellow")
    return status


def listed(folder):
    """What was collected into a class folder. Raises Stop where nothing was."""
    try:
        return collected(folder / "submissions")
    except FileNotFoundError:
        raise DownloadError(f"Nothing was collected in {folder} yet: `make class SUBMISSIONS=path`.") from None


def run_regrade(options):
    class_list = listed(options.folder)
    with Classroom(options) as classroom:
        regraded, course = Shelf(options.folder / "regraded"), classroom.course
        published = {handed_in.student: classroom.kept.get(handed_in.student) for handed_in in class_list}
        if unknown := set(options.student) - published.keys():
            raise DownloadError(f"There is no {', '.join(sorted(unknown))} in {options.folder}.")
        if missing := [student for student, kept in published.items() if kept is None]:
            raise DownloadError(f"{len(missing)} are not graded yet, such as {missing[0]}: `make class` first.")
        again, causes = [], {}
        for handed_in in class_list:
            before, now = published[handed_in.student], course.intake(handed_in)[0]
            causes[handed_in.student] = changed = before.changed(now)
            if handed_in.student in options.student if options.student else changed:
                again.append(handed_in)
            if changed == ["points"] and not options.student and not before.broken:
                regraded.put(handed_in.student, before.repriced(now.depends, classroom.rubric))
        if not again:
            classroom.say("Nothing changed since everybody was graded; --student NAME grades one again anyway.")
            return GRADED
        if options.publish:
            return publish_regrade(classroom, class_list, again, published, regraded)
        for student in options.student:
            regraded.path(student).unlink(missing_ok=True)
        changes = []
        for kept in classroom.run(again, regraded, settled=False):
            before = classroom.record(published[kept.name])
            changes.append(regrading.change(kept.name, before, classroom.record(kept), causes[kept.name]))
    changes.sort(key=lambda change: (-abs(change.by or 0), change.student))
    moved = [change for change in changes if change.checks]
    write(options.folder / "regraded" / "changes.csv", regrading.as_csv(changes))
    if moved:
        classroom.console.print(regrading.table(moved))
    points = sum(change.before != change.after for change in changes)
    what = f"{len(changes)} graded again, {len(moved)} change, {points} in points; all of them: regraded/changes.csv"
    classroom.say(f"{what}. Nothing is published before `make regrade` with ARGS=--publish.")
    return GRADED


def publish_regrade(classroom, class_list, again, published, regraded):
    """Make the regraded results of `again` those of the class."""
    fresh = {}
    for handed_in in again:
        kept = regraded.get(handed_in.student)
        if kept is None or kept.changed(classroom.course.intake(handed_in)[0]) or kept.broken:
            raise DownloadError(f"{handed_in.student} is not regraded as things stand now: `make regrade` first.")
        fresh[handed_in.student] = kept
    for student in fresh:
        os.replace(regraded.path(student), classroom.kept.path(student))
    for student, kept in published.items():
        classroom.publish(fresh.get(student, kept))
    classroom.say(f"Published: {len(fresh)} regraded.")
    return classroom.finish(class_list)


if __name__ == "__main__":
    sys.exit(main())
