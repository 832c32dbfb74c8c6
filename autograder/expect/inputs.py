"""What a check asks with: the inputs that were recorded for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..language import english

if TYPE_CHECKING:
    from ..expectations import Expectations
    from ..student import Scheduler


class Inputs:
    """The recorded inputs of one check, in the order in which it asks for them, and its recorded values."""

    def __init__(self, expectations: Expectations, check: str) -> None:
        self.expectations, self.check = expectations, check
        self.inputs = expectations.inputs(check)

    @property
    def prediction_types(self) -> tuple[str, ...]:
        """Those that the course asks for."""
        return ("epsilon", "v_prediction") if self.asks("v_prediction") else ("epsilon",)

    def asks(self, part: str) -> bool:
        """Whether the course asks for one of VARIED (rubric.py), on which checks of other parts depend."""
        return part in self.expectations.asks

    def draw(self, sample: Callable[[np.random.Generator], np.ndarray] | None) -> np.ndarray:
        """The next recorded input; the recorder made it with `sample(rng)`."""
        return next(self.inputs)

    def normal(self, *shape: int) -> np.ndarray:
        """Standard normal float32 numbers."""
        return self.draw(lambda rng: rng.standard_normal(shape, dtype=np.float32))

    def images(self, *shape: int) -> np.ndarray:
        """The same in steps of 1/32, kept as bytes: whole digits would otherwise fill the file."""
        kept = self.draw(lambda rng: (32 * rng.standard_normal(shape)).round().clip(-127, 127).astype(np.int8))
        return np.float32(kept) / 32  # pyrefly: ignore[bad-return]

    def uniform(self, low: float, high: float) -> float:
        """One float, rounded to 5 digits so that it prints as it is."""
        return float(self.draw(lambda rng: np.array(round(rng.uniform(low, high), 5))))

    def integers(self, low: int, high: int, *shape: int) -> np.ndarray:
        """int64 numbers, low <= n < high."""
        return self.draw(lambda rng: np.array(rng.integers(low, high, shape)))

    def integer(self, low: int, high: int) -> int:
        return int(self.integers(low, high))

    def choice(self, *options: int) -> int:
        return int(self.draw(lambda rng: np.array(options[rng.integers(len(options))])))

    def listed(self, scheduler: Scheduler) -> list[int]:
        """The recorded timesteps of a scheduler's list, whatever the student's own list says."""
        return self.draw(None).tolist()

    def recorded(self, kind: str, name: str, where: str) -> np.ndarray:
        return self.expectations.tensors[f"{self.check}/{kind}/{english(name)} {english(where)}"]
