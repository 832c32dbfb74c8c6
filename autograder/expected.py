"""Recorded expectations: the inputs of every check, and what the reference answers to them.

`make record` runs each check once with the reference and writes both to one safetensors file per seed
(tools/record.py). While grading, a check reads its inputs from that file and compares the answers with it: the
reference is never in memory while student code runs, and nothing depends on the version of a random generator.
"""

import hashlib
import json
from functools import partial
from pathlib import Path

import numpy as np
from safetensors import safe_open

from .answers import Answer, Step, difference
from .box.student import Value
from .box.wire import Other
from .record import BAD_OUTPUT, CRASHED, NOT_IMPLEMENTED, WRONG, Evidence, Failed
from .which import settings

SMALL = 1e-6  # what counts as zero beside images; a variance of 0 must not demand exact zeros


class ExpectationsError(Exception):
    """The recorded file is missing, damaged or of another version: an instructor has to record again."""


class Expectations:
    """One file of recorded expectations.

    tensors   {"<check id>/<kind>/<name>": array}; kinds are input, value and forms, and for M known mistakes
              mistakes, (W, 10), the number of each that is wrong there and its fingerprint (infinite: unclear), and
              weights, (W, 10), the number of a mistake and its weights like forms
    metadata  kit_version, digest of the checks it was made for, fingerprint of its seed
    mistakes  {"suspects": {check: [id]}, "said": {check: {id: words_of(...)}}, "loses": {id: [check]},
              "reads": {id: {check: what is read back of it}}}
    """

    def __init__(self, tensors, metadata):
        self.tensors, self.metadata = tensors, metadata
        self.mistakes = json.loads(metadata.get("mistakes", '{"suspects": {}, "said": {}, "loses": {}, "reads": {}}'))

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

    carries  whether samples of infer.py may be right with another scheduler than the student's: some check of that one
             was lost, or not run

    Values are collected; `settle` raises Failed for wrong ones. What follows `laws` in a check has no
    recorded value, and can only take points from a check whose values are all right.
    """

    def __init__(
        self, expectations, check, tolerance, passed=lambda check: True, public=True, tell=lambda text: None,
        carries=False,
    ):  # fmt: skip
        self.expectations, self.check, self.tolerance = expectations, check, tolerance
        self.passed, self.public, self.tell, self.carries = passed, public, tell, carries
        self.inputs = expectations.inputs(check)
        self.answers = []  # every Answer so far
        self.wrong = []  # those that differ, and are not carried forward
        self.settled = False  # whether the check ended with wrong values, and not with something else
        self.remarks = []  # what else is worth telling, whatever the verdict
        self.picture = ""  # what the student's work drew, for the report: a PNG, in base64

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

    def recorded(self, kind, name, where):
        return self.expectations.tensors[f"{self.check}/{kind}/{name} {where}"]

    def value(self, got, name, where, dtype=None):
        """Compare a tensor with the recorded one. Errors are relative to the largest expected element.

        name   what it is, for every reader
        where  for which case, for readers of public cases only; the two together name one value of the check
        """
        self.compare(got, name, where, dtype, lambda expected: np.abs(expected).max(initial=SMALL))

    def table(self, got, name, where):
        """Compare a float32 table with the recorded one. Errors are relative element by element: small ones matter."""
        self.compare(got, name, where, "float32", lambda expected: np.maximum(np.abs(expected), SMALL**2))

    def pair(self, got, method):
        """Raise Failed unless a method returned two things."""
        if not (isinstance(got, tuple) and len(got) == 2):
            raise Failed(BAD_OUTPUT, f"{method} must return two tensors, `return a, b`; got {kind_of(got)}")

    def exactly(self, got, name, where):
        """Compare integers: an int64 tensor or a Python int."""
        expected = self.recorded("value", name, where)
        if expected.ndim:
            self.tensor(got, expected.shape, name, "int64", where)
        elif type(got) is not int:
            raise Failed(BAD_OUTPUT, f"{name} must be an int of Python, got {kind_of(got)}; int(...) makes one", where)
        self.note(Answer(name, where, got, expected, scale=1.0, tolerance=self.tolerance))

    def compare(self, got, name, where, dtype, scale):
        expected = self.recorded("value", name, where)
        self.tensor(got, expected.shape, name, dtype or str(expected.dtype), where)
        self.note(Answer(name, where, got, expected, scale(expected), self.tolerance))

    def measured(self, got, name, where, below=None):
        """Compare a number that the grader measured itself. Its error is relative.

        below  how far it may be below the recorded one, where that is another share than above
        """
        self.near(got, self.recorded("value", name, where), name, where, self.tolerance, below)

    def near(self, got, expected, name, where, tolerance, below=None):
        """The same for a number with an expected value that is not recorded."""
        scale = np.abs(expected) * (below / tolerance if below and got < expected else 1)
        answer = Answer(name, where, np.float64(got), expected, scale, tolerance)
        answer.complaint = "is too far from the reference's"
        self.note(answer)

    def live(self, compare):
        """Call `compare`, which holds what the student's work does beside what the reference does on this very machine:
        nothing of it can be recorded."""
        compare()

    def tensor(self, got, shape, name, dtype=None, where=""):
        """`got` in float64 for use in a law; raises Failed unless it is a tensor of this shape (and dtype)."""
        if not isinstance(got, Value):
            raise Failed(BAD_OUTPUT, f"{name} must be a torch.Tensor, got {kind_of(got)}", where)
        if got.shape != shape:
            raise Failed(BAD_OUTPUT, f"{name} must have shape {shape}, got {got.shape}", where)
        if dtype and got.torch_dtype != dtype:
            raise Failed(BAD_OUTPUT, f"{name} must have dtype {dtype}, got {got.torch_dtype}", where)
        return np.float64(np.asarray(got))

    def note(self, answer):
        self.answers.append(answer)
        if not answer.right:
            self.wrong.append(answer)

    def step(self, scheduler, model_output, timestep, sample, noise, where, **options):
        """Call `scheduler.step` with the noise given and compare x_prev; remembered for `carried`."""
        got = scheduler.step(model_output, timestep, sample, variance_noise=noise, **options)
        self.value(got, "x_prev", where, str(sample.dtype))
        predict = partial(scheduler.predict, model_output, timestep, sample)
        self.answers[-1].step = Step(self.recorded("forms", "x_prev", where), predict, sample, noise)

    def settle(self):
        """Raise Failed for wrong values, unless the steps are right for the student's own predict."""
        if not self.answers:
            raise RuntimeError(f"{self.check} compared nothing")
        if self.wrong and self.carried():
            self.wrong.clear()
        if self.wrong:
            self.settled = True
            shown = self.worst()
            if self.public and shown.told:
                self.remark(shown.told)
            raise shown.failed()

    def laws(self):
        """Settle, and say whether the laws that follow are to be run: only once, on public cases. They have no recorded
        value, so hidden cases would only say the same again."""
        self.settle()
        return self.public

    def evidence(self):
        """The wrong answer that `settle` told of, for a picture; None where something else went wrong."""
        if not self.wrong:
            return None
        worst = self.worst()
        cases = [(answer.where, answer.right) for answer in self.answers if answer.name == worst.name]
        return Evidence(worst.name, worst.where, worst.got, worst.expected, cases)

    def worst(self):
        """The case to show. Of the first thing that is wrong, with the settings of its first wrong case (the plainest
        come first), the one that is farthest off; none that is wrong only because of the student's `predict`."""
        faults = self.faults()
        alike = [a for a in faults if (a.name, settings(a.where)) == (faults[0].name, settings(faults[0].where))]
        return max(alike, key=lambda answer: answer.error)

    def faults(self):
        """The wrong answers that no other part of the student's work explains, if there are any, else all."""
        return [answer for answer in self.wrong if not (answer.step and answer.carried())] or self.wrong

    def carried(self):
        """Whether every answer of this check is right given what other parts of the student's work, also wrong, do,
        and enough of them are telling: of samples one, which shows the student's work at work; of steps half."""
        telling = sum(answer.telling() for answer in self.answers if answer.carried())
        steps = any(answer.step for answer in self.answers)
        needed = len(self.answers) / 2 if steps else 1
        return all(answer.carried() for answer in self.answers) and telling >= needed

    def remark(self, text):
        """Something worth telling beside the verdict, once."""
        if text not in self.remarks:
            self.remarks.append(text)

    # ----- laws -------------------------------------------------------------------------------------------------

    def law(self, holds, message):
        if not holds:
            raise Failed(WRONG, message)

    def same(self, got, first, message):
        """The same answer as before, up to rounding."""
        if not isinstance(first, Value):
            raise Failed(BAD_OUTPUT, f"a result must be a torch.Tensor, got {kind_of(first)}")
        self.tensor(got, first.shape, f"{message}; the result")
        self.law(np.all(difference(got, first) <= 1e-5 * np.abs(first).max(initial=0)), message)

    def raises(self, call, message):
        """`call` must raise ValueError; its text is not graded."""
        try:
            call()
        except Failed as failed:
            if "ValueError" in failed.types:
                return
            if failed.verdict not in (CRASHED, NOT_IMPLEMENTED):
                raise
        raise Failed(WRONG, f"{message} must raise ValueError")

    def on_cuda(self, scheduler, method, *args, costs=False, **kwargs):
        """With CUDA inputs, no device is mixed up. Anything that fake tensors cannot decide costs nothing.

        costs  whether it takes points: only where it does on a GPU. Without one the student's own process says it, and
               could say anything
        """
        device = scheduler.on_cuda(method, *args, **kwargs)
        told = ""
        if device == "mismatch":
            told = (
                f"{method} mixes CPU and CUDA tensors when its inputs are on the GPU; move the tables to their device"
            )
        elif device == "cpu":
            told = f"{method} returns a tensor on the CPU for inputs on the GPU"
        if costs:
            self.law(not told, told)
        elif told:
            self.remark(f"{told}. It costs nothing in this check, and training on a GPU will stop.")

    def untouched(self, scheduler, method, *args, **kwargs):
        """A second call with the very same tensors gives the same answer: the first one has not changed them."""
        kept = [scheduler.keep(value) for value in args], {name: scheduler.keep(v) for name, v in kwargs.items()}
        first, second = (getattr(scheduler, method)(*kept[0], **kept[1]) for _ in range(2))
        message = f"{method}(...) changes one of its input tensors in place; work on a new tensor"
        pairs = (result if isinstance(result, tuple) else (result,) for result in (first, second))
        for one, other in zip(*pairs, strict=False):
            self.same(other, one, message)


def kind_of(value):
    """How a wrong result is called in a message."""
    if value is None:
        return "None (is a return missing?)"
    if isinstance(value, Value):
        return f"a tensor of shape {value.shape}" if value.shape else "a 0-d tensor"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    if isinstance(value, Other):
        library, _, name = value.type.rpartition(".")
        if name == "ndarray":
            return "a numpy array (torch.from_numpy makes a tensor of one)"
        if library in ("numpy", ""):
            return f"a {library and 'numpy '}{name}"
        return f"an object of class {name} (return the tensors bare)"
    return "an int" if type(value) is int else f"a {type(value).__name__}"


def digest(paths):
    """SHA-256 over some Python files: expectations belong to the code they were recorded with."""
    state = hashlib.sha256()
    for path in sorted(map(Path, paths)):
        state.update(json.dumps([path.name, path.read_text(encoding="utf-8")]).encode())
    return state.hexdigest()[:16]
