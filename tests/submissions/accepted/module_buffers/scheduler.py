import math
import torch
from torch import nn


class DDPMScheduler(nn.Module):
    """An nn.Module, so that .to(device) moves the tables."""

    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        super().__init__()
        makers = {"linear": self._linear, "scaled_linear": self._scaled, "cosine": self._cosine}
        if beta_schedule not in makers:
            raise ValueError(f"beta_schedule can be {sorted(makers)}")
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError("prediction_type can be 'epsilon' and 'v_prediction'")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError("variance_type can be 'fixed_small' and 'fixed_large'")
        self.num_train_timesteps = num_train_timesteps
        self.prediction_type = prediction_type
        self.variance_type = variance_type
        self.clip_sample = clip_sample

        betas = makers[beta_schedule](num_train_timesteps, beta_start, beta_end)
        alphas = 1.0 - betas
        alphas_cumprod = alphas.cumprod(dim=0)
        for name, table in {
            "betas": betas,
            "alphas": alphas,
            "alphas_cumprod": alphas_cumprod,
            "sqrt_alphas_cumprod": alphas_cumprod.sqrt(),
            "sqrt_one_minus_alphas_cumprod": (1 - alphas_cumprod).sqrt(),
        }.items():
            self.register_buffer(name, table.to(torch.float32))
        # alpha-bar with an entry in front for "no noise at all": index t + 1 belongs to timestep t
        padded = torch.cat([torch.ones(1, dtype=torch.float64), alphas_cumprod])
        self.register_buffer("padded", padded, persistent=False)
        self.register_buffer("timesteps", torch.arange(num_train_timesteps).flip(0), persistent=False)

    def _linear(self, T, start, end):
        return start + (end - start) * torch.arange(T, dtype=torch.float64) / (T - 1)

    def _scaled(self, T, start, end):
        return self._linear(T, math.sqrt(start), math.sqrt(end)) ** 2

    def _cosine(self, T, start, end):
        s = 0.008
        t = torch.linspace(0, T, T + 1, dtype=torch.float64)
        f = torch.cos(((t / T) + s) / (1 + s) * torch.pi * 0.5) ** 2
        return torch.clamp(1 - f[1:] / f[:-1], max=0.999)

    def forward(self, original_samples, noise, timesteps):
        return self.add_noise(original_samples, noise, timesteps)

    def _pick(self, buffer, timesteps, x):
        return buffer.to(x.device).gather(0, timesteps).to(x.dtype)[(...,) + (None,) * (x.dim() - 1)]

    def add_noise(self, original_samples, noise, timesteps):
        return torch.addcmul(
            self._pick(self.sqrt_alphas_cumprod, timesteps, original_samples) * original_samples,
            self._pick(self.sqrt_one_minus_alphas_cumprod, timesteps, original_samples),
            noise,
        )

    def get_velocity(self, sample, noise, timesteps):
        return torch.addcmul(
            self._pick(self.sqrt_alphas_cumprod, timesteps, sample) * noise,
            self._pick(self.sqrt_one_minus_alphas_cumprod, timesteps, sample),
            sample,
            value=-1,
        )

    def loss(self, model, original_samples, noise, timesteps):
        pixels = torch.nn.MSELoss(reduction="none")
        target = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise
        losses = pixels(model(self.add_noise(original_samples, noise, timesteps), timesteps), target)
        for _ in range(3):
            losses = losses.mean(dim=-1)
        return losses

    def set_timesteps(self, num_inference_steps, device=None):
        T = self.num_train_timesteps
        if not 1 <= num_inference_steps <= T:
            raise ValueError(f"num_inference_steps can be 1 ... {T}")
        i = torch.arange(num_inference_steps, dtype=torch.float64)
        steps = torch.round((num_inference_steps - i) * T / num_inference_steps) - 1
        self.timesteps = steps.to(device=device, dtype=torch.int64)

    def previous_timestep(self, timestep):
        hits = torch.nonzero(self.timesteps.cpu() == int(timestep)).flatten().tolist()
        if not hits:
            raise ValueError(f"timestep {int(timestep)} does not belong to scheduler.timesteps")
        later = self.timesteps[hits[0] + 1:]
        return later[0].item() if later.numel() else -1

    def _bars(self, timestep, x):
        prev = self.previous_timestep(timestep)
        bars = self.padded[[int(timestep) + 1, prev + 1]]
        return bars.to(x.device).unbind()

    @torch.no_grad()
    def predict(self, model_output, timestep, sample):
        bar, _ = self._bars(timestep, sample)
        if self.prediction_type == "epsilon":
            x0 = (sample - (1 - bar).sqrt() * model_output) * bar.rsqrt()
            eps = model_output
        else:
            x0 = bar.sqrt() * sample - (1 - bar).sqrt() * model_output
            eps = bar.sqrt() * model_output + (1 - bar).sqrt() * sample
        if self.clip_sample:
            x0 = nn.functional.hardtanh(x0)
            eps = (sample - bar.sqrt() * x0) * (1 - bar).rsqrt()
        return x0, eps

    @torch.no_grad()
    def posterior(self, original_samples, sample, timestep):
        bar, bar_prev = self._bars(timestep, sample)
        alpha = bar / bar_prev
        # interpolation between the two pieces of evidence
        mean = (bar_prev.sqrt() * (1 - alpha) * original_samples + alpha.sqrt() * (1 - bar_prev) * sample) / (1 - bar)
        variance = (1 - bar_prev) * (1 - alpha) / (1 - bar)
        return mean, variance.to(sample.dtype)

    @torch.no_grad()
    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        bar, bar_prev = self._bars(timestep, sample)
        mean, variance = self.posterior(self.predict(model_output, timestep, sample)[0], sample, timestep)
        last = self.previous_timestep(timestep) < 0
        if last:
            return mean
        std = variance.sqrt() if self.variance_type == "fixed_small" else (1 - bar / bar_prev).sqrt()
        return mean + std * self._noise(sample, generator, variance_noise)

    def _noise(self, sample, generator, variance_noise):
        if variance_noise is None:
            return torch.randn(*sample.shape, generator=generator, device=sample.device, dtype=sample.dtype)
        return variance_noise


class DDIMScheduler(DDPMScheduler):
    @torch.no_grad()
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not (eta >= 0 and eta <= 1):
            raise ValueError("eta can be 0 ... 1")
        bar, bar_prev = self._bars(timestep, sample)
        x0, eps = self.predict(model_output, timestep, sample)
        sigma = eta * ((1 - bar_prev) / (1 - bar) * (1 - bar / bar_prev)).sqrt()
        x_prev = bar_prev.sqrt() * x0 + (1 - bar_prev - sigma.square()).clamp(min=0).sqrt() * eps
        if eta != 0:
            x_prev = x_prev + sigma * self._noise(sample, generator, variance_noise)
        return x_prev
