"""The posterior as a Kalman update: the prior of x_prev is N(sqrt(abar_prev) x_0, 1 - abar_prev), and x_t is a measurement
of it, sqrt(alpha) x_prev plus noise of variance beta. The gain says how much the measurement is trusted."""
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class State:
    mean: torch.Tensor
    variance: float

    def measured(self, value, factor, noise_variance):
        """After value = factor * state + noise."""
        gain = factor * self.variance / (factor ** 2 * self.variance + noise_variance)
        innovation = value - factor * self.mean
        joseph = (1 - gain * factor) ** 2 * self.variance + gain ** 2 * noise_variance
        return State(self.mean + gain * innovation, joseph)


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        T = num_train_timesteps
        if beta_schedule in ("linear", "scaled_linear"):
            p = 1 if beta_schedule == "linear" else 2
            betas = np.linspace(beta_start ** (1 / p), beta_end ** (1 / p), T) ** p
        elif beta_schedule == "cosine":
            f = np.cos((np.arange(T + 1) / T + 0.008) / 1.008 * np.pi / 2) ** 2
            betas = np.fmin(-np.diff(f) / f[:-1], 0.999)
        else:
            raise ValueError(f"no {beta_schedule}")
        for name in (prediction_type, variance_type):
            if name not in ("epsilon", "v_prediction", "fixed_small", "fixed_large"):
                raise ValueError(f"no {name}")
        self.prediction_type, self.variance_type, self.clip_sample = prediction_type, variance_type, clip_sample
        self.bars = np.cumprod(1 - betas)
        self.betas = torch.as_tensor(betas, dtype=torch.float32)
        self.alphas = torch.as_tensor(1 - betas, dtype=torch.float32)
        self.alphas_cumprod = torch.as_tensor(self.bars, dtype=torch.float32)
        self.timesteps = torch.arange(T - 1, -1, -1)

    def _per_image(self, timesteps, like):
        bar = torch.as_tensor(self.bars, device=like.device)[timesteps].reshape(-1, 1, 1, 1)
        return bar.sqrt().to(like.dtype), (1 - bar).sqrt().to(like.dtype)

    def add_noise(self, original_samples, noise, timesteps):
        a, b = self._per_image(timesteps, original_samples)
        return a * original_samples + b * noise

    def get_velocity(self, sample, noise, timesteps):
        a, b = self._per_image(timesteps, sample)
        return a * noise - b * sample

    def loss(self, model, original_samples, noise, timesteps):
        # a mean square is a variance plus the square of a mean
        target = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise
        variance, bias = torch.var_mean(
            model(self.add_noise(original_samples, noise, timesteps), timesteps) - target, dim=(1, 2, 3), correction=0
        )
        return variance + bias ** 2

    def set_timesteps(self, num_inference_steps, device=None):
        T = len(self.bars)
        if not 1 <= num_inference_steps <= T:
            raise ValueError(f"no {num_inference_steps} steps")
        steps = np.rint(np.linspace(T, T / num_inference_steps, num_inference_steps)).astype(np.int64) - 1
        self.timesteps = torch.tensor(steps, device=device)

    def previous_timestep(self, timestep):
        steps = self.timesteps.cpu().numpy()
        found = np.flatnonzero(steps == int(timestep))
        if not found.size:
            raise ValueError(f"no timestep {int(timestep)}")
        return int(np.append(steps, -1)[found[0] + 1])

    def _pair(self, timestep):
        previous = self.previous_timestep(timestep)
        return float(self.bars[int(timestep)]), float(self.bars[previous]) if previous != -1 else 1.0

    def predict(self, model_output, timestep, sample):
        bar, _ = self._pair(timestep)
        a, b = bar ** 0.5, (1 - bar) ** 0.5
        if self.prediction_type == "v_prediction":
            x0, eps = a * sample - b * model_output, b * sample + a * model_output
        else:
            x0, eps = sample / a - (b / a) * model_output, model_output
        if self.clip_sample:
            x0 = torch.minimum(torch.maximum(x0, -torch.ones_like(x0)), torch.ones_like(x0))
            eps = sample / b - (a / b) * x0
        return x0, eps

    def _filtered(self, original_samples, sample, timestep):
        bar, bar_prev = self._pair(timestep)
        alpha = bar / bar_prev
        return State(bar_prev ** 0.5 * original_samples, 1 - bar_prev).measured(sample, alpha ** 0.5, 1 - alpha)

    def posterior(self, original_samples, sample, timestep):
        state = self._filtered(original_samples, sample, timestep)
        return state.mean, torch.tensor(state.variance, dtype=sample.dtype, device=sample.device)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        state = self._filtered(self.predict(model_output, timestep, sample)[0], sample, timestep)
        bar, bar_prev = self._pair(timestep)
        if bar_prev == 1:
            return state.mean
        variance = 1 - bar / bar_prev if self.variance_type == "fixed_large" else state.variance
        return torch.add(state.mean, noise(sample, generator, variance_noise), alpha=variance ** 0.5)


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if np.clip(eta, 0, 1) != eta:
            raise ValueError(f"no eta {eta}")
        _, bar_prev = self._pair(timestep)
        x0, eps = self.predict(model_output, timestep, sample)
        variance = eta ** 2 * self._filtered(x0, sample, timestep).variance
        x = torch.add(bar_prev ** 0.5 * x0, eps, alpha=max(1 - bar_prev - variance, 0) ** 0.5)
        return torch.add(x, noise(sample, generator, variance_noise), alpha=variance ** 0.5)


def noise(x, generator, z):
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) if z is None else z
