"""How samples lie between image and noise, and what is known of it: the default tables, or the straight path of 8.1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..readback.products import levels, quantities
from ..readback.reading import Cases
from .found import standard

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from ..student import Scheduler
    from .collecting import Case, Readers


@dataclass(frozen=True)
class Path:
    """The path that a check is about.

    make    makes a scheduler in the box, of these settings
    tables  (betas, alphas_cumprod); None where the path is straight
    """

    make: Callable[..., Scheduler]
    tables: tuple[np.ndarray, np.ndarray] | None

    @classmethod
    def of(cls, readers: Readers, check: str) -> Path | None:
        """None where the tables are not right."""
        if check.startswith("flow."):
            return cls(readers.student.FlowMatchScheduler, None)
        tables = standard(readers)
        return cls(readers.student.DDPMScheduler, tables) if tables else None

    def holds(self, case: Case) -> bool:
        """Whether a case is of this path: tables are known for the default T only."""
        return self.tables is None or "num_train_timesteps" not in case.settings

    def cases(self, t: ArrayLike, T: ArrayLike = 1000) -> Cases:
        """The cases of timesteps t (K,)."""
        return Cases(quantities(*self.tables, t) if self.tables else levels(t, T))
