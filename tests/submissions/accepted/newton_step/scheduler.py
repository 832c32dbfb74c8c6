"""The posterior is where log q(x_t | x_prev) + log q(x_prev | x_0) is largest. Both are parabolas, so one step of Newton's
method from anywhere lands on the mean, and the curvature is one over the variance. torch.func finds the gradient."""
import math

import torch
from torch.func import grad


def log_normal(x, mean, variance):
    """Up to a constant."""
    return -((x - mean) ** 2).sum() / (2 * variance)


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        T = num_train_timesteps
        choose = {
            "linear": lambda: torch.linspace(beta_start, beta_end, T, dtype=torch.float64),
            "scaled_linear": lambda: torch.linspace(beta_start ** 0.5, beta_end ** 0.5, T, dtype=torch.float64) ** 2,
            "cosine": lambda: self._cosine(T),
        }
        checks = ((beta_schedule, choose), (prediction_type, ("epsilon", "v_prediction")),
                  (variance_type, ("fixed_small", "fixed_large")))
        wrong = [value for value, accepted in checks if value not in accepted]
        if wrong:
            raise ValueError(f"not accepted: {wrong}")
        self.prediction_type, self.variance_type, self.clip_sample = prediction_type, variance_type, clip_sample
        betas = choose[beta_schedule]()
        self.betas, self.alphas = betas.float(), (1 - betas).float()
        self.exact = (1 - betas).cumprod(0)
        self.alphas_cumprod = self.exact.float()
        self.timesteps = torch.arange(T).flip(0)

    @staticmethod
    def _cosine(T):
        f = torch.cos((torch.arange(T + 1, dtype=torch.float64) / T + 0.008) * (math.pi / 2.016)) ** 2
        pairs = f.unfold(0, 2, 1)  # (T, 2): every number and the one after it
        return (1 - pairs[:, 1] / pairs[:, 0]).clamp(max=0.999)

    def _roots(self, timesteps, x):
        bar = self.exact.to(x.device).gather(0, timesteps).unflatten(0, (-1, 1, 1, 1))
        return bar.sqrt().to(x.dtype), (1 - bar).sqrt().to(x.dtype)

    def add_noise(self, original_samples, noise, timesteps):
        a, b = self._roots(timesteps, original_samples)
        return torch.stack([a * original_samples, b * noise]).sum(0)

    def get_velocity(self, sample, noise, timesteps):
        a, b = self._roots(timesteps, sample)
        return torch.stack([a * noise, -b * sample]).sum(0)

    def loss(self, model, original_samples, noise, timesteps):
        target = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise
        output = model(self.add_noise(original_samples, noise, timesteps), timesteps)
        return torch.vmap(torch.nn.functional.mse_loss)(output, target)

    def set_timesteps(self, num_inference_steps, device=None):
        T = len(self.exact)
        if not 0 < num_inference_steps < T + 1:
            raise ValueError(f"not accepted: {num_inference_steps}")
        steps = sorted({round(k * T / num_inference_steps) - 1 for k in range(1, num_inference_steps + 1)})
        self.timesteps = torch.tensor(steps[::-1], device=device)

    def previous_timestep(self, timestep):
        from bisect import bisect_left
        ascending = self.timesteps.tolist()[::-1]
        place = bisect_left(ascending, int(timestep))
        if ascending[place:place + 1] != [int(timestep)]:
            raise ValueError(f"not accepted: {int(timestep)}")
        return ascending[place - 1] if place > 0 else -1

    def _bars(self, timestep):
        previous = self.previous_timestep(timestep)
        return self.exact[int(timestep)].item(), 1.0 if previous < 0 else self.exact[previous].item()

    def predict(self, model_output, timestep, sample):
        bar, _ = self._bars(timestep)
        a, b = math.sqrt(bar), math.sqrt(1 - bar)
        x0, eps = (sample - b * model_output) / a, model_output
        if self.prediction_type == "v_prediction":
            x0, eps = a * sample - b * model_output, b * sample + a * model_output
        if self.clip_sample:
            x0 = x0.clamp(-1, 1)
            # epsilon minimises |a x_0 + b epsilon - x_t|^2: again one step, from zero
            slope = grad(lambda e: ((a * x0 + b * e - sample) ** 2).sum() / 2)(torch.zeros_like(sample))
            eps = -slope / b ** 2
        return x0, eps

    def _newton(self, x0, x, timestep):
        bar, bar_prev = self._bars(timestep)
        if bar_prev == 1:  # infinitely sharp
            return x0, 0.0
        alpha = bar / bar_prev

        def log_density(x_prev):
            return (log_normal(x.double(), math.sqrt(alpha) * x_prev, 1 - alpha)
                    + log_normal(x_prev, math.sqrt(bar_prev) * x0.double(), 1 - bar_prev))

        curvature = alpha / (1 - alpha) + 1 / (1 - bar_prev)
        return (x + grad(log_density)(x.double()) / curvature).to(x.dtype), 1 / curvature

    def posterior(self, original_samples, sample, timestep):
        mean, variance = self._newton(original_samples, sample, timestep)
        return mean, torch.full((), variance, dtype=sample.dtype, device=sample.device)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        x0, _ = self.predict(model_output, timestep, sample)
        mean, variance = self._newton(x0, sample, timestep)
        bar, bar_prev = self._bars(timestep)
        if bar_prev == 1:
            return mean
        if self.variance_type == "fixed_large":
            variance = 1 - bar / bar_prev
        return mean + math.sqrt(variance) * random_normal(sample, generator, variance_noise)


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError(f"not accepted: {eta}")
        x0, eps = self.predict(model_output, timestep, sample)
        _, bar_prev = self._bars(timestep)
        variance = eta ** 2 * self._newton(x0, sample, timestep)[1]
        x = math.sqrt(bar_prev) * x0 + math.sqrt(1 - bar_prev - variance) * eps
        return x + math.sqrt(variance) * random_normal(sample, generator, variance_noise)


def random_normal(x, generator, z):
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) if z is None else z
