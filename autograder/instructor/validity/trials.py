"""Grading many submissions of our own at once: a box on every core, results that survive a killed run, and what two
submissions have in common. What is graded, and what for, is in __main__.py."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Self, TypedDict, TypeVar

import numpy as np

from ... import checks
from ...box import Box
from ...expect import Expect
from ...expectations import Expectations
from ...grading import grade
from ...paths import PUBLIC
from ...record import PASSED, UNGRADED, Failed
from ...student import Student
from ..authoring.recording import record
from ..fingerprint import sha256
from ..store import Store

if TYPE_CHECKING:
    from rich.progress import Progress

    from ...expect.answers import Answer
    from ...rubric import Rubric

PATIENCE = {"timeouts_per_part": 1}  # many mutants hang, and one time-out says enough
Job = TypeVar("Job")
Done = TypeVar("Done")


@dataclass
class Subject:
    """One submission to grade, and what came of it.

    kind     "mutant", "mistake", "right" or "cheap"
    name     survivors.toml and the catalogue call it so
    file     the file that is wrong, or ""
    files    what is handed in, by name
    only     parts or checks to grade; all if there are none
    seeds    of the expectations: the public cases, and the hidden ones or None
    verdicts {check: verdict} of what did not pass; None until it is graded
    named    {check: id of the catalogue}
    said     {check: what the student is told}
    reads    {check: what was read of the student's code, as in a CheckResult}, where anything was
    alike    {known mistake: the checks whose every case it answers as this does}
    """

    kind: str
    name: str
    file: str
    files: dict[str, bytes]
    only: tuple[str, ...]
    seeds: tuple[str, str | None]
    verdicts: dict[str, str] | None = None
    named: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    reads: dict[str, dict[str, Any]] = field(default_factory=dict)
    alike: dict[str, list[str]] = field(default_factory=dict)

    @property
    def same_as(self) -> list[str]:
        """Known mistakes that do the same wherever this one is wrong."""
        assert self.verdicts is not None  # it is graded
        return [name for name, found in self.alike.items() if self.verdicts.keys() <= set(found)]

    @property
    def misnamed(self) -> bool:
        """Whether it is wrong in a way that no mistake whose name it got, nor all of them together, accounts for."""
        assert self.verdicts is not None  # it is graded
        named = set(self.named.values())
        return bool(named) and not self.verdicts.keys() <= {id for name in named for id in self.alike.get(name, ())}


class Graded(TypedDict):
    """What a Subject keeps of its grade."""

    verdicts: dict[str, str]
    named: dict[str, str]
    said: dict[str, str]
    reads: dict[str, dict[str, Any]]


def digest(files: Mapping[str, bytes]) -> dict[str, str]:
    """Of each file, by name."""
    return {name: sha256(content) for name, content in sorted(files.items())}


class Trials:
    """Boxes for every core, the expectations of each seed, and what is already known.

    folder  where results are kept
    kit     the digest of the kit that they are of
    """

    def __init__(self, folder: Path, kit: str, rubric: Rubric, workers: int, progress: Progress) -> None:
        self.kit, self.rubric, self.workers, self.progress = kit, rubric, workers, progress
        self.grades, self.likenesses = Store(folder, Graded), Store(folder, list[str])
        self.expectations = {"public": Expectations.load(PUBLIC)}
        self.boxes: SimpleQueue[Box] = SimpleQueue()
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        for _ in range(self.workers):
            self.boxes.put(self.stack.enter_context(Box(self.rubric.limits)))
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def key(self, *depends: object) -> str:
        """Of a result that depends on these, and on the kit."""
        return sha256(json.dumps([self.kit, *depends]).encode())[:24]

    def each(self, title: str, jobs: Collection[Job], work: Callable[[Box, Job], Done]) -> Iterator[tuple[Job, Done]]:
        """Yield (job, work(box, job)) for every job, in whatever order they end, with a progress bar."""
        shown = self.progress.add_task(title, total=len(jobs))

        def one(job: Job) -> Done:
            box = self.boxes.get()
            try:
                return work(box, job)
            finally:
                self.boxes.put(box)

        with ThreadPoolExecutor(self.workers) as pool:
            futures = {pool.submit(one, job): job for job in jobs}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
                    self.progress.advance(shown)
            finally:
                pool.shutdown(cancel_futures=True)

    def grade(self, title: str, submissions: Sequence[Subject]) -> None:
        """Grade each, or take what is kept of it."""
        keys = [self.key(digest(s.files), s.only, s.seeds) for s in submissions]
        kept = {key: found for key in keys if (found := self.grades.get(key)) is not None}
        missing = [(key, s) for key, s in zip(keys, submissions, strict=True) if key not in kept]
        asked: dict[str, set[str]] = {}  # of each seed, all that any of these submissions is graded on
        for _, submission in missing:
            for seed in filter(None, submission.seeds):
                asked.setdefault(seed, set()).update(submission.only or checks.CHECKS)
        for seed in asked.keys() - self.expectations.keys():
            ids = [id for id in checks.CHECKS if {id, id.split(".")[0]} & asked[seed]]
            self.expectations[seed] = self.with_box(lambda box, s=seed, i=ids: record(box, self.rubric, s, only=i))
        for (key, _), found in self.each(title, missing, lambda box, job: self.graded(box, job[1])):
            self.grades.put(key, found)
            kept[key] = found
        for key, submission in zip(keys, submissions, strict=True):
            for name, value in kept[key].items():
                setattr(submission, name, value)

    def with_box(self, work: Callable[[Box], Done]) -> Done:
        """What work gives with the next box that is free."""
        box = self.boxes.get()
        try:
            return work(box)
        finally:
            self.boxes.put(box)

    def graded(self, box: Box, submission: Subject) -> Graded:
        limits = self.rubric.limits | (PATIENCE if submission.kind == "mutant" else {})
        # These are our own, so that any host will do.
        rubric = replace(self.rubric, limits=limits, box={"minimum_tier": "E"})
        first, second = submission.seeds
        public, hidden = self.expectations[first], self.expectations[second] if second else None
        with tempfile.TemporaryDirectory() as folder:
            for name, content in submission.files.items():
                Path(folder, name).write_bytes(content)
            found = grade(Path(folder), box, rubric, public, hidden, submission.only).checks
        lost = [check for check in found if check.verdict != PASSED]
        if any(check.verdict == UNGRADED for check in lost):  # a fault of ours, and no grade
            raise RuntimeError(f"{submission.name}: {[check.output for check in lost]}")
        return {
            "verdicts": {check.id: check.verdict for check in lost},
            "named": {check.id: check.mistake for check in lost if check.mistake},
            "said": {check.id: check.message for check in lost},
            "reads": {check.id: check.reads for check in lost if check.computes},
        }

    def compare(self, title: str, wrong: Sequence[Subject], known: Sequence[Subject]) -> None:
        """Fill in `alike`, for known mistakes that were told the same, and for those whose name was given."""
        pairs = [
            (one, other)
            for one in wrong
            for other in known
            if one.file == other.file and one.verdicts and (one.said == other.said or other.name in one.named.values())
        ]
        keys = [self.key(digest(one.files), digest(other.files)) for one, other in pairs]
        kept = {key: found for key in keys if (found := self.likenesses.get(key)) is not None}
        missing = [(key, pair) for key, pair in zip(keys, pairs, strict=True) if key not in kept]
        for (key, _), found in self.each(title, missing, lambda box, job: self.alike(box, *job[1])):
            self.likenesses.put(key, found)
            kept[key] = found
        for key, (one, other) in zip(keys, pairs, strict=True):
            one.alike[other.name] = kept[key]

    def alike(self, box: Box, one: Subject, other: Subject) -> list[str]:
        """The checks that two submissions answer alike on all public cases."""
        first, second = self.answers(box, one), self.answers(box, other)
        return [
            id
            for id in first
            if first[id].keys() == second[id].keys()
            and all(close(first[id][name], second[id][name]) for name in first[id])
        ]

    def answers(self, box: Box, submission: Subject) -> dict[str, dict[str, Answer | str]]:
        """{check: {what: answer}} to the public cases; of a check that ends early, also the words with which it did."""
        found: dict[str, dict[str, Answer | str]] = {}
        with Student.at_work(box, submission.files, self.rubric.limits) as student:
            for id in checks.CHECKS:
                if not {id, id.split(".")[0]} & set(submission.only):
                    continue
                found[id] = {}
                expect = Expect(self.expectations["public"], id, self.rubric.checks[id].tolerance)
                try:
                    checks.run(id, student, expect)
                except Failed as failed:
                    if not expect.settled:
                        found[id]["end"] = f"{failed.verdict}: {failed.message}"
                found[id] |= {f"{answer.name} {answer.where}": answer for answer in expect.answers}
        return found


def close(first: Answer | str, second: Answer | str) -> bool:
    """Whether two answers to one case, or two endings, are the same but for rounding."""
    if isinstance(first, str) or isinstance(second, str):
        return first == second
    if first.got.shape != second.got.shape:
        return False
    with np.errstate(invalid="ignore"):
        near = np.abs(first.got - second.got) <= first.tolerance * np.maximum(first.scale, np.abs(first.got))
    return bool(np.all(near | (first.got == second.got) | (np.isnan(first.got) & np.isnan(second.got))))
