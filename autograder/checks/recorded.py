"""The scheduler of the smoke test's reference runs: recorded numbers in the place of formulas. It runs in the box under
the name scheduler.py, with its tables beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.nn.functional import embedding

RECORDED = load_file(Path(__file__).with_name("tables.safetensors"))


class DDPMScheduler:
    """tables (4, T): how much of the image and of the noise is in x_t, and then in the target."""

    def __init__(self, **settings: object) -> None:
        self.tables, self.walk = RECORDED["tables"], RECORDED["walk"]

    def mixed(self, row: int, image: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        shares = embedding(t, self.tables.T.to(image.device))[:, row : row + 2]  # (B, 2)
        return torch.einsum("bk,kbchw->bchw", shares, torch.stack([image, noise]))

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        return self.mixed(0, original_samples, noise, timesteps)

    def get_velocity(self, sample: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        return self.mixed(2, sample, noise, timesteps)

    def loss(
        self, model: Callable[..., torch.Tensor], original_samples: torch.Tensor, noise: torch.Tensor, t: torch.Tensor
    ) -> torch.Tensor:
        output = model(self.mixed(0, original_samples, noise, t), t)
        return (output - self.mixed(2, original_samples, noise, t)).square().mean(dim=(1, 2, 3))


class DDIMScheduler(DDPMScheduler):
    """walk (S, 5): t, how much of x_t and of the output is in x0_hat, and how much of x0_hat and of x_t in x_prev."""

    def set_timesteps(self, num_inference_steps: int) -> None:
        assert num_inference_steps == len(self.walk)
        self.timesteps = self.walk[:, 0].long()

    def step(self, model_output: torch.Tensor, timestep: int, sample: torch.Tensor) -> torch.Tensor:
        x, output, x0, rest = self.walk[self.timesteps.tolist().index(timestep), 1:].tolist()
        x0_hat = (x * sample + output * model_output).clamp(-1, 1)
        return x0 * x0_hat + rest * sample
