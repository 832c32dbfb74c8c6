"""Part 8.2: guidance. One output made of two; and infer.py, which asks a network in closed form that knows labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import given, measure
from ..language import N_, _
from ..student import Student, strided
from .cases import float64, shape_of_images
from .infer import exact
from .program import Trained, samples_in

if TYPE_CHECKING:
    from ..expect import Expect

GUIDED = N_("the guided output")
ASKED, READ = 20, 0.8  # digits that are asked for; the share that the classifier must read as asked


def check_guided(student: Student, expect: Expect) -> None:
    """Between the two outputs, at both, and beyond."""
    call, shape = student.functions().guided, shape_of_images(expect)
    for scale in (0.0, 1.0, 0.5, expect.uniform(1.2, 2), expect.uniform(3, 9)):
        pair = expect.normal(2, *shape)
        expect.value(call(*pair, scale), _(GUIDED), _("with scale = {scale}", scale=scale))
    conditional, unconditional = expect.normal(2, *shape)
    first = call(conditional, unconditional, 3.0)
    expect.value(first, _(GUIDED), _("with scale = {scale}", scale=3.0))
    where = _("in float64, with scale = {scale}", scale=3.0)
    expect.value(call(*float64(conditional, unconditional), 3.0), _(GUIDED), where)
    if not expect.laws():
        return

    names = {"conditional": conditional, "unconditional": unconditional, "scale": 3.0}
    expect.same(call(**names), first, _("guided differs where its arguments are given by name"))
    other = call(strided(conditional), strided(unconditional), 3)
    expect.same(other, first, _("guided differs for other layouts"))
    halves = call(conditional.astype(np.float16), unconditional.astype(np.float16), 3.0)
    expect.tensor(halves, shape, _("{what} for float16", what=_(GUIDED)), "float16")
    expect.untouched(student.functions(), "guided", conditional, unconditional, 3.0)
    expect.on_cuda(student.functions(), "guided", conditional, unconditional, 3.0)


def check_infer(student: Student, expect: Expect) -> None:
    """A label with and without a scale, no label; and along straight paths, where these are right."""
    # What another `guided` does is charged above.
    expect.carries = expect.carries or not expect.passed("guidance.guided")
    label, scale, T = (expect.draw(lambda rng, n=n: rng.integers(1, n)).item() for n in (10, 6, 60))
    short = {"num_train_timesteps": 60 + T}
    exact(student, expect, short, 10, images=2, labels=True, toward=(label, scale + 0.5))
    exact(student, expect, {"prediction_type": "v_prediction", **short}, 10, images=1, labels=True, toward=(0, None))
    exact(student, expect, short, 10, images=1, labels=True)
    flow = {"prediction_type": "flow", **short}
    if all(map(expect.passed, ("flow.clip", "flow.strided"))):
        exact(student, expect, flow, 10, images=1, scheduler="flow", labels=True, toward=(9, scale + 1.5))
    expect.settle()
    trained = given.labelled()
    if trained and expect.laws() and not expect.carries:  # another scheduler makes no digits
        draws_what_is_asked_for(student, expect, Trained(trained), label)


def draws_what_is_asked_for(student: Student, expect: Expect, trained: Trained, label: int) -> None:
    """The real network draws this digit, as the classifier reads it."""
    arguments = ["--label", label, "--guidance", 2, "--steps", 10, "--num-images", ASKED]
    samples = samples_in(trained.run(student, arguments, None, "digits_seconds"), ASKED)
    read = measure.digits(samples)["digits"][label]
    told = N_("with --label {label} --guidance 2, the classifier reads {read} of {asked} samples as that digit")
    expect.law(read >= READ * ASKED, _(told, label=label, read=read, asked=ASKED))
