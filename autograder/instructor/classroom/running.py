"""The run itself: which stages of which students are missing, handed out to workers, and kept as they end."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ... import checks
from ...box import BoxError
from ...expectations import ExpectationsError
from ...grading import Found, TooWeak
from ...intake.submission import Refused, Submission, read
from ...language import N_, _
from ..fingerprint import sha256
from . import working
from .keeping import Kept
from .working import Stop

if TYPE_CHECKING:
    from ..handins.collecting import HandedIn
    from ..store import Store
    from .pools import Cluster, Local

NOTHING = N_("nothing was handed in")
ATTEMPTS = 3  # of a job whose worker process ended under it
NO_ONE_CAN = (Stop, TooWeak, BoxError, ExpectationsError)  # a fault of the host, not of one submission


@dataclass
class Conditions:
    """What every grade of a run depends on: digests of the kit and of the rubric's points, fingerprint of the seed. And
    whether training may use a GPU, which changes no verdict."""

    kit: str
    points: str
    seed: str
    gpu: bool

    def intake(self, handed_in: HandedIn) -> tuple[Kept, Submission | None]:
        """What a student handed in, with nothing graded yet; no Submission where it is refused. Raises OSError."""
        submission, notes, refused = None, [], ""
        if handed_in.path is None:
            notes, refused = [_("Nothing was handed in.")], NOTHING
        else:
            try:
                submission = read(handed_in.path)
                notes = submission.notes
            except Refused as why:
                notes, refused = [f"Refused: {why}."], f"the submission was refused, {why}"
        files = submission.files if submission else {}
        digest = sha256(json.dumps([notes, refused, {n: sha256(data) for n, data in sorted(files.items())}]).encode())
        depends = {
            "submission": digest[:16],
            "kit": self.kit,
            "points": self.points,
            "seed": self.seed,
        }
        return Kept(depends, handed_in.key, notes, refused), submission


@dataclass
class Work:
    """A student who is not done: what is kept, what was handed in, and the stages still to be run."""

    kept: Kept
    path: Path
    submission: Submission
    stages: deque[checks.Stage]
    executor: Executor | None = None  # where its job runs
    attempts: int = 0


class Run:
    """Grades a class with the workers of `pools`, and keeps what comes of it in `store`.

    parts      to be graded
    trainings  how many train at once: on the GPU where there is one, else on all the cores; None for no limit
    settled    whether a whole grade stands although the kit, the submission or the seed changed since: what was
               published is changed by a regrade only
    """

    def __init__(
        self,
        conditions: Conditions,
        pools: Local | Cluster,
        store: Store[Kept],
        parts: Collection[str],
        trainings: int | None,
        settled: bool = True,
    ) -> None:
        self.conditions, self.pools, self.store, self.parts, self.trainings = conditions, pools, store, parts, trainings
        self.settled = settled
        self.outdated: dict[str, list[str]] = {}  # {student: names of what changed}
        self.waiting: dict[checks.Stage, deque[Work]] = {stage: deque() for stage in checks.STAGES}
        self.running: dict[Future[Found], Work] = {}

    def each(self, class_list: Iterable[HandedIn]) -> Iterator[Kept]:
        """Grade what is missing of each student; yields each who is done."""
        coming = iter(class_list)
        while True:
            # Later stages first, so that one student after another is done; nobody is read before their turn.
            while work := self.next(coming):
                if isinstance(work, Kept):
                    yield work
                else:
                    self.start(work)
            if not self.running:
                return
            for future in wait(self.running, return_when=FIRST_COMPLETED).done:
                if kept := self.ended(self.running.pop(future), future):
                    yield kept

    def next(self, coming: Iterator[HandedIn]) -> Work | Kept | None:
        """Work that can start now, or the Kept of a student for whom there is none; None while all workers are busy."""
        for stage in reversed(checks.STAGES):
            if self.waiting[stage] and self.room(stage):
                return self.waiting[stage].popleft()
        queued = sum(map(len, self.waiting.values()))
        if not self.room(checks.STAGES[0]) or queued > self.pools.width():  # those who wait are held in memory
            return None
        handed_in = next(coming, None)
        if handed_in is None:
            return None
        try:
            kept, submission = self.conditions.intake(handed_in)
        except OSError as error:
            kept = Kept({}, handed_in.key, [], failed=f"what was handed in cannot be read: {error}")
            self.store.put(kept.name, kept)
            return kept
        known = self.store.get(handed_in.key)
        if known and known.refused == NOTHING and handed_in.path:
            known = None
        changed = known.changed(kept) if known else []
        if known and not known.broken and not (changed and known.missing(self.parts)) and (self.settled or not changed):
            kept = known
            if changed:
                self.outdated[kept.name] = changed
        elif not submission:
            self.store.put(kept.name, kept)
        stages = deque(kept.missing(self.parts))
        if not stages:
            return kept
        assert handed_in.path is not None and submission is not None  # what is refused has no stages
        return Work(kept, handed_in.path, submission, stages)

    def room(self, stage: checks.Stage) -> bool:
        training = sum(work.stages[0].gpu for work in self.running.values())
        if stage.gpu and self.trainings and training >= self.trainings:
            return False
        elsewhere = training if self.conditions.gpu else 0
        return self.on_gpu(stage) or len(self.running) - elsewhere < self.pools.width()

    def on_gpu(self, stage: checks.Stage) -> bool:
        return self.conditions.gpu and stage.gpu

    def start(self, work: Work) -> None:
        stage = work.stages[0]
        work.executor = self.pools.executor(self.on_gpu(stage), self.trainings)
        job = (self.conditions.kit, work.path, work.submission, stage, work.kept.found, self.conditions.gpu)
        try:
            self.running[work.executor.submit(working.stage, *job)] = work
        except BrokenExecutor:  # found out only now
            self.pools.renew(work.executor)
            self.waiting[stage].appendleft(work)

    def ended(self, work: Work, future: Future[Found]) -> Kept | None:
        """Keep what a job found. Returns the Kept of a student who is done with it. Raises what stops the whole run."""
        stage, kept = work.stages[0], work.kept
        try:
            error = future.exception()
        except CancelledError:  # Dask's way to say that its scheduler is gone
            raise Stop("The cluster is gone. What is graded is kept; the same command goes on from here.") from None
        if isinstance(error, NO_ONE_CAN):
            raise error
        if isinstance(error, BrokenExecutor):
            assert work.executor is not None  # it was started
            self.pools.renew(work.executor)
            work.attempts += 1
            if work.attempts < ATTEMPTS:
                self.waiting[stage].append(work)
                return None
            error = f"a worker process ended {ATTEMPTS} times while grading this"
        if error:
            told = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
            kept.failed, kept.done, kept.found = told, [], Found()
            self.store.put(kept.name, kept)
            return kept
        kept.found = future.result()
        kept.done.append(stage.name)
        self.store.put(kept.name, kept)
        work.stages.popleft()
        if not work.stages:
            return kept
        self.waiting[work.stages[0]].append(work)
        return None
