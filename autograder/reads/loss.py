"""What `loss` holds against what: the x_t that the network gets and the target, both sums of x_0 and epsilon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..checks.loss import LOSS, TARGET, X_T
from ..language import _, english
from ..readback.expression import SYMBOLS
from ..readback.weights import measure
from .forward import TERMS, WAYS, summed
from .found import OTHER_TIMESTEPS, RIGHT, Found, arrays, is_right, others_agree, told, untold
from .path import Path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..readback.reading import Cases
    from .collecting import Case, Readers

LOSSES = {"loss.epsilon": "epsilon", "loss.v_prediction": "v_prediction", "flow.loss": "flow"}
PARTS = {"x_t": X_T, "target": TARGET}
CONSTANT = 1e-3  # how far the ratio of two losses may vary, of itself, to be one number


def loss(readers: Readers, found: Found) -> None:
    """The weights of x_0 and epsilon in both, per image; and where they are right, what the loss is times the right
    one."""
    reader, path = readers[found.check], Path.of(readers, found.check)
    cases = {name: [case for case in reader.cases if english(case.name) == title] for name, title in PARTS.items()}
    if path is None or reader.stopped or not all(cases.values()):
        untold(found, PARTS, reader.stopped)
        return
    for name, some in cases.items():
        made = summed(some, path, WAYS[0])
        if all(case.right for case in some):
            found.reads[name] = dict.fromkeys(TERMS, RIGHT)
            found.say(is_right(SYMBOLS[name]))
        elif not made:
            untold(found, [name], _("{what} is no weighted sum of x_0 and ε", what=SYMBOLS[name]))
        else:
            found.reads[name] = dict.fromkeys(TERMS)
            one, t = made
            holds = others_agree(one, *others(path, LOSSES[found.check], list(PARTS).index(name)))
            told(found, name, one, found.reads[name], some, holds, {}, [f"t = {when}" for when in t])
    losses = [case for case in reader.cases if english(case.name) == LOSS]
    if all(case.right for some in cases.values() for case in some) and (times := ratio(losses)):
        found.say(_("the loss: {what}", what=times))
        found.notable = True


def ratio(losses: Sequence[Case]) -> str:
    """How the losses differ from the right ones, in words; "" where they do not, or not by one factor."""
    found = [case.got / case.expected for case in losses if case.got is not None]
    pixels = [np.prod(case.asked[0][-3].shape[1:]) for case in losses]
    first = found[0][0]
    if all(np.allclose(some, size, rtol=CONSTANT, atol=0) for some, size in zip(found, pixels, strict=True)):
        return _("the sum over an image's pixels, and not their mean")
    if all(np.allclose(some, first, rtol=CONSTANT, atol=0) for some in found) and abs(first - 1) > CONSTANT:
        return _("{number:.4g} times what it should be", number=first)
    return ""


def others(path: Path, prediction_type: str, place: int) -> tuple[Cases, np.ndarray, np.ndarray]:
    """(cases, weights, errors) of x_t or the target at timesteps that the check has not."""
    rng, t = np.random.default_rng(0), np.array(OTHER_TIMESTEPS)
    images, noise, offset = rng.standard_normal((3, len(t), 2, 4, 4), dtype=np.float32)
    slope = rng.standard_normal(1000, dtype=np.float32)
    scheduler = path.make(prediction_type=prediction_type)
    got = np.asarray(scheduler.loss((slope, offset), images, noise, t)[1 + place])
    return path.cases(t), *arrays([measure(got[k], [images[k], noise[k]]) for k in range(len(t))])
