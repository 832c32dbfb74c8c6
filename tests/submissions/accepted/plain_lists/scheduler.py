import math
from itertools import accumulate
from operator import mul

import torch


class DDPMScheduler:
    """Lists of Python floats inside; the tensors outside are for show (and for add_noise)."""

    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        T = num_train_timesteps
        if beta_schedule == "linear":
            b = [beta_start + (beta_end - beta_start) * i / (T - 1) for i in range(T)]
        elif beta_schedule == "scaled_linear":
            lo, hi = beta_start ** 0.5, beta_end ** 0.5
            b = [(lo + (hi - lo) * i / (T - 1)) ** 2 for i in range(T)]
        elif beta_schedule == "cosine":
            f = [math.cos((i / T + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(T + 1)]
            b = [min(1 - after / now, 0.999) for now, after in zip(f, f[1:])]
        else:
            raise ValueError("I only know the beta schedules linear, scaled_linear and cosine")
        if prediction_type not in "epsilon v_prediction".split():
            raise ValueError("I only know the prediction types epsilon and v_prediction")
        if variance_type not in "fixed_small fixed_large".split():
            raise ValueError("I only know the variance types fixed_small and fixed_large")
        self.T, self.kind, self.large, self.clip = T, prediction_type, variance_type == "fixed_large", clip_sample

        a = [1 - x for x in b]
        # one more entry at the end, so that index -1 is "no noise"
        self.abar = list(accumulate(a, mul)) + [1.0]
        self.betas = torch.tensor(b)
        self.alphas = torch.tensor(a)
        self.alphas_cumprod = torch.tensor(self.abar[:-1])
        self.steps = list(range(T))[::-1]

    @property
    def timesteps(self):
        return torch.tensor(self.steps, device=getattr(self, "device", None))

    def _columns(self, timesteps, like):
        abar = [self.abar[t] for t in timesteps.tolist()]
        first = torch.tensor([math.sqrt(x) for x in abar], dtype=like.dtype, device=like.device)
        second = torch.tensor([math.sqrt(1 - x) for x in abar], dtype=like.dtype, device=like.device)
        return first[:, None, None, None], second[:, None, None, None]

    def add_noise(self, original_samples, noise, timesteps):
        s, n = self._columns(timesteps, original_samples)
        return s * original_samples + n * noise

    def get_velocity(self, sample, noise, timesteps):
        s, n = self._columns(timesteps, sample)
        return s * noise - n * sample

    def loss(self, model, original_samples, noise, timesteps):
        x_t = self.add_noise(original_samples, noise, timesteps)
        targets = noise
        if self.kind == "v_prediction":
            targets = self.get_velocity(original_samples, noise, timesteps)
        losses = []
        for output, target in zip(model(x_t, timesteps), targets):
            losses.append(((output - target) ** 2).mean())
        return torch.stack(losses)

    def set_timesteps(self, num_inference_steps, device=None):
        S = int(num_inference_steps)
        if not 0 < S <= self.T:
            raise ValueError(f"S = {S}, but 1 <= S <= {self.T} is needed")
        # half up, in whole numbers: floor(x + 1/2)
        self.steps = [(2 * k * self.T + S) // (2 * S) - 1 for k in range(S, 0, -1)]
        self.device = device

    def previous_timestep(self, timestep):
        t = int(timestep)
        if self.steps.count(t) != 1:
            raise ValueError(f"there is no timestep {t} among the {len(self.steps)}")
        return dict(zip(self.steps, self.steps[1:])).get(t, -1)

    def _levels(self, timestep):
        p = self.previous_timestep(timestep)
        return self.abar[int(timestep)], self.abar[p]

    def predict(self, model_output, timestep, sample):
        now, _ = self._levels(timestep)
        s, n = now ** 0.5, (1 - now) ** 0.5
        if self.kind == "epsilon":
            x0, eps = (sample - n * model_output) / s, model_output
        else:
            x0, eps = s * sample - n * model_output, n * sample + s * model_output
        if self.clip:
            inside = (x0 >= -1) & (x0 <= 1)
            x0 = torch.where(inside, x0, x0.sign())
            eps = torch.where(inside, eps, (sample - s * x0) / n)
        return x0, eps

    def posterior(self, original_samples, sample, timestep):
        now, before = self._levels(timestep)
        a = now / before
        b = 1 - a
        mean = before ** 0.5 * b / (1 - now) * original_samples + a ** 0.5 * (1 - before) / (1 - now) * sample
        return mean, torch.as_tensor(b * (1 - before) / (1 - now), dtype=sample.dtype, device=sample.device)

    def _random(self, sample, generator):
        where = generator.device if generator is not None else sample.device
        return torch.randn(tuple(sample.shape), generator=generator, dtype=sample.dtype, device=where).to(sample.device)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        now, before = self._levels(timestep)
        mean, small = self.posterior(self.predict(model_output, timestep, sample)[0], sample, timestep)
        if int(timestep) == self.steps[-1]:
            return mean
        z = self._random(sample, generator) if variance_noise is None else variance_noise
        return mean + (math.sqrt(1 - now / before) if self.large else small.sqrt()) * z


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError("0 <= eta <= 1 is needed")
        now, before = self._levels(timestep)
        x0, eps = self.predict(model_output, timestep, sample)
        sigma = eta * math.sqrt((1 - before) / (1 - now)) * math.sqrt(1 - now / before)
        out = math.sqrt(before) * x0 + math.sqrt(1 - before - sigma * sigma) * eps
        if eta > 0:
            z = self._random(sample, generator) if variance_noise is None else variance_noise
            out = out + sigma * z
        return out
