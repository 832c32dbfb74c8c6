"""One run over the folder of a class: what every grade of it depends on, its workers and progress, and its pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ...expectations import Expectations
from ...paths import HIDDEN
from ...rubric import Rubric
from ..fingerprint import kit, prices
from ..grades import attempts, exceptions, lateness
from ..grades.sheet import write_sheet
from ..handins import collecting
from ..handins.platforms import DownloadError
from ..store import Store
from . import before_marking, page, publishing, working
from .keeping import Kept
from .pools import Cluster, Local, Slurm
from .running import Conditions, Run

if TYPE_CHECKING:
    from argparse import Namespace

    from ...record import GradeRecord
    from ..handins.collecting import HandedIn


def workers(options: Namespace) -> Local | Cluster:
    """Those that the command line asks for."""
    if options.slurm:
        return Slurm(options.slurm, options.folder / "slurm")
    return Cluster(options.cluster) if options.cluster else Local(options.workers)


class Session:
    """A class folder and the workers that grade it, from `with` on.

    options            of the command line: folder, device, workers, trainings, cluster, slurm
    absent_are_absent  whether staff says so just now; None for what was said before
    class_list         of all; `known` are the hand-ins that are graded, while who waits has none
    terms              what is agreed with single students
    outdated           {key of a hand-in: names of what changed since it was graded}
    Raises Stop, DownloadError, TableError and PolicyError.
    """

    def __init__(self, options: Namespace, absent_are_absent: bool | None = None) -> None:
        self.options, self.folder, self.console = options, options.folder, Console(highlight=False)
        self.rubric = Rubric.load()
        try:
            zone = lateness.time_zone(self.rubric.late)
            self.class_list, self.roster = collecting.class_list(self.folder, absent_are_absent, zone)
        except FileNotFoundError:
            raise DownloadError(f"Nothing was collected in {self.folder} yet: `make class SUBMISSIONS=path`.") from None
        self.terms = exceptions.of_class(self.folder, self.rubric.late, self.class_list, self.roster)
        self.candidates = {
            entry.student: attempts.candidates(entry.attempts, self.terms[entry.student], self.rubric)
            for entry in self.class_list
            if not entry.waits
        }
        self.known = [one for several in self.candidates.values() for one in several]
        self.overrides = publishing.overrides(self.folder / "overrides.toml", self.rubric)
        self.kept = Store(self.folder / "kept", Kept)
        self.outdated: dict[str, list[str]] = {}
        self.entries = {entry.student: entry for entry in self.class_list}
        self.found: dict[str, dict[str, Kept]] = {}  # of students of whom not every candidate is there yet
        self.rows: dict[str, publishing.Row] = {}
        self.counting: dict[str, HandedIn] = {}

    def __enter__(self) -> Self:
        seed, options = Expectations.load(HIDDEN).metadata["seed"], self.options
        self.pools = workers(options)
        gpu = False
        if options.device != "cpu":
            with self.console.status("Starting a worker"):
                gpu = self.pools.training().submit(working.device, options.device).result()
        self.conditions = Conditions(kit(self.rubric, HIDDEN), prices(self.rubric), seed, gpu)
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self.pools.close(at_once=error is not None)

    def run(
        self, class_list: Collection[HandedIn], store: Store[Kept], parts: Collection[str], settled: bool = True
    ) -> Iterator[Kept]:
        """Grade what is missing in a store; yields each student who is done, with a line and the progress."""
        trainings = self.options.trainings or (2 if self.conditions.gpu else None)
        run = Run(self.conditions, self.pools, store, parts, trainings, settled)
        self.outdated = run.outdated
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        with Progress(*columns, TextColumn("{task.description}"), console=self.console) as progress:
            shown, counts = progress.add_task("", total=len(class_list)), Counter()
            for kept in run.each(class_list):
                row = self.row(kept)
                counts.update(row.verdicts.values())
                progress.console.print(
                    f"[bold]{escape(kept.name)}[/]  {escape(publishing.summary(row))}", soft_wrap=True
                )
                said = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in counts.most_common())
                progress.update(shown, advance=1, description=said)
                yield kept

    def by_hand(self, student: str) -> publishing.ByHand:
        return self.overrides.get(student, {})

    def record(self, kept: Kept) -> GradeRecord | None:
        return publishing.record(kept, self.rubric, self.by_hand(kept.student))

    def row(self, kept: Kept) -> publishing.Row:
        made = publishing.row(kept, self.record(kept), self.by_hand(kept.student))
        return replace(made, status=self.terms[kept.student].status)

    def publish(self, kept: Kept) -> None:
        """Once all is known of a student that decides which hand-in counts, write what the student may see, and
        remember the student for the pages."""
        student, candidates = kept.student, self.candidates[kept.student]
        found = self.found.setdefault(student, {})
        found[kept.name] = kept
        if len(found) < len(candidates):
            return
        rows = {key: self.row(each) for key, each in self.found.pop(student).items()}
        # Whatever was handed in since a grade was published counts with the regrade that publishes another.
        settled = [one for one in candidates if "submission" not in self.outdated.get(one.key, ())] or candidates[-1:]
        one = attempts.counting(settled, self.terms[student], self.rubric, lambda each: rows[each.key].points)
        self.rows[student] = rows[one.key]
        self.counting[student] = counting = replace(one, several=self.entries[student].several)
        if made := self.record(found[one.key]):
            made.notes += attempts.note(counting, self.rubric.late)
            publishing.hand_back(self.folder, made, self.rubric, self.terms[student].status, one.path is None)

    def finish(self) -> list[str]:
        """Write the table and the page of the class. Returns who is not graded."""
        self.class_list[:] = [self.counting.get(entry.student, entry) for entry in self.class_list]
        collecting.keep_counting(self.folder, self.class_list)
        known = {handed_in.student: handed_in for handed_in in self.class_list}
        outdated = [entry.student for entry in self.class_list if self.outdated.get(entry.key)]
        if unknown := self.overrides.keys() - known.keys():
            names = ", ".join(sorted(unknown))
            self.say(f"overrides.toml names {names}, who is not in this class: these points go to nobody.", "yellow")
        for entry in self.class_list:
            if entry.waits:
                self.rows[entry.student] = publishing.waiting(entry.student, entry.waits)
        rows = [self.rows[student] for student in sorted(known)]
        for row in rows:
            entry = known[row.student]
            row.notes = [*[f"{entry.place}."] * bool(entry.digest), *entry.notes, *row.notes]
        made = before_marking.grades(rows, self.class_list, self.rubric, self.terms)
        shown = page.Shown(rows, outdated)
        page.show(self.folder, self.rubric, self.class_list, self.roster, made, shown)
        written, then = "index.html and results/", "`make feedback`, which bring these and grades.csv up to date"
        if not (self.folder / "nbgrader").exists():  # else points by hand stand in grades.csv
            write_sheet(self.folder, made, self.class_list, self.rubric, self.roster)
            written, then = f"grades.csv, {written}", "`make formgrader`, to mark the reports"
        self.say(f"Written: {written} in {self.folder}/. Next: `make gradebook` and {then}.", "dim")
        failed = [row.student for row in rows if publishing.ungraded(row) and not known[row.student].waits]
        if failed:
            names = ", ".join(failed[:10]) + (" ..." if len(failed) > 10 else "")
            self.say(f"Not graded: {names}. index.html says why; the same command tries these again.", "red")
        for line in self.class_list.summary():
            self.say(line, "red" if self.class_list.open else "dim")
        return failed

    def say(self, text: str, style: str | None = None) -> None:
        self.console.print(text, style=style, soft_wrap=True, markup=False)
