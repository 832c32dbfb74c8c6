"""What a check may ask of a student's work (inputs.py), what it compares (comparison.py), and which laws must hold.

A tolerance is the rubric's; what it is relative to, comparison.py says.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..language import _
from ..record import BAD_OUTPUT, CRASHED, NOT_IMPLEMENTED, WRONG, Failed
from ..student import Scheduler, Value
from .answers import difference
from .comparison import Comparison, kind_of


class Expect(Comparison):
    """The whole: with laws, which have no recorded value. What follows `laws` in a check can only take points from a
    check whose values are all right."""

    def laws(self) -> bool:
        """Settle, and say whether the laws that follow are to be run: only once, on public cases. They have no recorded
        value, so hidden cases would only say the same again."""
        self.settle()
        return self.public

    def law(self, holds: object, message: str) -> None:
        if not holds:
            raise Failed(WRONG, message)

    def same(self, got: object, first: object, message: str) -> None:
        """The same answer as before, up to rounding."""
        if not isinstance(first, Value):
            raise Failed(BAD_OUTPUT, _("a result must be a torch.Tensor, got {kind}", kind=kind_of(first)))
        self.tensor(got, first.shape, _("{message}; the result", message=message))
        self.law(np.all(difference(got, first) <= 1e-5 * np.abs(first).max(initial=0)), message)

    def raises(self, call: Callable[[], object], message: str) -> None:
        """`call` must raise ValueError; its text is not graded."""
        try:
            call()
        except Failed as failed:
            if "ValueError" in failed.types:
                return
            if failed.verdict not in (CRASHED, NOT_IMPLEMENTED):
                raise
        raise Failed(WRONG, _("{message} must raise ValueError", message=message))

    def on_cuda(self, scheduler: Scheduler, method: str, *args, costs: bool = False, **kwargs) -> None:
        """With CUDA inputs, no device is mixed up. Anything that fake tensors cannot decide costs nothing.

        costs  whether it takes points: only where it does on a GPU. Without one the student's own process says it, and
               could say anything
        """
        device = scheduler.on_cuda(method, *args, **kwargs)
        told = ""
        if device == "mismatch":
            told = _(
                "{method} mixes CPU and CUDA tensors when its inputs are on the GPU; move the tables to their device",
                method=method,
            )
        elif device == "cpu":
            told = _("{method} returns a tensor on the CPU for inputs on the GPU", method=method)
        if costs:
            self.law(not told, told)
        elif told:
            self.remark(_("{what}. It costs nothing in this check, and training on a GPU will stop.", what=told))

    def untouched(self, scheduler: Scheduler, method: str, *args, **kwargs) -> None:
        """A second call with the very same tensors gives the same answer: the first one has not changed them."""
        kept = [scheduler.keep(value) for value in args], {name: scheduler.keep(v) for name, v in kwargs.items()}
        first, second = (getattr(scheduler, method)(*kept[0], **kept[1]) for _ in range(2))
        message = _("{method}(...) changes one of its input tensors in place; work on a new tensor", method=method)
        pairs = (result if isinstance(result, tuple) else (result,) for result in (first, second))
        for one, other in zip(*pairs, strict=False):
            self.same(other, one, message)
