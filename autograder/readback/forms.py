"""The ways to write one step. As x_t is made of x_0 and noise, a step has three forms that are always equal; the one
whose weights are simplest is what the student most probably wrote, and the one to show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .expression import Expression, combination
from .reading import CONFIRMED, HOLDS, Cases, Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    Form = tuple[str, str]  # the two terms of a step beside z

# As the handout writes them first, and then the others.
DDPM_FORMS = (("x0_hat", "x_t"), ("x_t", "epsilon_hat"), ("x0_hat", "epsilon_hat"))
DDIM_FORMS = (("x0_hat", "epsilon_hat"), ("x_t", "epsilon_hat"), ("x0_hat", "x_t"))
NOT_EVERYWHERE = 8  # cost of a formula that some cases speak against
MEANS = 2e-2  # how far what is read may be from what was measured, in the form that tells most; relative


@dataclass(frozen=True)
class Step:
    """One step as it was read.

    terms    the two terms of its form
    reads    of the two and z
    right    (K,) whether the weight of a term is right, in each case
    weights  (K,) of each term, as they were measured
    follows  terms that were read to the right weight, if that of z were right, wherever there is a previous timestep
    """

    terms: Form
    reads: dict[str, Reading | None]
    right: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    follows: tuple[str, ...]

    @property
    def complete(self) -> bool:
        return all(self.reads.values())

    @property
    def expression(self) -> Expression | None:
        """What x_prev is; None unless all of it was read."""
        if not self.complete:
            return None
        return combination({term: one.expression for term, one in self.reads.items() if one})


def rewritten(weights: np.ndarray, errors: np.ndarray, abar: np.ndarray) -> dict[Form, tuple[np.ndarray, np.ndarray]]:
    """(weights, errors) of all three forms.

    weights, errors  (K, 2) of x_t and epsilon_hat
    abar             (K,)
    """
    signal, noise = np.sqrt(abar), np.sqrt(1 - abar)
    (x, e), (dx, de) = weights.T, errors.T

    def form(
        x_now: np.ndarray, e_now: np.ndarray, dx_now: np.ndarray, de_now: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        return np.stack([x_now, e_now], axis=1), np.stack([dx_now, de_now], axis=1)

    return {
        ("x_t", "epsilon_hat"): (weights, errors),
        ("x0_hat", "epsilon_hat"): form(x * signal, e + x * noise, dx * signal, de + dx * noise),
        ("x0_hat", "x_t"): form(-e * signal / noise, x + e / noise, de * signal / noise, dx + de / noise),
    }


def noise_form(form: Form, values: Sequence[np.ndarray], abar: np.ndarray) -> np.ndarray:
    """(K, 2) weights of x_t and epsilon_hat, from the two (K,) of any form."""
    weights = dict(zip(form, values, strict=True))
    x0, x, e = (weights.get(term, 0 * abar) for term in ("x0_hat", "x_t", "epsilon_hat"))
    return np.stack([x + x0 / np.sqrt(abar), e - x0 * np.sqrt((1 - abar) / abar)], axis=1)


def read_step(
    cases: Cases,
    weights: np.ndarray,
    errors: np.ndarray,
    expected: np.ndarray | None = None,
    forms: Sequence[Form] = DDPM_FORMS,
) -> Step:
    """The Step that some weights are, in the form that is read best.

    weights   (K, 3) of x_t, epsilon_hat and z; errors beside it
    expected  (K, 3), the right ones
    forms     in which order to prefer them, where they are alike
    """
    abar = cases.quantities["abar"]
    rights = None if expected is None else rewritten(expected[:, :2], np.zeros_like(expected[:, :2]), abar)
    z = cases.read(weights[:, 2], errors[:, 2], None if expected is None else expected[:, 2])
    if z is None or z.expression.python != "0":
        cases = cases.with_sigma(weights[:, 2] if z is None else z.expression.value(cases.quantities))
    mine = rewritten(weights[:, :2], errors[:, :2], abar)
    right = {
        form: [
            alike(mine[form][0][:, n], None if rights is None else rights[form][0][:, n], mine[form][1][:, n])
            for n in (0, 1)
        ]
        for form in forms
    }

    def read(form: Form, deep: bool) -> list[Reading | None]:
        own, slack = mine[form]
        wanted = [None, None] if rights is None else rights[form][0].T
        return [cases.read(own[:, n], slack[:, n], wanted[n], deep) for n in (0, 1)]

    def rank(form: Form) -> float:
        good = [one.all() for one in right[form]]
        if all(good):  # right in one form is right in all
            return forms.index(form) - (10 if all(found[form]) else 5)
        cost = sum(
            one.cost + (0 if np.all(one.holds | fine) else NOT_EVERYWHERE) if one else 20
            for one, fine in zip(found[form], right[form], strict=True)
        )
        cost -= 2 * sum(good)
        return max(cost, 0) + 0.1 * forms.index(form)

    def meant(form: Form, reads: list[Reading | None]) -> list[Reading | None]:
        """The readings, unless together they are not what was measured: a small part may drown in a large one."""
        if not all(reads):
            return reads
        values = [np.broadcast_to(one.expression.value(cases.quantities), abar.shape) for one in reads if one]
        off = np.abs(noise_form(form, values, abar) - weights[:, :2])
        return reads if np.all(off <= MEANS * np.abs(weights[:, :2]) + 3 * errors[:, :2] + 1e-9) else [None, None]

    found = {form: meant(form, read(form, deep=False)) for form in forms}
    most = max(sum(map(bool, reads)) for reads in found.values())
    if most < 2:
        deeper = [form for form in forms if sum(map(bool, found[form])) == most]
        found |= {form: meant(form, read(form, deep=True)) for form in deeper}
    form = min(forms, key=rank)
    right_z = alike(weights[:, 2], None if expected is None else expected[:, 2], errors[:, 2])
    reads = dict(zip((*form, "z"), (*found[form], z), strict=True))
    fine = dict(zip(reads, (*right[form], right_z), strict=True))
    follows = ()
    if expected is not None and rights is not None:
        known, inner = cases.quantities | {"sigma": np.abs(expected[:, 2])}, cases.quantities["abar_prev"] < 1
        follows = tuple(
            term
            for term, wanted in zip(reads, (*rights[form][0].T, expected[:, 2]), strict=True)
            if (one := reads[term])
            and alike(one.expression.value(known), wanted, HOLDS / 3 * np.abs(wanted))[inner].all()
        )
    measured = dict(zip(reads, (*mine[form][0].T, weights[:, 2]), strict=True))
    return Step(form, reads, fine, measured, follows)


def confirmed(step: Step, cases: Cases, weights: np.ndarray, errors: np.ndarray) -> dict[str, bool]:
    """Whether what was read of each term holds in cases that it was not read from; of what was not read, False."""
    form, abar = step.terms, cases.quantities["abar"]
    values, slack = rewritten(weights[:, :2], errors[:, :2], abar)[form]
    measured = dict(
        zip((*form, "z"), (*zip(values.T, slack.T, strict=True), (weights[:, 2], errors[:, 2])), strict=True)
    )
    known = cases.with_sigma(weights[:, 2])
    return {
        term: one is not None and bool(known.agrees(one.expression, *measured[term], CONFIRMED).all())
        for term, one in step.reads.items()
    }


def alike(weight: float | np.ndarray, expected: np.ndarray | None, error: np.ndarray) -> np.ndarray:
    """(K,) whether a weight is the right one, in each case; nowhere where no right one is known."""
    if expected is None:
        return np.zeros(len(error), bool)
    return np.abs(weight - expected) <= 1e-3 * np.abs(expected) + 3 * error + 1e-7
