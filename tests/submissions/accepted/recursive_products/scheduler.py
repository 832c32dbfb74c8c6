"""Recursion: alpha-bar is the product of the halves of the list, down to single alphas, and so is the alpha of a stride:
the product of the small steps between two timesteps, instead of a ratio of alpha-bars."""
import math
from functools import lru_cache, reduce

import torch


def halves(numbers):
    """Running products, by recursion: those of the left half, then those of the right half times all of the left."""
    if len(numbers) == 1:
        return numbers
    middle = len(numbers) // 2
    left, right = halves(numbers[:middle]), halves(numbers[middle:])
    return left + [left[-1] * r for r in right]


def product_but_one(betas):
    """1 - product of (1 - beta), without ever forming 1 - something small: a + b - ab, two at a time."""
    return reduce(lambda a, b: a + b - a * b, betas, 0.0)


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        self.T = num_train_timesteps
        maker = getattr(self, "make_" + str(beta_schedule), None)
        if maker is None:
            raise ValueError("beta_schedule should be linear, scaled_linear or cosine")
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError("prediction_type should be epsilon or v_prediction")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError("variance_type should be fixed_small or fixed_large")
        self.prediction_type, self.variance_type, self.clip_sample = prediction_type, variance_type, clip_sample
        self.beta = [maker(t, beta_start, beta_end) for t in range(self.T)]
        self.abar = halves([1 - b for b in self.beta])
        self.one_minus_abar = lru_cache(None)(lambda t: product_but_one(self.beta[:t + 1]))
        self.betas = torch.tensor(self.beta, dtype=torch.float)
        self.alphas = torch.tensor([1 - b for b in self.beta], dtype=torch.float)
        self.alphas_cumprod = torch.tensor(self.abar, dtype=torch.float)
        self.timesteps = torch.tensor(self.countdown(self.T))

    def make_linear(self, t, start, end):
        return start if t == 0 else self.make_linear(0, start, end) + t / (self.T - 1) * (end - start)

    def make_scaled_linear(self, t, start, end):
        return self.make_linear(t, start ** 0.5, end ** 0.5) ** 2

    def make_cosine(self, t, start, end):
        f = lambda k: math.cos(math.pi / 2 * (k / self.T + 0.008) / 1.008) ** 2
        return min(1 - f(t + 1) / f(t), 0.999)

    def countdown(self, S):
        """The list of timesteps: the first, and the rest of the list."""
        def rest(low, high):  # by halves again, since 1000 calls deep is where Python gives up
            if low == high:
                return [round(low * self.T / S) - 1]
            middle = (low + high) // 2
            return rest(middle + 1, high) + rest(low, middle)
        return rest(1, S)

    def set_timesteps(self, num_inference_steps, device=None):
        if not 1 <= num_inference_steps <= self.T:
            raise ValueError(f"num_inference_steps should be 1 to {self.T}")
        self.timesteps = torch.tensor(self.countdown(num_inference_steps), device=device)

    def previous_timestep(self, timestep):
        def search(steps):
            """Of the descending steps, the largest one below the timestep."""
            if len(steps) <= 1:
                return steps[0] if steps and steps[0] < int(timestep) else -1
            left, right = steps[:len(steps) // 2], steps[len(steps) // 2:]
            return search(right) if left[-1] >= int(timestep) else search(left)
        if int(timestep) not in self.timesteps.tolist():
            raise ValueError(f"{int(timestep)} should be among the timesteps")
        return search(self.timesteps.tolist())

    def _rows(self, timesteps, x):
        pick = lambda numbers: torch.tensor(numbers, dtype=torch.float64, device=x.device)[timesteps].view(-1, 1, 1, 1).to(x.dtype)
        abar = pick(self.abar)
        return abar.sqrt(), (1 - abar).sqrt()

    def add_noise(self, original_samples, noise, timesteps):
        a, b = self._rows(timesteps, original_samples)
        return a * original_samples + b * noise

    def get_velocity(self, sample, noise, timesteps):
        a, b = self._rows(timesteps, sample)
        return a * noise - b * sample

    def loss(self, model, original_samples, noise, timesteps):
        off = model(self.add_noise(original_samples, noise, timesteps), timesteps)
        off = off - (self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise)
        return torch.linalg.vector_norm(off.flatten(start_dim=1), dim=1) ** 2 / off[0].numel()

    def predict(self, model_output, timestep, sample):
        self.previous_timestep(timestep)
        a, b = math.sqrt(self.abar[int(timestep)]), math.sqrt(self.one_minus_abar(int(timestep)))
        x0 = (sample - b * model_output) / a if self.prediction_type == "epsilon" else a * sample - b * model_output
        eps = model_output if self.prediction_type == "epsilon" else b * sample + a * model_output
        if self.clip_sample:
            x0 = torch.clamp(x0, -1, 1)
            eps = (sample - a * x0) / b
        return x0, eps

    def stride(self, timestep):
        """(alpha, beta) of the small steps in a row, and what is left of the noise before them."""
        previous = self.previous_timestep(timestep)
        small_steps = self.beta[previous + 1:int(timestep) + 1]
        rest = self.one_minus_abar(previous) if previous >= 0 else 0.0
        return math.prod(1 - b for b in small_steps), product_but_one(small_steps), rest

    def posterior(self, original_samples, sample, timestep):
        alpha, beta, rest = self.stride(timestep)
        all_noise = self.one_minus_abar(int(timestep))
        mean = (math.sqrt(1 - rest) * beta * original_samples + math.sqrt(alpha) * rest * sample) / all_noise
        return mean, torch.tensor(rest / all_noise * beta, dtype=sample.dtype, device=sample.device)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        _, beta, rest = self.stride(timestep)
        x, variance = self.posterior(self.predict(model_output, timestep, sample)[0], sample, timestep)
        if rest:
            std = math.sqrt(beta) if self.variance_type == "fixed_large" else variance.sqrt()
            x = x + std * self.z(sample, generator, variance_noise)
        return x

    def z(self, x, generator, z):
        return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) if z is None else z


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if eta < 0 or eta > 1:
            raise ValueError("eta should be 0 to 1")
        _, beta, rest = self.stride(timestep)
        x0, eps = self.predict(model_output, timestep, sample)
        new = eta ** 2 * beta * rest / self.one_minus_abar(int(timestep))
        x = math.sqrt(1 - rest) * x0 + math.sqrt(rest - new) * eps
        return x + math.sqrt(new) * self.z(sample, generator, variance_noise)
