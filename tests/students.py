"""Steps as students compute them, in numpy and float32, for the tests of autograder/readback: given as one expression
for the weight of each term, so that what is read can be compared with what was written."""

import numpy as np

from autograder.readback.forms import DDIM_FORMS, DDPM_FORMS, read_step
from autograder.readback.products import quantities
from autograder.readback.reading import Cases
from autograder.readback.weights import measure

BETAS = np.linspace(1e-4, 0.02, 1000)
ABAR = np.cumprod(1 - BETAS)
TABLES = np.float32(BETAS), np.float32(ABAR)

DDPM = {
    "x0_hat": "abar_prev**0.5*beta/(1 - abar)",
    "x_t": "(abar/abar_prev)**0.5*(1 - abar_prev)/(1 - abar)",
    "z": "((1 - abar_prev)/(1 - abar)*beta)**0.5",
}
DDPM_BY_NOISE = {
    "x_t": "(abar_prev/abar)**0.5",
    "epsilon_hat": "-beta/(1 - abar)**0.5*(abar_prev/abar)**0.5",
    "z": "beta**0.5",
}
DDIM = {
    "x0_hat": "abar_prev**0.5",
    "epsilon_hat": "(1 - abar_prev - sigma**2)**0.5",
    "z": "eta*((1 - abar_prev)/(1 - abar)*beta)**0.5",
}
ATOMS = ("abar", "1 - abar", "abar_prev", "1 - abar_prev", "beta", "alpha_t", "beta_t", "abar_lag", "1 - abar_lag")


def spaced(S):
    return [round((S - i) * 1000 / S) - 1 for i in range(S)] + [-1]


def cases_of(rng, eta=False, last=False, full=True, tables=TABLES):
    """The quantities of some cases like those of the checks: the full list, two short ones, and last steps."""
    pairs = [(t, t - 1) for t in (1, rng.integers(2, 50), rng.integers(50, 998), 999, rng.integers(25, 100), 300)]
    for S in (10, int(rng.choice([7, 9, 11, 13, 17, 19, 21, 23]))):
        steps = spaced(S)
        pairs += [(steps[i], steps[i + 1]) for i in (0, 1, S // 2, *([S - 1] if last else []))]
    if not full:
        pairs = pairs[6:]
    t, previous = np.array(pairs, int).T
    etas = np.resize([0.3, 1.0, 0.5, round(rng.uniform(0.1, 0.9), 5), 0.3], len(t)) if eta else None
    return quantities(*tables, t, previous, etas)


def value(source, values):
    with np.errstate(all="ignore"):
        return np.broadcast_to(eval(source, {"__builtins__": {}}, dict(values)), values["abar"].shape)


def weights_of(formula, values):
    """{term: (K,)} of a formula; `sigma` in it is the weight of z."""
    z = value(formula["z"], values)
    return {term: value(source, {**values, "sigma": z}) for term, source in formula.items()}


def on_noise(weights, abar):
    """(K, 3) weights of x_t, epsilon_hat and z, from those of any form."""
    x0, x, e = (weights.get(term, 0) for term in ("x0_hat", "x_t", "epsilon_hat"))
    with np.errstate(all="ignore"):
        columns = x + x0 / abar**0.5, e - x0 * ((1 - abar) / abar) ** 0.5, weights["z"]
    return np.stack(np.broadcast_arrays(*columns), axis=1)


def answers(weights, abar, rng, change=lambda x_prev: x_prev):
    """[(x_t, output, z, x_prev)] of a step with these weights, computed in float32."""
    found = []
    for k, bar in enumerate(np.float32(abar)):
        size = rng.integers(3, 5)
        shape = (size, rng.integers(1, 5), rng.integers(1, 5), size)
        x, e, z = (rng.standard_normal(shape).astype(np.float32) for _ in range(3))
        terms = {"x0_hat": (x - np.sqrt(1 - bar) * e) / np.sqrt(bar), "x_t": x, "epsilon_hat": e, "z": z}
        found.append((x, e, z, change(sum(np.float32(w[k]) * terms[term] for term, w in weights.items()))))
    return found


def read(formula, values, rng, expected=None, change=lambda x_prev: x_prev):
    """What is read of a student whose step has this formula; None where its answers are no weighted sums."""
    return read_weights(weights_of(formula, values), values, rng, expected, change)


def read_weights(weights, values, rng, expected=None, change=lambda x_prev: x_prev):
    found = [measure(x_prev, [x, e, z]) for x, e, z, x_prev in answers(weights, values["abar"], rng, change)]
    if not all(found):
        return None
    right = None if expected is None else on_noise(weights_of(expected, values), values["abar"])
    weights, errors = (np.array([getattr(one, name) for one in found]) for name in ("values", "errors"))
    forms = DDIM_FORMS if "eta" in values else DDPM_FORMS
    return read_step(Cases(values), weights, errors, right, forms)


def agrees(step, formula, values):
    """Whether a Step is a formula, in these cases, which it need not have seen."""
    z = np.broadcast_to(step.reads["z"].expression.value(values), values["abar"].shape)
    known = {**values, "sigma": np.abs(z)}
    mine = {term: np.broadcast_to(one.expression.value(known), z.shape) for term, one in step.reads.items()}
    wanted, got = (on_noise(weights, values["abar"]) for weights in (weights_of(formula, values), mine))
    finite = np.isfinite(wanted).all(axis=1)
    scale = np.abs(wanted).max(axis=1, keepdims=True)
    # A part in a million of the largest weight is beyond float32.
    return bool(np.all((np.abs(wanted - got) <= 1e-2 * np.abs(wanted) + 2e-6 * scale)[finite]))
