"""What `guided` returns: a sum of the two outputs, with weights that the scale w decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..language import _
from ..readback.predictions import read_sum
from ..readback.reading import Cases
from ..readback.weights import measure
from .found import RIGHT, Found, arrays, is_right, no_sum, others_agree, told, untold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .collecting import Readers

GUIDED = "guidance.guided"
TERMS = ("conditional", "unconditional")
OTHER_SCALES = (1.25, 2.75, 4.0, 11.0)  # in which what was read must hold, too


def guidance(readers: Readers, found: Found) -> None:
    reader = readers[GUIDED]
    found.reads = dict.fromkeys(TERMS)
    if reader.stopped or not reader.cases:
        untold(found, TERMS, reader.stopped)
        return
    if all(case.right for case in reader.cases):
        found.reads = dict.fromkeys(TERMS, RIGHT)
        found.say(is_right("guided"))
        return
    cases = [case for case in reader.cases if case.got is not None and case.got.shape == case.expected.shape]
    asked = [case.asked[0] for case in cases]
    mine = [measure(case.got, given[:2]) for case, given in zip(cases, asked, strict=True) if case.got is not None]
    if not cases or not all(mine):
        no_sum(found, TERMS, _("the two outputs"), [case.got for case in cases], [given[:2] for given in asked])
        found.which(reader.cases)
        return
    scales = [given[2] for given in asked]
    right = np.stack([scales, 1 - np.array(scales)], axis=1)
    one = read_sum(known(scales), *arrays(mine), TERMS, right)
    call, rng, others = readers.student.functions().guided, np.random.default_rng(0), []
    for scale in OTHER_SCALES:
        pair = rng.standard_normal((2, 3, 2, 4, 4), dtype=np.float32)
        others.append(measure(np.asarray(call(*pair, scale)), pair))
    holds = others_agree(one, known(OTHER_SCALES), *arrays(others))
    told(found, "guided", one, found.reads, reader.cases, holds, {}, [f"w = {scale:g}" for scale in scales])


def known(scales: Sequence[float]) -> Cases:
    w = np.array(scales, float)
    return Cases({"w": w, "w - 1": w - 1})
