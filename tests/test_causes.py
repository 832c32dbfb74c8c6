"""What a failure follows from: found by trying, said only where it is so."""

from itertools import permutations

import pytest
import reference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.causes import ORDERS
from autograder.record import PASSED

REFERENCE = reference.SCHEDULER
LINEAR = "return torch.linspace(beta_start, beta_end, num_train_timesteps, dtype=torch.float64)"
TABLES = (LINEAR, LINEAR.replace("beta_end,", "1.3 * beta_end,"))
LIST = ("steps = [round((S - i) * T / S) - 1 for i in range(S)]", "steps = [(S - i) * (T // S) - 2 for i in range(S)]")
POSTERIOR = ("mean = x0_weight * original", "mean = 1.1 * x0_weight * original")
VELOCITY = ("alpha_bar.sqrt() * noise - (1", "alpha_bar.sqrt() * noise + (1")
SIGNATURES = {
    "add_noise": ("self, {}):", ("original_samples", "noise", "timesteps")),
    "get_velocity": ("self, {}):", ("sample", "noise", "timesteps")),
    "predict": ("self, {}):", ("model_output", "timestep", "sample")),
    "posterior": ("self, {}):", ("original_samples", "sample", "timestep")),
    "step": ("self, {}, generator=None, variance_noise=None):", ("model_output", "timestep", "sample")),
}
# What calls a method inside the class keeps calling it in the handout's order, by name.
BY_NAME = (
    (
        "self.predict(model_output, timestep, sample)",
        "self.predict(model_output=model_output, timestep=timestep, sample=sample)",
    ),
    ("self.posterior(x0, sample, timestep)", "self.posterior(original_samples=x0, sample=sample, timestep=timestep)"),
)


def changed(*replacements):
    text = REFERENCE
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    return text


def failed(record):
    return {check.id: check for check in record.checks if check.verdict != PASSED}


def follows(record):
    return {id: check.hint.startswith("Follows from ") for id, check in failed(record).items()}


def test_all_that_a_wrong_table_spoils_follows_from_it(grade):
    told = follows(grade(changed(TABLES)))
    assert len(told) > 8 and [id for id, it in told.items() if not it] == ["schedule.linear"]


def test_all_that_a_wrong_list_spoils_follows_from_it(grade):
    told = failed(grade(changed(LIST)))
    assert told.keys() == {"reverse.timesteps", "reverse.previous_timestep", "reverse.strided", "ddim.strided"}
    assert not told.pop("reverse.timesteps").hint.startswith("Follows")
    assert all(check.hint.startswith("Follows from reverse.") for check in told.values())


def test_both_may_be_wrong(grade):
    told = failed(grade(changed(TABLES, LIST), public_only=True))
    assert told["ddim.strided"].hint.startswith("Follows from schedule.linear and reverse.timesteps.")


def test_steps_with_a_wrong_posterior_follow_from_it(grade):
    told = failed(grade(changed(POSTERIOR)))
    assert not told.pop("reverse.posterior").hint.startswith("Follows")
    assert told.keys() == {"reverse.step", "reverse.step_large", "reverse.strided"}
    assert all(check.hint.startswith("Follows from reverse.posterior.") for check in told.values())


def test_a_mistake_of_its_own_follows_from_nothing(grade):
    """The velocity is wrong whatever the table, and so is the noise of a step whatever the posterior."""
    told = failed(grade(changed(TABLES, VELOCITY), public_only=True))
    assert "Follows" not in told["forward.get_velocity"].hint
    assert "It may follow from schedule.linear" in told["forward.get_velocity"].hint
    wrong_noise = ("return mean + variance.sqrt() * z", "return mean + 1.5 * variance.sqrt() * z")
    told = failed(grade(changed(POSTERIOR, wrong_noise), public_only=True))
    assert "Follows" not in told["reverse.step"].hint


@pytest.mark.parametrize("crash", ["DDPMScheduler", "step"])
def test_one_error_is_told_once(grade, crash):
    """A name that is missing, in __init__, or wherever alpha-bar is used."""
    old = {"DDPMScheduler": "alphas = 1 - betas", "step": "table = self.alphas_cumprod.double()"}[crash]
    record = grade(changed((old, f"{old}; np.zeros(1)")), public_only=True)
    told = failed(record)
    first, *others = told.values()
    assert "name 'np' is not defined" in first.output and len(others) > 8
    assert all(check.hint == f"Follows from {first.id}: it is the same error." for check in others)
    assert all(check.follows == [first.id] for check in others)
    assert (
        record.next.startswith(f"Next: {first.message}; ") and f"({first.id}, handout {first.section})" in record.next
    )


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_other_order_of_arguments_is_told(grade, data):
    method = data.draw(st.sampled_from(sorted(SIGNATURES)))
    form, names = SIGNATURES[method]
    order = data.draw(st.sampled_from(list(permutations(names))[1:]))
    old, new = (f"def {method}({form.format(', '.join(each))}" for each in (names, order))
    record = grade(changed((old, new), *BY_NAME), public_only=True)
    wrong = [check for check in failed(record).values() if ORDERS.get(check.id, ("",))[0] == method]
    assert wrong
    if not wrong[0].mistake:  # images in each other's place do what exchanged factors do, which have a name
        assert f"in the order {method}({', '.join(order)}) this check passes" in wrong[0].hint
        assert f"the handout has {method}({', '.join(names)})" in wrong[0].hint


# ----- what somebody may hand in, and what must be said of it ---------------------------------------------------------

STEP = "def step(self, model_output, timestep, sample, generator=None, variance_noise=None):"
RETURNED = {
    "a float": ("return mean, variance.to(sample)", "return mean, float(variance)"),
    "a numpy float64": ("return mean, variance.to(sample)", "import numpy; return mean, numpy.float64(variance)"),
    "a list": ("return x0, epsilon\n", "return [x0, epsilon]\n"),
    "a tensor of shape": ("return x0, epsilon\n", "return x0\n"),
    "a tuple of 3": ("return x0, epsilon\n", "return x0, epsilon, x0\n"),
    "a 0-d tensor; int(...)": ("return int(self.timesteps[index + 1])", "return self.timesteps[index + 1]"),
    "an object of class Output (return the tensors bare)": (
        "return mean + variance.sqrt() * z",
        "\n        class Output: prev_sample = mean + variance.sqrt() * z\n        return Output()",
    ),
    "self must be the first parameter of a method": (STEP, STEP.replace("self, ", "")),
    "it does not take the arguments that the handout gives it, step(self": (
        STEP,
        STEP.replace("generator=None, ", "rng, "),
    ),
    "asks for a GPU": ("alphas = 1 - betas", "alphas = 1 - betas.to('cuda')"),
    "called as add_noise(float32 (1, ": ("values = table.to", "assert len(timesteps) > 1; values = table.to"),
}


@pytest.mark.parametrize("words", RETURNED)
def test_what_is_returned_or_raised_is_told_plainly(grade, words):
    told = failed(grade(changed(RETURNED[words]), public_only=True))
    assert words in next(iter(told.values())).output


FILES = {
    "a byte order mark": (lambda text: b"\xef\xbb\xbf" + text.encode(), None),
    "lines of Windows": (lambda text: text.replace("\n", "\r\n").encode(), None),
    "tabs": (lambda text: text.replace("    ", "\t").encode(), None),
    "a declared encoding": (lambda text: b"# -*- coding: latin-1 -*-\n# caf\xe9\n" + text.encode("latin-1"), None),
    "an encoding that is not declared": (
        lambda text: b"name = 'caf\xe9'\n" + text.encode(),
        "save the file as plain UTF-8",
    ),
    "UTF-16": (lambda text: text.encode("utf-16"), "save the file as plain UTF-8"),
    "tabs among spaces": (
        lambda text: text.replace("        self.betas =", "\tself.betas =").encode(),
        "tabs and spaces are mixed",
    ),
    "a relative import": (lambda text: b"from .unet import UNet\n" + text.encode(), "without the dots: import unet"),
    "star imports": (lambda text: b"from torch import *\n" + text.encode(), "does `from torch import *` hide"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_as_they_come(grade, name):
    made, words = FILES[name]
    record = grade({"scheduler.py": made(REFERENCE)}, public_only=True)
    assert any(words in check.output for check in record.checks) if words else not failed(record)
