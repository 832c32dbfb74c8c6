"""One run over the folder of a class: what every grade of it depends on, its workers and progress, and its pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterator
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ... import reports
from ...expectations import Expectations
from ...files import write
from ...paths import HIDDEN
from ...rubric import Rubric
from ..fingerprint import kit, prices
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
    class_list         of all; `known` are those who are graded, while the others wait
    Raises Stop, DownloadError and RosterError.
    """

    def __init__(self, options: Namespace, absent_are_absent: bool | None = None) -> None:
        self.options, self.folder, self.console = options, options.folder, Console(highlight=False)
        try:
            self.class_list, self.roster = collecting.class_list(self.folder, absent_are_absent)
        except FileNotFoundError:
            raise DownloadError(f"Nothing was collected in {self.folder} yet: `make class SUBMISSIONS=path`.") from None
        self.known = [entry for entry in self.class_list if not entry.waits]
        self.rubric = Rubric.load()
        self.overrides = publishing.overrides(self.folder / "overrides.toml", self.rubric)
        self.kept = Store(self.folder / "kept", Kept)
        self.rows: dict[str, publishing.Row] = {}

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
        self.outdated = run.outdated

    def by_hand(self, student: str) -> publishing.ByHand:
        return self.overrides.get(student, {})

    def record(self, kept: Kept) -> GradeRecord | None:
        return publishing.record(kept, self.rubric, self.by_hand(kept.name))

    def row(self, kept: Kept) -> publishing.Row:
        return publishing.row(kept, self.record(kept), self.by_hand(kept.name))

    def publish(self, kept: Kept) -> None:
        """Write what a student may see, and remember the student for the pages."""
        made = self.record(kept)
        self.rows[kept.name] = publishing.row(kept, made, self.by_hand(kept.name))
        if made:
            reports.write_all(self.folder / "results" / kept.name, made, self.rubric, in_class=True)

    def finish(self, outdated: Container[str]) -> list[str]:
        """Write the table and the page of the class. Returns who is not graded.

        outdated  those whose grade is of another kit, submission, points or seed
        """
        known = {handed_in.student: handed_in for handed_in in self.class_list}
        if unknown := self.overrides.keys() - known.keys():
            names = ", ".join(sorted(unknown))
            self.say(f"overrides.toml names {names}, who is not in this class: these points go to nobody.", "yellow")
        for entry in self.class_list:
            if entry.waits:
                self.rows[entry.student] = publishing.waiting(entry.student, entry.waits)
        rows = [self.rows[student] for student in sorted(known)]
        for row in rows:
            entry = known[row.student]
            report = [f"The report waits: {entry.report}."] * bool(entry.report)
            row.notes = [*entry.notes, *report, *row.notes]
        write(self.folder / "index.html", page.render(rows, self.rubric, outdated, self.class_list))
        written, then = "index.html and results/", "`make feedback`, which bring grades.csv up to date"
        if not (self.folder / "nbgrader").exists():  # else points by hand and lateness stand in grades.csv
            made = before_marking.grades(rows, self.class_list, self.rubric, self.roster)
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
