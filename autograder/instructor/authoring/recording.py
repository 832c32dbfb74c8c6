"""Record expectations: run every check once with the reference, and keep its inputs and the reference's answers.

The public file is committed and ships to students. The hidden one is made from the course seed, which stays in course/,
outside git, with the file made from it: a new course draws a new seed by deleting that folder.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.progress import track
from safetensors.numpy import save

from ... import __version__, checks, given, reads
from ...box import Box
from ...diagnosis import CLEAR, PROJECTIONS, fingerprint, words_of
from ...expect import Expect
from ...expect.answers import FORMS
from ...expectations import Expectations, ExpectationsError, digest_of_checks, packed
from ...files import digest, write
from ...intake.submission import read
from ...language import ENGLISH, speak
from ...paths import COURSE, HIDDEN, PUBLIC, ROOT
from ...record import Failed
from ...rubric import Rubric, RubricError
from ...student import Student
from .patches import load_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from ...expect.answers import Answer
    from ...student import Scheduler
    from .patches import Patch

PUBLIC_SEED = "public"


class Recorder(Expect):
    """An Expect that draws and records instead of reading and comparing. A law the reference breaks raises Failed."""

    def __init__(
        self, check: str, rng: np.random.Generator, tensors: dict[str, np.ndarray], metadata: dict[str, str]
    ) -> None:
        super().__init__(Expectations(tensors, metadata), check, tolerance=0)
        self.rng, self.tensors, self.drawn = rng, tensors, 0

    def keep(self, kind: str, name: str | int, array: np.ndarray) -> None:
        key = f"{self.check}/{kind}/{name}"
        if key in self.tensors:
            raise KeyError(f"two cases of one check have the same name: {key}")
        self.tensors[key] = np.array(array, order="C")

    # pyrefly: ignore[bad-override]  # only the `listed` of Expect draws None
    def draw(self, sample: Callable[[np.random.Generator], np.ndarray]) -> np.ndarray:
        array = sample(self.rng)
        self.keep("input", self.drawn, array)
        self.drawn += 1
        return array

    def listed(self, scheduler: Scheduler) -> list[int]:
        return self.draw(lambda rng: np.asarray(scheduler.timesteps)).tolist()

    # pyrefly: ignore[bad-override]  # nobody looks at the answer
    def compare(
        self,
        got: object,
        name: str,
        where: str,
        dtype: str | None,
        scale: Callable[[np.ndarray], np.ndarray | np.floating] | None,
    ) -> None:
        self.keep("value", f"{name} {where}", np.asarray(got))

    def measured(self, got: float, name: str, where: str, below: float | None = None) -> None:
        self.compare(got, name, where, None, None)

    def live(self, compare: Callable[[], object]) -> None:
        pass

    # pyrefly: ignore[bad-override]
    def exactly(self, got: object, name: str, where: str) -> None:
        self.compare(got, name, where, None, None)

    # pyrefly: ignore[bad-override]
    def step(
        self,
        scheduler: Scheduler,
        model_output: np.ndarray,
        timestep: int,
        sample: np.ndarray,
        noise: np.ndarray,
        where: str,
        **options: Any,
    ) -> None:
        self.value(scheduler.step(model_output, timestep, sample, variance_noise=noise, **options), "x_prev", where)
        # Weights in float64, where they come out to many digits: the tables are the same, only the samples are finer.
        output, sample, noise = (array.astype(np.float64) for array in (model_output, sample, noise))
        x_prev = scheduler.step(output, timestep, sample, variance_noise=noise, **options)
        x0, epsilon = scheduler.predict(output, timestep, sample)
        terms = {"x0": x0, "epsilon": epsilon, "sample": sample, "velocity": epsilon - x0}
        self.keep("forms", f"x_prev {where}", forms(terms, noise, x_prev))

    def settle(self) -> None:
        pass


def record(
    box: Box, rubric: Rubric, seed: str, patches: Iterable[Patch] = (), only: Iterable[str] = checks.CHECKS
) -> Expectations:
    """Expectations of the reference for one seed, and what each known mistake makes of the same inputs.

    only  ids of checks; all by default
    """
    tensors: dict[str, np.ndarray] = {}
    metadata = {"kit_version": __version__, **depends_on(rubric)}
    with Student.at_work(box, read(ROOT / "solution").files, rubric.limits) as student:
        for name in only:
            # Every check draws from a generator of its own, so that a new check leaves the others' inputs alone.
            rng = np.random.default_rng(list(hashlib.sha256(f"{seed}/{name}".encode()).digest()))
            checks.run(name, student, Recorder(name, rng, tensors, metadata))
    metadata["seed"] = hashlib.sha256(seed.encode()).hexdigest()[:12]  # its fingerprint; the seed itself stays here
    mistakes = record_mistakes(box, rubric, Expectations(tensors, metadata), patches)
    return Expectations(tensors, {**metadata, "mistakes": packed(mistakes)})


def depends_on(rubric: Rubric) -> dict[str, str]:
    """What recorded values come from, as metadata: the checks, the given files, the reference, and what the course asks
    for."""
    reference = digest(ROOT / "solution" / name for name in ("scheduler.py", "infer.py"))
    made_from = {"digest": digest_of_checks(), "given": given.version(), "reference": reference}
    return made_from | {"asks": " ".join(rubric.asks)}


def is_stale(path: Path, rubric: Rubric) -> bool:
    """Whether a file is missing, damaged, or recorded from other sources than these."""
    try:
        return not depends_on(rubric).items() <= Expectations.load(path).metadata.items()
    except ExpectationsError:
        return True


# ----- known mistakes ----------------------------------------------------------------------------------------


def record_mistakes(box: Box, rubric: Rubric, expectations: Expectations, patches: Iterable[Patch]) -> dict[str, Any]:
    """Run each patch on the checks that it fails. Adds to the tensors; returns `Expectations.mistakes`."""
    rows = {}  # {check: {mistake: {key: row}}}
    said, loses, read_back = {}, {}, {}
    for patch in patches:
        loses[patch.id] = [check for check in patch.loses if check in rubric.checks and check not in checks.MEASURED]
        wrong = [check for check in (*patch.loses, *patch.may_lose) if check in rubric.checks]
        if not wrong:  # it is one of a part that is off
            del loses[patch.id]
            continue
        with Student.at_work(box, patch.files, rubric.limits) as student:
            for check in [check for check in wrong if check not in checks.MEASURED]:
                tolerance = rubric.checks[check].tolerance
                expect = Expect(expectations, check, tolerance, lambda id, wrong=wrong: id not in wrong)
                try:
                    checks.run(check, student, expect)
                except Failed as failed:
                    if not expect.settled:
                        said.setdefault(check, {})[patch.id] = words_of(failed, expect)
                rows.setdefault(check, {})[patch.id] = {
                    f"{check}/{kind}/{answer.name} {answer.where}": row
                    for answer in expect.answers
                    for kind, row in (
                        ("mistakes", fingerprint_of(answer, check in patch.random)),
                        ("weights", weights_of(answer)),
                    )
                    if row is not None
                }
            read_back[patch.id] = read_of(student, rubric, expectations, wrong)
    for by_mistake in rows.values():
        expectations.tensors.update(stack(list(by_mistake.values())))
    suspects = {check: list(ids) for check, ids in rows.items()}
    return {"suspects": suspects, "said": said, "loses": loses, "reads": read_back}


def read_of(
    student: Student, rubric: Rubric, expectations: Expectations, wrong: Iterable[str]
) -> dict[str, dict[str, str | None]]:
    """{check: what is read of it}, as of a submission that fails these checks."""
    found = {}
    for one, failed in reads.of_failed(student, rubric, expectations, dict.fromkeys(wrong)):
        for check in failed:
            found.setdefault(check, one.reads)
    return found


def stack(rows: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """One array per key for all mistakes of a check, float32, a row for each of those that have something there, after
    the number of that mistake: fingerprints (W, 10), and weights (W, 13)."""
    stacked = {}
    for n, by_key in enumerate(rows):
        for key, row in by_key.items():
            stacked.setdefault(key, []).append([n, *row.ravel()])
    return {key: np.array(found, np.float32) for key, found in stacked.items()}


def fingerprint_of(answer: Answer, random: bool) -> np.ndarray | None:
    """None for a right answer; infinite where the same mistake may come out otherwise, or is a random number."""
    if answer.error < answer.tolerance / CLEAR:
        return None
    if random or answer.error < CLEAR * answer.tolerance:
        return np.full(PROJECTIONS + 1, np.inf, np.float32)
    return fingerprint(answer.off)


def weights_of(answer: Answer) -> np.ndarray | None:
    """The weights of a wrong step, if it is a combination of the terms at all."""
    if answer.step is None or answer.right or answer.step.terms is None or not np.isfinite(answer.got).all():
        return None
    try:
        return forms(answer.step.terms, answer.step.noise, answer.got)
    except ValueError:
        return None


def forms(terms: Mapping[str, np.ndarray], noise: np.ndarray, x_prev: np.ndarray) -> np.ndarray:
    """The weights of each way to write a step, (4, 3): two terms and the noise; NaN where these two do not suffice.
    Raises ValueError if no way does."""
    weights = []
    x_prev = np.float64(np.asarray(x_prev)).ravel()
    for names in FORMS:
        basis = np.stack([np.float64(np.asarray(terms[name])).ravel() for name in names] + [noise.ravel()], axis=1)
        solution = np.linalg.lstsq(basis, x_prev, rcond=1e-14)[0]
        suffice = np.abs(basis @ solution - x_prev).max() <= 1e-5 * np.abs(x_prev).max()
        weights.append(np.where(np.abs(solution) < 1e-9, 0, solution) if suffice else np.full(3, np.nan))
    if np.isnan(weights).all():
        raise ValueError("a step is no combination of x0_hat, epsilon_hat, x_t and noise")
    return np.array(weights)


def file_of(expectations: Expectations) -> bytes:
    """The bytes of a file of expectations: the same for the same content, whatever order safetensors' own writer gives
    the header (its metadata is in a map without one)."""
    data = save(expectations.tensors, expectations.metadata)
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:start]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[start:]


def course_seed() -> str:
    """The seed of this course, drawn once."""
    COURSE.mkdir(mode=0o700, exist_ok=True)
    path = COURSE / "seed"
    if not path.exists():
        path.write_text(secrets.token_hex(16) + "\n")
        print(f"Drew a new course seed, {path.relative_to(ROOT)}: keep it, and keep it secret.")
    return path.read_text().strip()


def main(which: str) -> None:
    """Record public and hidden cases: "all", or those that are "stale".

    Known mistakes are recorded on public cases only: of a hidden case nothing is told but the verdict.
    """
    speak(ENGLISH)  # whatever the course speaks: cases are recorded under their English names
    rubric = Rubric.load(smoke=True, whole=True)
    asked = [id for id in checks.ALL if id in rubric.checks]
    with Box(rubric.limits) as box:
        for path, seed, only, patches in (
            (PUBLIC, lambda: PUBLIC_SEED, asked, load_all()),
            (HIDDEN, course_seed, [id for id in asked if id in checks.CHECKS], []),
        ):
            if which == "all" or is_stale(path, rubric):
                patches = track(patches, f"Running the known mistakes, {path.stem} cases", transient=True)
                shown = track(list(only), f"Running the reference, {path.stem} cases", transient=True)
                write(path, file_of(record(box, rubric, seed(), patches, shown)))
                print(f"Recorded {path.relative_to(ROOT)}: {len(only)} checks, {path.stat().st_size >> 10} kB")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:] or ["all"])
    except RubricError as error:
        sys.exit(str(error))
