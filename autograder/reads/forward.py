"""What `add_noise` and `get_velocity` return: sums of x_0 and epsilon, with weights of its own for each image."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..language import N_, _
from ..readback.expression import SYMBOLS
from ..readback.predictions import Sum, read_sum
from ..readback.weights import measure
from .found import OTHER_TIMESTEPS, RIGHT, Found, arrays, is_right, no_sum, others_agree, sure, told, untold
from .path import Path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..readback.reading import Cases
    from .collecting import Case, Readers

FORWARD = {
    "forward.add_noise": ("add_noise", "x_t"),
    "forward.get_velocity": ("get_velocity", "v"),
    "flow.add_noise": ("add_noise", "x_t"),
    "flow.get_velocity": ("get_velocity", "v"),
}
TERMS = ("x_0", "epsilon")


class Way(NamedTuple):
    """How timesteps may belong to the parts of a batch.

    axis   along which a batch is cut into parts
    first  whether all parts have the first timestep
    least  the first timestep that is looked at
    note   what is said of it
    """

    axis: int
    first: bool = False
    least: int = 0
    note: str = ""


WAYS = (
    Way(0),
    Way(3, note=N_("column j of every image has the timestep of image j: a table of shape (B,) lies along columns")),
    Way(0, first=True, note=N_("every image has the timestep of the first one")),
    Way(0, least=1, note=N_("so it is from t = 1 on")),
)


def forward(readers: Readers, found: Found) -> None:
    """The weights of x_0 and epsilon, per image or, where a table was broadcast, per column."""
    reader, path = readers[found.check], Path.of(readers, found.check)
    method, name = FORWARD[found.check]
    found.reads = dict.fromkeys(TERMS)
    cases = [case for case in reader.cases if path and path.holds(case)]
    if reader.cases and not reader.stopped and all(case.right for case in reader.cases):
        found.reads = dict.fromkeys(TERMS, RIGHT)
        found.say(is_right(SYMBOLS[name]))
        return
    if not path or not cases or any(case.got is None or case.got.shape != case.expected.shape for case in cases):
        untold(found, TERMS, reader.stopped)
        return
    sums = [(way, *made) for way in WAYS if (made := summed(cases, path, way))]
    if not sums:
        no_sum(found, TERMS, _("x_0 and ε"), *per_image(cases))
        found.which(cases)
        return
    way, one, t = next(filter(read_well, sums), sums[0])
    if way.note and all(right.all() for right in one.right.values()):
        found.say(_("{what}: its weights are right, but {note}", what=SYMBOLS[name], note=_(way.note)))
        found.notable = True
        return
    told(
        found,
        name,
        one,
        found.reads,
        cases,
        others_agree(one, *others(path, method, way)),
        {},
        [f"t = {when}" for when in t],
    )
    if way.note:
        found.say(_(way.note))


def per_image(cases: Sequence[Case]) -> tuple[Sequence[np.ndarray], Sequence[list[np.ndarray]]]:
    """(answers, [x_0, epsilon] of each) of single images."""
    parts = [
        (got[k], [array[k] for array in case.asked[0][:2]])
        for case in cases
        if (got := case.got) is not None
        for k in range(len(got))
    ]
    answers, terms = zip(*parts, strict=True)
    return answers, terms


def read_well(made: tuple[Way, Sum, Sequence[int]]) -> bool:
    """Whether each weight of a sum was read, or is right."""
    _rest, one, _rest = made
    readings = ((one.reads[term], one.right[term]) for term in TERMS)
    return all(right.all() or (read and sure(read) and np.all(read.holds | right)) for read, right in readings)


def summed(cases: Sequence[Case], path: Path, way: Way) -> tuple[Sum, list[int]] | None:
    """(Sum, timesteps) of the parts of some answers; None where they are no weighted sums."""
    mine, rights, times, T = [], [], [], []
    for case in cases:
        assert case.got is not None  # each is an array
        images, noise, t = case.asked[0][-3:]
        t = np.full_like(t, t[0]) if way.first else t
        for k, when in enumerate(t):
            if when < way.least or (len(t) == 1 and way.axis):
                continue
            terms = [np.take(array, k, way.axis) for array in (images, noise)]
            mine.append(measure(np.take(case.got, k, way.axis), terms))
            place = 0 if way.first else k
            rights.append(measure(case.expected[place], [images[place], noise[place]]))
            times.append(when)
            T.append(case.scheduler.T)
    if len(set(times)) < 2 or not all(mine) or not all(rights):
        return None
    return read_sum(path.cases(times, T), *arrays(mine), TERMS, arrays(rights)[0]), times


def others(path: Path, method: str, way: Way) -> tuple[Cases, np.ndarray, np.ndarray]:
    """(cases, weights, errors) at timesteps that the check has not."""
    rng, t = np.random.default_rng(0), np.array(OTHER_TIMESTEPS)
    call = getattr(path.make(), method)
    images, noise = rng.standard_normal((2, 4, 2, 4, 4), dtype=np.float32)
    if way.first:  # each in a batch of its own
        gots = [np.asarray(call(images, noise, np.roll(t, -k)))[0] for k in range(len(t))]
        parts = [(got, [images[0], noise[0]]) for got in gots]
    else:
        got = np.asarray(call(images, noise, t))
        parts = [(np.take(got, k, way.axis), [np.take(one, k, way.axis) for one in (images, noise)]) for k in range(4)]
    return path.cases(t), *arrays([measure(*part) for part in parts])
