"""What `predict` returns: sums of x_t and the output, a clip, and what is derived after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..language import N_, _
from ..readback.expression import SYMBOLS
from ..readback.predictions import CLIPPED_TERMS, TERMS, Clip, Sum, read_clip, read_derived, read_sum
from ..readback.weights import constant, measure
from .found import NEARLY, OTHER_TIMESTEPS, RIGHT, Found, arrays, is_right, not_read, others_agree, told
from .path import Path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..readback.reading import Cases
    from .collecting import Case, Reader, Readers

PREDICTIONS = {"reverse.predict_epsilon": "epsilon", "reverse.predict_v": "v_prediction", "flow.predict": "flow"}
CLIPS = {"reverse.clip": ("reverse.predict_epsilon", "reverse.predict_v"), "flow.clip": ("flow.predict",)}


def prediction(readers: Readers, found: Found) -> None:
    """x0_hat and epsilon_hat as sums of x_t and the model's output."""
    reader, path, names = readers[found.check], Path.of(readers, found.check), ("x0_hat", "epsilon_hat")
    found.reads = {name: dict.fromkeys(TERMS) for name in names}
    for name in names:
        cases = [case for case in reader.cases if case.name == name]
        if cases and all(case.right for case in cases) and not reader.stopped:
            found.reads[name] = dict.fromkeys(TERMS, RIGHT)
            found.say(is_right(SYMBOLS[name]))
        elif not path or (one := summed(path, cases)) is None:
            number = None if because(path, reader) else constant(*answers(cases))
            if number is None:
                why = because(path, reader)
                says = N_("{what}: not read: {why}") if why else N_("{what}: not read")
                found.say(_(says, what=SYMBOLS[name], why=why))
            else:
                says = N_("{what}: a weighted sum of x_t and the output, and {number:.4g} is added everywhere")
                found.say(_(says, what=SYMBOLS[name], number=number))
                found.notable = True
            found.which(cases, SYMBOLS[name])
        else:
            others = other_predictions(path, PREDICTIONS[found.check], name)
            told(found, name, one, found.reads[name], cases, others_agree(one, *others), {}, times(cases))


def answers(cases: Sequence[Case]) -> tuple[list[np.ndarray | None], list[tuple[np.ndarray, np.ndarray]]]:
    """(answers, [x_t, output] of each)"""
    return [case.got for case in cases], [(case.asked[0][2], case.asked[0][0]) for case in cases]


def other_predictions(path: Path, kind: str, name: str) -> tuple[Cases, np.ndarray, np.ndarray]:
    """(cases, weights, errors) of x_t and the output at timesteps that the check has not."""
    rng, found = np.random.default_rng(0), []
    scheduler = path.make(prediction_type=kind, clip_sample=False)
    for t in OTHER_TIMESTEPS:
        output, sample = rng.standard_normal((2, 3, 2, 4, 4), dtype=np.float32)
        got = scheduler.predict(output, t, sample)[("x0_hat", "epsilon_hat").index(name)]
        found.append(measure(np.asarray(got), [sample, output]))
    return path.cases(OTHER_TIMESTEPS), *arrays(found)


def times(cases: Sequence[Case]) -> list[str]:
    return [f"t = {case.asked[0][1]}" for case in cases]


def because(path: Path | None, reader: Reader) -> str:
    """Why predict was not read; empty where nothing more is known."""
    if not path and reader.cases:
        return _("it is read where the tables of the linear schedule are right")
    return reader.stopped


def summed(path: Path, cases: Sequence[Case]) -> Sum | None:
    """The Sum of x_t and the output that some answers of predict are, or None."""
    cases = [case for case in cases if case.got is not None and case.got.shape == case.expected.shape]
    if not cases:
        return None
    _rest, terms = answers(cases)
    mine = [measure(case.got, pair) for case, pair in zip(cases, terms, strict=True) if case.got is not None]
    rights = [measure(case.expected, pair) for case, pair in zip(cases, terms, strict=True)]
    if not all(mine) or not all(rights):
        return None
    here = path.cases([case.asked[0][1] for case in cases], [case.scheduler.T for case in cases])
    return read_sum(here, *arrays(mine), TERMS, arrays(rights)[0])


def clip(readers: Readers, found: Found) -> None:
    """What clipping makes of a right x0_hat, and what epsilon_hat is derived from."""
    reader, path = readers[found.check], Path.of(readers, found.check)
    pairs = list(zip(reader.cases[::2], reader.cases[1::2], strict=False))
    found.reads = {"x0_hat": None, "epsilon_hat": dict.fromkeys(CLIPPED_TERMS)}
    if reader.stopped or not pairs:
        found.say(not_read(reader.stopped))
        return
    images, noises = ([pair[n] for pair in pairs] for n in (0, 1))
    if all(case.right for case in images):
        found.reads["x0_hat"] = RIGHT
        found.say(is_right("x̂0"))
    elif all(case.close for case in images):
        found.say(_("{what}: {told}", what="x̂0", told=_(NEARLY)))
    elif path and (one := clipped(readers, CLIPS[found.check], path, images)):
        found.reads["x0_hat"] = one.expression.python
        if one.expression.python == "x0_hat":
            found.say(_("x̂0: not clipped"))
        else:
            found.say(_(", of the x̂0 before the clip"), f"x0_hat == {one.expression.python}")
        found.which(images, "x̂0")
    else:
        found.say(_("{what}: not read", what="x̂0"))
        found.which(images, "x̂0")
    if all(case.right for case in noises):
        found.reads["epsilon_hat"] = dict.fromkeys(CLIPPED_TERMS, RIGHT)
        found.say(is_right("ε̂"))
        return
    derivation = derived(images, noises, path) if path and all(case.right for case in images) else None
    if derivation:
        holds = dict.fromkeys(CLIPPED_TERMS, True)
        told(found, "epsilon_hat", derivation, found.reads["epsilon_hat"], noises, holds, {}, times(noises))
    else:
        found.say(_("{what}: not read", what="ε̂"))
        found.which(noises, "ε̂")


def clipped(readers: Readers, checks: Sequence[str], path: Path, images: Sequence[Case]) -> Clip | None:
    """The Clip that some estimates went through; None where it is none, or not the same for all prediction types.

    checks  of the estimates before it
    """
    before, after = [], []
    for check in checks:
        mine = [case for case in images if case.settings.get("prediction_type", "flow") == PREDICTIONS[check]]
        known = [case for case in readers[check].cases if case.name == "x0_hat"]
        one = summed(path, known) if known and all(case.right for case in known) else None
        if not one or not all(one.reads.values()) or any(case.got is None for case in mine):
            return None
        weights = [reading.expression for reading in one.reads.values() if reading]
        for case in mine:
            (output, t, sample), _rest = case.asked
            here = path.cases([t]).quantities
            before.append(sum(w.value(here) * x for w, x in zip(weights, (sample, output), strict=True)))
            after.append(case.got)
    return read_clip(before, after)


def derived(images: Sequence[Case], noises: Sequence[Case], path: Path) -> Sum | None:
    """The Sum of x_t, the clipped x0_hat and the output that epsilon_hat is; None where it is none."""
    t, outputs, samples = ([case.asked[0][n] for case in noises] for n in (1, 0, 2))
    expected = [
        measure(noise.expected, [x, image.expected, o])
        for noise, image, x, o in zip(noises, images, samples, outputs, strict=True)
    ]
    if not all(expected) or any(case.got is None or case.got.shape != case.expected.shape for case in noises):
        return None
    known = path.cases(t)
    x0s, epsilons = ([case.got for case in cases if case.got is not None] for cases in (images, noises))
    return read_derived(known, samples, x0s, outputs, epsilons, arrays(expected)[0])
