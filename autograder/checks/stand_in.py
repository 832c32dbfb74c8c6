"""A scheduler.py for the check of infer.py: the same interface, steps that have nothing to do with diffusion.

Where the student's own scheduler is wrong, infer.py runs again with this one in its place: what comes out says whether
infer.py is right, whatever the scheduler. `plan` is all of its arithmetic, and the grader follows it, too. Every
setting, and each number of steps, gives other numbers. Whatever else a program asks of its scheduler is the student's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

    import torch

NUMBERS = {
    "linear": 0.0, "scaled_linear": 0.7, "cosine": 1.4, "epsilon": 0.0, "v_prediction": 2.1, "flow": 3.3,
    "fixed_small": 0.0, "fixed_large": 0.5,
}  # fmt: skip


def plan(
    kind: str,
    steps: int,
    num_train_timesteps: int = 1000,
    beta_schedule: str = "linear",
    beta_start: float = 1e-4,
    beta_end: float = 0.02,
    prediction_type: str = "epsilon",
    variance_type: str = "fixed_small",
    clip_sample: bool = True,
) -> list[tuple[int, float, float, float]]:
    """[(timestep, weight of the sample, of the model's output, of the noise)] of a run; kind is "ddim", "ddpm" or
    "flow"."""
    T = num_train_timesteps
    phase = sum(NUMBERS[name] for name in (beta_schedule, prediction_type, variance_type))
    phase += 40 * beta_end + 1000 * beta_start + T / 300 + 0.4 * steps + 0.9 * clip_sample + 1.1 * (kind == "ddim")
    run = []
    for i in range(steps):
        t = T - 1 - i * (T // steps)
        sample = 1 + (0.07 * math.sin(phase + 3 * t / T) - 0.85) / steps
        output = (0.6 + 0.3 * math.cos(phase - 2 * t / T)) / steps
        run.append((t, sample, output, 0.3 * steps**-0.5 if i < steps - 1 and kind != "flow" else 0.0))
    return run


def guided(conditional: Any, unconditional: Any, scale: float) -> Any:
    """Of tensors here, of arrays in the grader."""
    return (0.3 + 0.5 * scale) * conditional + (0.8 - 0.4 * scale) * unconditional


class DDPMScheduler:
    kind = "ddpm"

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        names = plan.__code__.co_varnames[2 : plan.__code__.co_argcount]
        self._settings = dict(zip(names, arguments, strict=False)) | settings
        self._steps(self._settings.get("num_train_timesteps", 1000))

    def _steps(self, steps: int, device: torch.device | str | None = None) -> None:
        import torch

        run = plan(self.kind, steps, **self._settings)
        self._weights = {t: weights for t, *weights in run}
        self.timesteps = torch.tensor([t for t, *_ in run], device=device)

    def set_timesteps(self, num_inference_steps: int, device: torch.device | str | None = None) -> None:
        if not 1 <= num_inference_steps <= self._settings.get("num_train_timesteps", 1000):
            raise ValueError("num_inference_steps")
        self._steps(num_inference_steps, device)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: int | torch.Tensor,
        sample: torch.Tensor,
        generator: torch.Generator | None = None,
        variance_noise: torch.Tensor | None = None,
    ) -> torch.Tensor:
        return self._step(model_output, timestep, sample, 1.0, generator, variance_noise)

    def _step(
        self,
        model_output: torch.Tensor,
        timestep: int | torch.Tensor,
        sample: torch.Tensor,
        eta: float,
        generator: torch.Generator | None,
        z: torch.Tensor | None,
    ) -> torch.Tensor:
        import torch

        if int(timestep) not in self._weights:
            raise ValueError("timestep")
        of_sample, of_output, of_noise = self._weights[int(timestep)]
        x = of_sample * sample + of_output * model_output
        if eta * of_noise:
            if z is None:
                device = sample.device if generator is None else generator.device
                z = torch.randn(sample.shape, generator=generator, dtype=sample.dtype, device=device).to(sample.device)
            x = x + eta * of_noise * z
        return x

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_settings" not in vars(self):
            raise AttributeError(name)
        own = getattr(_students(), type(self).__name__)(**self._settings)
        own.set_timesteps(len(self.timesteps))
        return getattr(own, name)


class DDIMScheduler(DDPMScheduler):
    kind = "ddim"

    # pyrefly: ignore[bad-override]  (as the handout asks)
    def step(
        self,
        model_output: torch.Tensor,
        timestep: int | torch.Tensor,
        sample: torch.Tensor,
        eta: float = 0.0,
        generator: torch.Generator | None = None,
        variance_noise: torch.Tensor | None = None,
    ) -> torch.Tensor:
        if not 0 <= eta <= 1:
            raise ValueError("eta")
        return self._step(model_output, timestep, sample, eta, generator, variance_noise)


class FlowMatchScheduler(DDPMScheduler):
    kind = "flow"


def _students() -> ModuleType:
    """The module that this one stands in for, the next of its name on the path."""
    import importlib.util
    import sys
    from pathlib import Path

    here = Path(__file__).resolve()
    found = (Path(folder, "scheduler.py").resolve() for folder in sys.path)
    spec = importlib.util.spec_from_file_location("students", next(p for p in found if p.exists() and p != here))
    assert spec is not None and spec.loader is not None  # for a file that ends in .py there is one
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(_students(), name)
