"""The GPU that training may use. One is used once it has shown that it works: a convolution, forward and back, in the
box itself, with nobody's code in it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..language import _
from .gpu import Access, fault
from .inside import wire
from .launch import BoxError
from .process import Ended

if TYPE_CHECKING:
    from . import Box

SECONDS = 60  # a first kernel may be compiled, or a cold driver started
ATTEMPTS = 2  # of a run, before the CPU takes over
PROOFS = 3  # of a GPU on which no run succeeded; then it is left alone


@dataclass
class Gpu:
    """device: as torch calls it; name: of the card; worked: whether a run on it succeeded; faults: since it last did,
    each a sentence."""

    device: str
    name: str
    worked: bool = False
    faults: list[str] = field(default_factory=list)

    @property
    def trusted(self) -> bool:
        return len(self.faults) < ATTEMPTS


def prove(box: Box) -> tuple[Gpu | None, str]:
    """The GPU, and why there is none: a sentence, or "" where there is no sign of one."""
    if sys.platform == "linux" and not Access.of_this_process().nodes:
        return None, ""
    folder = box.stage({})
    try:
        process = box.start(folder, gpu=True)
        try:
            status, value = process.ask("accelerator", seconds=SECONDS)
        finally:
            process.close()
    except Ended as end:
        return None, _("a first convolution on the GPU gave no answer ({why})", why=end.why.replace("_", " "))
    except (BoxError, wire.WireError) as error:
        return None, str(fault(str(error)))
    finally:
        box.discard(folder)
    if status == "error":
        return None, str(fault(value["text"]))
    return (Gpu(*value), "") if value else (None, _("torch sees no GPU in the box"))
