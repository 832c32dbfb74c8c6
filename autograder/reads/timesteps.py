"""The lists that set_timesteps makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..language import _, english
from ..readback.lists import read_list
from .found import NEARLY, RIGHT, Found, untold

if TYPE_CHECKING:
    from ..student import Student
    from .collecting import Readers

OTHER_LISTS = ((1000, 3), (1000, 6), (1000, 7), (1000, 14), (1000, 64), (1000, 150), (1000, 600), (90, 4), (100, 70))


def timesteps(readers: Readers, found: Found) -> None:
    """The spacing of the lists that set_timesteps makes."""
    reader = readers[found.check]
    cases = reader.cases
    later = [case for case in cases if "after set_timesteps" in english(case.where)]
    lists = [(case.got, case.steps, case.scheduler.T) for case in later]
    if reader.stopped or not cases:
        untold(found, ("timesteps", "length"), reader.stopped)
    elif all(case.right for case in cases):
        found.reads = {"timesteps": RIGHT, "length": RIGHT}
        found.say(_(RIGHT))
    elif all(case.close for case in later):
        found.reads = dict.fromkeys(("timesteps", "length"))
        found.say(_(NEARLY))
        found.which(cases)
    elif any(got is None or got.ndim != 1 for got, *_ in lists):
        untold(found, ("timesteps", "length"), _("it is no list of numbers"))
    elif spacing := read_list([(got, S, T) for got, S, T in lists if got is not None] + other_lists(readers.student)):
        length = spacing.length.python
        found.reads = {"timesteps": spacing.entry.python, "length": RIGHT if length == "S" else length}
        found.say(_(", for i = 0, 1, 2, ...{count}", count=spacing.count), f"timestep_i == {spacing.entry.python}")
        found.which(cases)
    else:
        untold(found, ("timesteps", "length"), "")
        found.which(cases)


def other_lists(student: Student) -> list[tuple[np.ndarray, int, int]]:
    """(timesteps, S, T) of lists that tell rounding apart where those of the check cannot."""
    lists: list[tuple[np.ndarray, int, int]] = []
    for T, S in OTHER_LISTS:
        scheduler = student.DDPMScheduler(num_train_timesteps=T)
        scheduler.set_timesteps(S)
        # pyrefly: ignore[bad-argument-type]  # float64 of an array is one
        lists.append((np.float64(np.asarray(scheduler.timesteps)), S, T))
    return lists
