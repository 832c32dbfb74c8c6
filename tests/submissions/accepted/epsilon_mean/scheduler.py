"""The mean of a DDPM step in its other form: what is left of x_t when a portion of the predicted noise is taken away."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def _check(value: str, *allowed: str) -> str:
    if value not in allowed:
        raise ValueError(f"got {value!r}, expected one of {allowed}")
    return value


class DDPMScheduler:
    betas: Tensor
    alphas: Tensor
    alphas_cumprod: Tensor
    timesteps: Tensor

    def __init__(self, num_train_timesteps: int = 1000, beta_schedule: str = "linear", beta_start: float = 1e-4,
                 beta_end: float = 0.02, prediction_type: str = "epsilon", variance_type: str = "fixed_small",
                 clip_sample: bool = True) -> None:
        _check(beta_schedule, "linear", "scaled_linear", "cosine")
        self.prediction_type = _check(prediction_type, "epsilon", "v_prediction")
        self.variance_type = _check(variance_type, "fixed_small", "fixed_large")
        self.n = num_train_timesteps
        self.clip = clip_sample
        betas = getattr(self, f"_{beta_schedule}")(beta_start, beta_end)
        self.betas = betas.float()
        self.alphas = 1 - self.betas
        self.alphas_cumprod = (1 - betas).cumprod(-1).float()
        self.timesteps = torch.arange(self.n).sort(descending=True).values

    def _linear(self, lo: float, hi: float) -> Tensor:
        return torch.linspace(lo, hi, self.n).double()

    def _scaled_linear(self, lo: float, hi: float) -> Tensor:
        return torch.linspace(lo ** 0.5, hi ** 0.5, self.n, dtype=torch.float64) ** 2

    def _cosine(self, lo: float, hi: float) -> Tensor:
        # cos^2 x = (1 + cos 2x) / 2, and the halves cancel in the ratio
        twice = torch.pi * (torch.arange(self.n + 1, dtype=torch.float64) / self.n + 0.008) / 1.008
        f = 1 + twice.cos()
        return (1 - f[1:] / f[:-1]).clamp_max(0.999)

    def _broadcast(self, timesteps: Tensor, like: Tensor) -> Tensor:
        picked = torch.index_select(self.alphas_cumprod.to(like.device), 0, timesteps)
        return picked.to(like.dtype).unflatten(0, (-1, 1, 1, 1))

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        ab = self._broadcast(timesteps, original_samples)
        return ab.sqrt().mul(original_samples).add((1 - ab).sqrt().mul(noise))

    def get_velocity(self, sample: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        ab = self._broadcast(timesteps, sample)
        return ab.sqrt().mul(noise).sub((1 - ab).sqrt().mul(sample))

    def loss(self, model, original_samples, noise, timesteps):
        wanted = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise
        off = wanted - model(self.add_noise(original_samples, noise, timesteps), timesteps)
        return torch.einsum("bchw,bchw->b", off, off) / off[0].numel()

    def set_timesteps(self, num_inference_steps: int, device=None) -> None:
        if num_inference_steps not in range(1, self.n + 1):
            raise ValueError(f"num_inference_steps must lie in 1 ... {self.n}")
        ends = (torch.arange(1, num_inference_steps + 1, dtype=torch.float64) * (self.n / num_inference_steps)).round()
        self.timesteps = (ends.flip(0) - 1).to(device=device, dtype=torch.long)

    def previous_timestep(self, timestep) -> int:
        chain = {a: b for a, b in zip(self.timesteps.tolist(), self.timesteps[1:].tolist() + [-1])}
        if int(timestep) not in chain:
            raise ValueError(f"timestep {int(timestep)} is not one of the current timesteps")
        return chain[int(timestep)]

    def _bars(self, timestep) -> tuple[float, float]:
        prev = self.previous_timestep(timestep)
        return float(self.alphas_cumprod[int(timestep)]), float(self.alphas_cumprod[prev]) if prev >= 0 else 1.0

    def predict(self, model_output: Tensor, timestep, sample: Tensor) -> tuple[Tensor, Tensor]:
        ab, _ = self._bars(timestep)
        s, n = math.sqrt(ab), math.sqrt(1 - ab)
        eps = model_output if self.prediction_type == "epsilon" else s * model_output + n * sample
        x0 = (sample - n * eps) / s
        if self.clip:
            x0 = torch.clip(x0, -1, 1)
            eps = (sample - s * x0) / n
        return x0, eps

    def posterior(self, original_samples: Tensor, sample: Tensor, timestep) -> tuple[Tensor, Tensor]:
        ab, ab_prev = self._bars(timestep)
        eps = (sample - math.sqrt(ab) * original_samples) / math.sqrt(1 - ab)
        variance = (ab_prev - ab) * (1 - ab_prev) / (ab_prev * (1 - ab))
        return self._mean(sample, eps, ab, ab_prev), torch.full((), variance, dtype=sample.dtype, device=sample.device)

    @staticmethod
    def _mean(sample: Tensor, eps: Tensor, ab: float, ab_prev: float) -> Tensor:
        alpha = ab / ab_prev
        return (sample - (1 - alpha) / math.sqrt(1 - ab) * eps) / math.sqrt(alpha)

    def step(self, model_output: Tensor, timestep, sample: Tensor, generator=None, variance_noise=None) -> Tensor:
        ab, ab_prev = self._bars(timestep)
        _, eps = self.predict(model_output, timestep, sample)
        mean = self._mean(sample, eps, ab, ab_prev)
        if ab_prev == 1.0:
            return mean
        variance = 1 - ab / ab_prev
        if self.variance_type == "fixed_small":
            variance *= (1 - ab_prev) / (1 - ab)
        return torch.add(mean, self._z(sample, generator, variance_noise), alpha=math.sqrt(variance))

    @staticmethod
    def _z(sample: Tensor, generator, given) -> Tensor:
        if given is not None:
            return given
        return torch.normal(0.0, 1.0, sample.shape, generator=generator, dtype=sample.dtype, device=sample.device)


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output: Tensor, timestep, sample: Tensor, eta: float = 0.0, generator=None,
             variance_noise=None) -> Tensor:
        if eta != min(max(eta, 0), 1):
            raise ValueError(f"eta must lie between 0 and 1, got {eta}")
        ab, ab_prev = self._bars(timestep)
        _, eps = self.predict(model_output, timestep, sample)
        variance = eta * eta * (1 - ab_prev) / (1 - ab) * (1 - ab / ab_prev)
        # x_t scaled to the previous signal level, with the noise exchanged for what belongs there
        ratio = math.sqrt(ab_prev / ab)
        out = ratio * sample + (math.sqrt(max(1 - ab_prev - variance, 0)) - ratio * math.sqrt(1 - ab)) * eps
        return out if variance == 0 else out + math.sqrt(variance) * self._z(sample, generator, variance_noise)
