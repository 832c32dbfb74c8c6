"""Submissions that are right on the public cases only. What they know of these they learned as any student could, by
printing it. Each passes every public case, and loses on hidden ones."""

import pytest

from autograder import checks
from autograder.instructor.authoring import patches
from autograder.record import PASSED

# Appended to scheduler.py: every call from outside is asked for a fact about itself. While learning, facts are printed;
# afterwards the result of a call with an unknown one is spoilt.
SCHEDULER = '''

import hashlib

KNOWN, INSIDE, SEEN = None, [], []


def plain(value):
    """Anything as bytes."""
    if isinstance(value, torch.Tensor):
        return repr((value.dtype, tuple(value.shape), value.contiguous().numpy().tobytes()))
    if isinstance(value, torch.Generator):
        return f"generator {value.initial_seed()}"
    if callable(value):
        return "a network"
    if isinstance(value, (tuple, list)):
        return repr([plain(item) for item in value])
    return repr([(name, plain(item)) for name, item in value.items()]) if isinstance(value, dict) else repr(value)


def short(value):
    return hashlib.sha256(plain(value).encode()).hexdigest()[:12]


def spoilt(value):
    if isinstance(value, tuple):
        return tuple(map(spoilt, value))
    if isinstance(value, torch.Tensor):  # in another order, as some checks take off what is added or multiplied
        return value.flip(tuple(range(value.ndim))) + 1
    return value + 1 if isinstance(value, int) else value


def watched(name, method):
    def call(self, *args, **kwargs):
        if INSIDE:
            return method(self, *args, **kwargs)
        INSIDE.append(name)
        try:
            if name == "__init__":
                self.settings = kwargs
            result = method(self, *args, **kwargs)
            if any(isinstance(value, torch.Tensor) and value.is_cuda for value in (*args, *kwargs.values())):
                return result  # a fake tensor: there is nothing to know of it
            fact = str(fact_of(self, name, args, kwargs))
            if KNOWN is None:
                print("FACT", fact)
            elif fact not in KNOWN:
                if name in ("__init__", "set_timesteps"):
                    self.betas, self.alphas = self.betas / 2, self.alphas / 2
                    self.alphas_cumprod, self.timesteps = self.alphas_cumprod / 2, self.timesteps + 1
                return spoilt(result)
            return result
        finally:
            INSIDE.pop()

    return call


for scheduler in (DDPMScheduler, DDIMScheduler):
    for name, method in list(vars(scheduler).items()):
        if callable(method) and (name == "__init__" or not name.startswith("_")):
            setattr(scheduler, name, watched(name, method))
DDIMScheduler.__init__ = DDPMScheduler.__init__
'''
CHEATS = {
    "knows every public call": """
def fact_of(self, *call):
    return short([self.settings, *call])
""",
    "knows the public shapes": """
def fact_of(self, name, args, kwargs):
    return [tuple(value.shape) for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)]
""",
    "recognises the public seed": """
def fact_of(self, name, args, kwargs):
    SEEN.extend(kwargs[name] for name in ("beta_end", "num_train_timesteps") if name in kwargs)
    return short(SEEN[:2])
""",
}
# Images are small, so that two seeds share many of their shapes: this one loses a check where any shape is new to it.
LOST = {"knows the public shapes": 8}


def learned(record):
    assert all(check.verdict == PASSED for check in record.checks), [(c.id, c.message) for c in record.checks]
    lines = [line for check in record.checks for line in check.printed.splitlines()]
    return {line.removeprefix("FACT ") for line in lines if line.startswith("FACT ")}


@pytest.mark.parametrize("cheat", CHEATS)
def test_scheduler(cheat, grade):
    source = patches.reference()["scheduler.py"].decode() + SCHEDULER + CHEATS[cheat]
    known = learned(grade(source, public_only=True))
    source = source.replace("KNOWN, INSIDE, SEEN = None,", f"KNOWN, INSIDE, SEEN = {known!r},")
    assert learned(grade(source, public_only=True)) == set()
    record = grade(source)
    lost = [check for check in record.checks if check.verdict != PASSED]
    assert len(lost) >= LOST.get(cheat, len(record.checks))
    assert all("on a hidden case" in check.message for check in lost)


INFER = """
import hashlib
import os
import sys

from safetensors import numpy as safetensors

KNOWN = None
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
asked = repr(sorted(given.items())).encode()
for option in ("--checkpoint", "--initial-noise"):
    if os.path.exists(given.get(option, "")):
        with open(given[option], "rb") as file:
            asked += file.read()
fact = hashlib.sha256(asked).hexdigest()[:12]
if KNOWN is None:
    print("FACT", fact)
main()
if KNOWN is not None and fact not in KNOWN:
    samples = safetensors.load_file(given["--samples"])["samples"]
    safetensors.save_file({"samples": samples[:, :, ::-1].copy()}, given["--samples"])
"""


@pytest.mark.slow
def test_infer(grade):
    files = patches.reference()
    source = files["infer.py"].decode().replace('if __name__ == "__main__":\n    main()\n', "") + INFER
    probed = [id for id in checks.CHECKS if id.startswith("infer.") and id not in checks.MEASURED]
    known = learned(grade(files | {"infer.py": source.encode()}, public_only=True, only=probed))
    source = source.replace("KNOWN = None", f"KNOWN = {known!r}")
    record = grade(files | {"infer.py": source.encode()}, only=probed)
    assert all(check.verdict != PASSED and "on a hidden case" in check.message for check in record.checks)
