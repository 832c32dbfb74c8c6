"""The posterior as a product of two Gaussians: precisions add up, and the mean is the precision-weighted average."""
import math

import torch


class _Tables:
    def __init__(self, T, schedule, start, end):
        grid = [i / (T - 1) for i in range(T)]
        if schedule == "linear":
            betas = [start * (1 - g) + end * g for g in grid]
        elif schedule == "scaled_linear":
            betas = [(math.sqrt(start) * (1 - g) + math.sqrt(end) * g) ** 2 for g in grid]
        elif schedule == "cosine":
            betas = [min(0.999, 1 - self.f((t + 1) / T) / self.f(t / T)) for t in range(T)]
        else:
            raise ValueError(f"{schedule!r} is no beta_schedule (linear, scaled_linear, cosine)")
        self.betas = torch.tensor(betas, dtype=torch.float64)
        self.alphas = 1 - self.betas
        self.alphas_cumprod = self.alphas.cumprod(0)

    @staticmethod
    def f(u):
        return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError(f"{prediction_type!r} is no prediction_type (epsilon, v_prediction)")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError(f"{variance_type!r} is no variance_type (fixed_small, fixed_large)")
        self._exact = _Tables(num_train_timesteps, beta_schedule, beta_start, beta_end)  # has-a, not is-a
        self.prediction_type = prediction_type
        self.variance_type = variance_type
        self.clip_sample = clip_sample
        self.num_train_timesteps = num_train_timesteps
        self.timesteps = torch.arange(num_train_timesteps - 1, -1, -1)

    def __getattr__(self, name):
        if name in ("betas", "alphas", "alphas_cumprod"):
            return getattr(self._exact, name).float()
        raise AttributeError(name)

    def _amounts(self, timesteps, images):
        signal = torch.sqrt(self._exact.alphas_cumprod).to(images)
        noise = torch.sqrt(1 - self._exact.alphas_cumprod).to(images)
        column = timesteps.view(timesteps.shape[0], *[1] * (images.ndim - 1))
        return signal[column], noise[column]

    def add_noise(self, original_samples, noise, timesteps):
        a, b = self._amounts(timesteps, original_samples)
        return a * original_samples + b * noise

    def get_velocity(self, sample, noise, timesteps):
        a, b = self._amounts(timesteps, sample)
        return a * noise - b * sample

    def loss(self, model, original_samples, noise, timesteps):
        # a mean square is a variance plus the square of a mean
        target = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise
        variance, bias = torch.var_mean(
            model(self.add_noise(original_samples, noise, timesteps), timesteps) - target, dim=(1, 2, 3), correction=0
        )
        return variance + bias ** 2

    def set_timesteps(self, num_inference_steps, device=None):
        T = self.num_train_timesteps
        if num_inference_steps <= 0 or num_inference_steps > T:
            raise ValueError(f"{num_inference_steps} is no number of steps (1 ... {T})")
        steps, t = [], float(T)
        while len(steps) < num_inference_steps:
            steps.append(round(t) - 1)
            t -= T / num_inference_steps
        self.timesteps = torch.tensor(steps, device=device, dtype=torch.int64)

    def previous_timestep(self, timestep):
        t = int(timestep)
        if t not in self.timesteps:
            raise ValueError(f"{t} is not among the timesteps")
        below = self.timesteps[self.timesteps < t]
        return int(below.max()) if len(below) else -1

    def _level(self, t):
        return float(self._exact.alphas_cumprod[t]) if t >= 0 else 1.0

    def predict(self, model_output, timestep, sample):
        self.previous_timestep(timestep)
        abar = self._level(int(timestep))
        if self.prediction_type == "epsilon":
            eps = model_output
        else:
            eps = math.sqrt(abar) * model_output + math.sqrt(1 - abar) * sample
        x0 = sample.sub(eps, alpha=math.sqrt(1 - abar)).div(math.sqrt(abar))
        if self.clip_sample:
            x0 = torch.maximum(torch.minimum(x0, torch.ones_like(x0)), -torch.ones_like(x0))
            eps = sample.sub(x0, alpha=math.sqrt(abar)).div(math.sqrt(1 - abar))
        return x0, eps

    def posterior(self, original_samples, sample, timestep):
        now, before = self._level(int(timestep)), self._level(self.previous_timestep(timestep))
        if before == 1.0:  # x_0 itself: nothing left to weigh up
            return original_samples.clone(), sample.new_zeros(())
        alpha = now / before
        # x_t = sqrt(alpha) x_prev + noise says: x_prev is near x_t / sqrt(alpha), with this precision
        from_sample = alpha / (1 - alpha)
        # x_prev = sqrt(before) x_0 + noise says: x_prev is near sqrt(before) x_0, with that one
        from_x0 = 1 / (1 - before)
        variance = 1 / (from_sample + from_x0)
        mean = variance * (from_sample * sample / math.sqrt(alpha) + from_x0 * math.sqrt(before) * original_samples)
        return mean, torch.tensor(variance, dtype=sample.dtype, device=sample.device)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        previous = self.previous_timestep(timestep)
        x0, _ = self.predict(model_output, timestep, sample)
        mean, variance = self.posterior(x0, sample, timestep)
        if previous < 0:
            return mean
        if self.variance_type == "fixed_large":
            variance = torch.tensor(1 - self._level(int(timestep)) / self._level(previous)).to(sample)
        if variance_noise is None:
            variance_noise = torch.randn(sample.shape, dtype=sample.dtype, device=sample.device, generator=generator)
        return mean + variance.sqrt() * variance_noise


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if eta < 0 or eta > 1:
            raise ValueError(f"{eta} is no eta (0 ... 1)")
        before = self._level(self.previous_timestep(timestep))
        x0, eps = self.predict(model_output, timestep, sample)
        variance = eta ** 2 * self.posterior(x0, sample, timestep)[1].item()
        x = math.sqrt(before) * x0 + math.sqrt(1 - before - variance) * eps
        if variance > 0:
            if variance_noise is None:
                variance_noise = torch.randn(sample.shape, dtype=sample.dtype, device=sample.device, generator=generator)
            x = x + math.sqrt(variance) * variance_noise
        return x
