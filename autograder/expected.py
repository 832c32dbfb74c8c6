"""Recorded expectations: the inputs of every check, and what the reference answers to them.

`make record` runs each check once with the reference and writes both to one safetensors file per seed
(tools/record.py). While grading, a check reads its inputs from that file and compares the answers with it: the
reference is never in memory while student code runs, and nothing depends on the version of a random generator.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from safetensors import safe_open

from .box.student import Value
from .record import BAD_OUTPUT, CRASHED, NOT_IMPLEMENTED, WRONG, Failed

# A step is a linear combination of the noise and any two of (x0_hat, epsilon_hat, x_t): these three ways to write it
# give the same x_prev wherever the student's own prediction explains x_t, and all three are right.
FORMS = (("x0", "sample"), ("x0", "epsilon"), ("epsilon", "sample"))
SMALL = 1e-6  # what counts as zero beside images; a variance of 0 must not demand exact zeros
INDEPENDENT = 1e-4  # smallest singular value of the normalised terms of a form; collinear terms prove nothing


class ExpectationsError(Exception):
    """The recorded file is missing, damaged or of another version: an instructor has to record again."""


class Expectations:
    """One file of recorded expectations.

    tensors   {"<check id>/<kind>/<name>": array}; kinds are input, value and forms
    metadata  kit_version, digest of the checks it was made for, name and fingerprint of its seed
    """

    def __init__(self, tensors, metadata):
        self.tensors, self.metadata = tensors, metadata

    @classmethod
    def load(cls, path, digest):
        """Read a file recorded for the checks with this digest. Raises ExpectationsError."""
        try:
            with safe_open(path, "np") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}
                metadata = file.metadata()
        except Exception as error:  # safetensors raises several kinds for a missing or damaged file
            raise ExpectationsError(f"{path} cannot be read ({error}); `make record` writes it anew") from None
        if metadata.get("digest") != digest:
            raise ExpectationsError(f"{path} was recorded for other checks than these; `make record` writes it anew")
        return cls(tensors, metadata)

    def inputs(self, check):
        """The recorded inputs of a check, in the order in which it asks for them."""
        n = 0
        while (array := self.tensors.get(f"{check}/input/{n}")) is not None:
            yield array
            n += 1


class Expect:
    """What one check may draw, and what it holds the student's answers against.

    Values are collected; `settle` raises Failed for the first wrong one. What follows `settle` in a check are laws:
    they have no recorded value, and can only take points from a check whose values are all right.
    """

    def __init__(self, expectations, check, tolerance, passed=lambda check: True, public=True):
        self.expectations, self.check, self.tolerance = expectations, check, tolerance
        self.passed, self.public = passed, public
        self.inputs = expectations.inputs(check)
        self.compared = 0
        self.wrong = []
        self.steps = []

    # ----- inputs --------------------------------------------------------------------------------------------

    def draw(self, sample):
        """The next recorded input; the recorder made it with `sample(rng)`."""
        return next(self.inputs)

    def normal(self, *shape):
        """Standard normal float32 numbers."""
        return self.draw(lambda rng: rng.standard_normal(shape, dtype=np.float32))

    def uniform(self, low, high):
        """One float, rounded to 5 digits so that it prints as it is."""
        return float(self.draw(lambda rng: np.array(round(rng.uniform(low, high), 5))))

    def integers(self, low, high, *shape):
        """int64 numbers, low <= n < high."""
        return self.draw(lambda rng: np.array(rng.integers(low, high, shape)))

    def integer(self, low, high):
        return int(self.integers(low, high))

    def choice(self, *options):
        return int(self.draw(lambda rng: np.array(options[rng.integers(len(options))])))

    def listed(self, scheduler):
        """The recorded timesteps of a scheduler's list, whatever the student's own list says."""
        return self.draw(None).tolist()

    # ----- answers -------------------------------------------------------------------------------------------

    def recorded(self, kind, what):
        return self.expectations.tensors[f"{self.check}/{kind}/{what}"]

    def value(self, got, what, dtype=None):
        """Compare a tensor with the recorded one. Errors are relative to the largest expected element."""
        self.compare(got, what, dtype, lambda expected: np.abs(expected).max(initial=SMALL))

    def table(self, got, what, dtype="float32"):
        """Compare a table with the recorded one. Errors are relative element by element: small entries matter."""
        self.compare(got, what, dtype, np.abs)

    def pair(self, got, method):
        """Raise Failed unless a method returned two things."""
        if not (isinstance(got, tuple) and len(got) == 2):
            raise Failed(BAD_OUTPUT, f"{method} must return a pair of tensors, got {kind_of(got)}")

    def exactly(self, got, what):
        """Compare integers: an int64 tensor or a Python int."""
        expected = self.recorded("value", what)
        if expected.ndim:
            self.tensor(got, expected.shape, what, "int64")
        elif type(got) is not int:
            raise Failed(BAD_OUTPUT, f"{what} must be an int, got {kind_of(got)}")
        self.note(got, expected, what, np.array_equal(got, expected))

    def compare(self, got, what, dtype, scale):
        expected = self.recorded("value", what)
        self.tensor(got, expected.shape, what, dtype or str(expected.dtype))
        self.note(got, expected, what, np.all(difference(got, expected) <= self.tolerance * scale(expected)))

    def tensor(self, got, shape, what, dtype=None):
        """`got` in float64 for use in a law; raises Failed unless it is a tensor of this shape (and dtype)."""
        if not isinstance(got, Value):
            hint = "; return the tensors bare, as the handout says" if not np.isscalar(got) else ""
            raise Failed(BAD_OUTPUT, f"{what} must be a torch.Tensor, got {kind_of(got)}{hint}")
        if got.shape != shape:
            raise Failed(BAD_OUTPUT, f"{what} must have shape {shape}, got {got.shape}")
        if dtype and got.torch_dtype != dtype:
            raise Failed(BAD_OUTPUT, f"{what} must have dtype {dtype}, got {got.torch_dtype}")
        return np.float64(np.asarray(got))

    def note(self, got, expected, what, right):
        self.compared += 1
        if not right:
            self.wrong.append(Wrong(what, np.asarray(got), expected))

    def step(self, scheduler, model_output, timestep, sample, noise, what, **options):
        """Call `scheduler.step` with the noise given and compare x_prev; remembered for `carried`."""
        got = scheduler.step(model_output, timestep, sample, variance_noise=noise, **options)
        forms = self.recorded("forms", what)
        self.value(got, what, str(sample.dtype))
        self.steps.append((got, forms, lambda: scheduler.predict(model_output, timestep, sample), sample, noise))

    def settle(self):
        """Raise Failed(WRONG) for the first wrong value, unless the step is right for the student's own predict."""
        if not self.compared:
            raise RuntimeError(f"{self.check} compared nothing")
        if not self.wrong or (len(self.wrong) <= len(self.steps) and self.carried()):
            self.wrong.clear()
            return
        first = self.wrong[0]
        raise Failed(*first.verdict(), first.detail())

    # ----- errors carried forward ---------------------------------------------------------------------------

    def carried(self):
        """Whether every step of this check is right given what the student's own `predict` returns."""
        if self.compared != len(self.steps):
            return False
        try:
            return all(self.follows(*step) for step in self.steps)
        except Failed:  # no usable predict to carry anything from
            return False

    def follows(self, got, forms, predict, sample, noise):
        own = predict()
        if not (isinstance(own, tuple) and len(own) == 2):
            return False
        terms = {"x0": own[0], "epsilon": own[1], "sample": sample}
        if not all(isinstance(term, np.ndarray) and term.shape == got.shape for term in terms.values()):
            return False
        for names, weights in zip(FORMS, forms, strict=True):
            basis = np.stack([np.float64(terms[name]).ravel() for name in names] + [np.float64(noise).ravel()], axis=1)
            used = basis[:, np.abs(weights) > 1e-9]
            if not independent(used):
                continue
            expected = basis @ weights
            if np.all(difference(got.ravel(), expected) <= self.tolerance * np.abs(expected).max()):
                return True
        return False

    # ----- laws -------------------------------------------------------------------------------------------------

    def law(self, holds, message):
        if not holds:
            raise Failed(WRONG, message)

    def same(self, got, first, message):
        """The same answer as before, up to rounding."""
        self.tensor(got, first.shape, f"{message}; the result")
        self.law(np.all(difference(got, first) <= 1e-5 * np.abs(first).max(initial=0)), message)

    def raises(self, call, message):
        """`call` must raise ValueError; its text is not graded. Hidden cases would only say it again."""
        if not self.public:
            return
        try:
            call()
        except Failed as failed:
            if "ValueError" in failed.types:
                return
            if failed.verdict not in (CRASHED, NOT_IMPLEMENTED):
                raise
        raise Failed(WRONG, f"{message} must raise ValueError")

    def on_cuda(self, scheduler, method, *args, **kwargs):
        """With CUDA inputs, no device is mixed up. Anything that fake tensors cannot decide costs nothing; fake
        tensors have no values, so hidden cases would only say it again."""
        if not self.public:
            return
        device = scheduler.on_cuda(method, *args, **kwargs)
        self.law(
            device != "mismatch",
            f"{method} mixes CPU and CUDA tensors when its inputs are on the GPU; move the tables to their device",
        )
        self.law(device in ("cuda", "undecided"), f"{method} returns a {device} tensor for inputs on the GPU")


class Wrong:
    """One answer that differs from the recorded one."""

    def __init__(self, what, got, expected):
        self.what, self.got, self.expected = what, got, expected

    def verdict(self):
        bad = ~np.isfinite(self.got)
        if bad.any():
            kinds = "NaN" if np.isnan(self.got).any() else "infinite values"
            return BAD_OUTPUT, f"{self.what} contains {kinds} ({bad.sum()} of {bad.size} elements)"
        return WRONG, f"{self.what} has wrong values"

    def detail(self):
        """Expected and got at the worst element; for public cases only."""
        errors = np.atleast_1d(difference(self.got, self.expected))
        worst = np.unravel_index(np.argmax(errors), errors.shape)
        got, expected = (np.atleast_1d(array)[worst] for array in (self.got, self.expected))
        index = f" at index {tuple(map(int, worst))}" if self.expected.ndim else ""
        return f"expected {expected:.6g}, got {got:.6g}{index}"


def difference(got, expected):
    """|got - expected| in float64; infinite where got is not finite."""
    errors = np.abs(np.float64(np.asarray(got)) - np.float64(expected))
    return np.where(np.isfinite(errors), errors, np.inf)


def independent(columns):
    """Whether the columns are finite and clearly linearly independent."""
    norms = np.linalg.norm(columns, axis=0)
    if not (np.isfinite(norms).all() and (norms > 0).all()):
        return False
    return np.linalg.svd(columns / norms, compute_uv=False)[-1] > INDEPENDENT


def kind_of(value):
    """How a wrong result is called in a message."""
    if value is None:
        return "None (is a return missing?)"
    if isinstance(value, Value):
        return f"a tensor of shape {value.shape}"
    return getattr(value, "type", type(value).__name__)


def digest(paths):
    """SHA-256 over some Python files: expectations belong to the code they were recorded with."""
    state = hashlib.sha256()
    for path in sorted(map(Path, paths)):
        state.update(json.dumps([path.name, path.read_text(encoding="utf-8")]).encode())
    return state.hexdigest()[:16]
