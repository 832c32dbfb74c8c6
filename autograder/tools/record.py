"""Record expectations: run every check once with the reference, and keep its inputs and the reference's answers.

The public file is committed and ships to students. The hidden one is made from the course seed, which stays in course/,
outside git, with the file made from it: a new course draws a new seed by deleting that folder.
"""

import hashlib
import secrets
import sys

import numpy as np
from safetensors.numpy import save

from .. import __version__, checks
from ..box import Box
from ..box.student import Student
from ..expected import FORMS, Expect, Expectations
from ..paths import COURSE, HIDDEN, PUBLIC, ROOT
from ..rubric import Rubric
from ..submission import read

PUBLIC_SEED = "public"


class Recorder(Expect):
    """An Expect that draws and records instead of reading and comparing. A law the reference breaks raises Failed."""

    def __init__(self, check, rng, tensors):
        super().__init__(Expectations(tensors, {}), check, tolerance=0)
        self.rng, self.tensors, self.drawn = rng, tensors, 0

    def keep(self, kind, name, array):
        key = f"{self.check}/{kind}/{name}"
        if key in self.tensors:
            raise KeyError(f"two cases of one check have the same name: {key}")
        self.tensors[key] = np.array(array, order="C")

    def draw(self, sample):
        array = sample(self.rng)
        self.keep("input", self.drawn, array)
        self.drawn += 1
        return array

    def listed(self, scheduler):
        return self.draw(lambda rng: np.asarray(scheduler.timesteps)).tolist()

    def compare(self, got, what, dtype, scale):
        self.keep("value", what, np.asarray(got))
        self.compared += 1

    def exactly(self, got, what):
        self.compare(got, what, None, None)

    def step(self, scheduler, model_output, timestep, sample, noise, what, **options):
        self.value(scheduler.step(model_output, timestep, sample, variance_noise=noise, **options), what)
        # Weights in float64, where they come out to many digits: the tables are the same, only the samples are finer.
        output, sample, noise = (array.astype(np.float64) for array in (model_output, sample, noise))
        x_prev = scheduler.step(output, timestep, sample, variance_noise=noise, **options)
        x0, epsilon = scheduler.predict(output, timestep, sample)
        self.keep("forms", what, forms({"x0": x0, "epsilon": epsilon, "sample": sample}, noise, x_prev))

    def settle(self):
        pass


def forms(terms, noise, x_prev):
    """The weights of each way to write a step, (3, 3): two terms and the noise."""
    weights = []
    for names in FORMS:
        basis = np.stack([np.asarray(terms[name]).ravel() for name in names] + [noise.ravel()], axis=1)
        solution = np.linalg.lstsq(basis, np.asarray(x_prev).ravel(), rcond=1e-14)[0]
        if np.abs(basis @ solution - np.asarray(x_prev).ravel()).max() > 1e-6 * np.abs(x_prev).max():
            raise ValueError(f"a step is no combination of {names} and noise")
        weights.append(np.where(np.abs(solution) < 1e-9, 0, solution))
    return np.array(weights)


def record(box, rubric, seed):
    """Expectations of the reference for one seed."""
    student = Student(box, box.stage(read(ROOT / "solution").files), rubric.limits)
    tensors = {}
    for name, check in checks.CHECKS.items():
        # Every check draws from a generator of its own, so that a new check leaves the others' inputs alone.
        rng = np.random.default_rng(list(hashlib.sha256(f"{seed}/{name}".encode()).digest()))
        check(student, Recorder(name, rng, tensors))
    student.close()
    fingerprint = hashlib.sha256(seed.encode()).hexdigest()[:12]
    return Expectations(tensors, {"kit_version": __version__, "digest": checks.version(), "seed": fingerprint})


def course_seed():
    """The seed of this course, drawn once."""
    COURSE.mkdir(mode=0o700, exist_ok=True)
    path = COURSE / "seed"
    if not path.exists():
        path.write_text(secrets.token_hex(16) + "\n")
        print(f"Drew a new course seed, {path.relative_to(ROOT)}: keep it, and keep it secret.")
    return path.read_text().strip()


def main(which):
    rubric = Rubric.load()
    with Box(rubric.limits) as box:
        for path, seed in ((PUBLIC, PUBLIC_SEED), (HIDDEN, None)):
            if which in ("all", path.stem):
                expectations = record(box, rubric, seed or course_seed())
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(save(expectations.tensors, expectations.metadata))
                print(f"Recorded {path.relative_to(ROOT)}: {len(checks.CHECKS)} checks, {path.stat().st_size >> 10} kB")


if __name__ == "__main__":
    main(*sys.argv[1:] or ["all"])
