import numpy as np
import torch
from functools import cached_property


class DDPMScheduler:
    """Sums over a "which term" axis: every formula here is coefficients (2,) or (B, 2) times a stack of two images."""

    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        assert_in = self._assert_in
        self.beta_schedule = assert_in(beta_schedule, {"linear", "scaled_linear", "cosine"})
        self.prediction_type = assert_in(prediction_type, {"epsilon", "v_prediction"})
        self.variance_type = assert_in(variance_type, {"fixed_small", "fixed_large"})
        self.beta_start, self.beta_end = beta_start, beta_end
        self.num_train_timesteps, self.clip_sample = num_train_timesteps, clip_sample
        self.timesteps = torch.arange(num_train_timesteps).flip(0)

    @staticmethod
    def _assert_in(value, accepted):
        if value in accepted:
            return value
        raise ValueError(f"{value!r} is not in {sorted(accepted)}")

    @cached_property
    def _betas64(self):
        power = {"linear": 1, "scaled_linear": 2}.get(self.beta_schedule)
        if power:
            ends = np.array([self.beta_start, self.beta_end]) ** (1 / power)
            return torch.as_tensor(np.linspace(*ends, num=self.num_train_timesteps) ** power)
        u = np.linspace(0, 1, self.num_train_timesteps + 1)
        f = np.cos((u + 0.008) / 1.008 * np.pi / 2) ** 2
        return torch.as_tensor(np.clip(1 - f[1:] / f[:-1], None, 0.999))

    @cached_property
    def betas(self):
        return self._betas64.float()

    @cached_property
    def alphas(self):
        return (1 - self._betas64).float()

    @cached_property
    def alphas_cumprod(self):
        return torch.cumprod(1 - self._betas64, dim=0).float()

    def _rows(self, timesteps, x):
        """(B, 2): signal and noise amplitude of every image."""
        abar = self.alphas_cumprod.to(timesteps.device)[timesteps].double()
        return torch.stack([abar, 1 - abar], dim=1).sqrt().to(x)

    def add_noise(self, original_samples, noise, timesteps):
        stack = torch.stack([original_samples, noise], dim=1)
        return torch.einsum("bk,bk...->b...", self._rows(timesteps, original_samples), stack)

    def get_velocity(self, sample, noise, timesteps):
        stack = torch.stack([noise, -sample], dim=1)
        return torch.einsum("bk,bk...->b...", self._rows(timesteps, sample), stack)

    def loss(self, model, original_samples, noise, timesteps):
        wanted = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise
        off = wanted - model(self.add_noise(original_samples, noise, timesteps), timesteps)
        return torch.einsum("bchw,bchw->b", off, off) / off[0].numel()

    def set_timesteps(self, num_inference_steps, device=None):
        T = self.num_train_timesteps
        if num_inference_steps < 1 or num_inference_steps > T:
            raise ValueError(f"num_inference_steps is {num_inference_steps}, not in [1, {T}]")
        steps = np.round(np.arange(num_inference_steps, 0, -1) * T / num_inference_steps).astype(np.int64) - 1
        self.timesteps = torch.as_tensor(steps, device=device)

    def previous_timestep(self, timestep):
        steps = self.timesteps.tolist()
        if int(timestep) not in steps:
            raise ValueError(f"{int(timestep)} is not in timesteps")
        return int((steps + [-1])[1 + steps.index(int(timestep))])

    def _abars(self, timestep):
        t, p = int(timestep), self.previous_timestep(timestep)
        table = self.alphas_cumprod.double().numpy()
        return table[t], table[p] if p >= 0 else np.float64(1.0)

    def _combine(self, coefficients, *images):
        matrix = torch.tensor(np.array(coefficients)).to(images[0])
        return torch.einsum("...k,kbchw->...bchw", matrix, torch.stack(images))

    def predict(self, model_output, timestep, sample):
        abar, _ = self._abars(timestep)
        s, n = np.sqrt(abar), np.sqrt(1 - abar)
        # rows: x0_hat and epsilon_hat, columns: x_t and the model's output
        matrix = [[1 / s, -n / s], [0, 1]] if self.prediction_type == "epsilon" else [[s, -n], [n, s]]
        x0, eps = self._combine(matrix, sample, model_output)
        if self.clip_sample:
            x0 = x0.clamp(-1, 1)
            eps = self._combine([1 / n, -s / n], sample, x0)
        return x0, eps

    def posterior(self, original_samples, sample, timestep):
        abar, abar_prev = self._abars(timestep)
        alpha = abar / abar_prev
        weights = [np.sqrt(abar_prev) * (1 - alpha) / (1 - abar), np.sqrt(alpha) * (1 - abar_prev) / (1 - abar)]
        variance = (1 - alpha) * (1 - abar_prev) / (1 - abar)
        return self._combine(weights, original_samples, sample), torch.tensor(variance).to(sample)

    def _z(self, sample, generator, variance_noise):
        if variance_noise is not None:
            return variance_noise
        return torch.randn(sample.shape, generator=generator, dtype=torch.float64, device=sample.device).to(sample)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        abar, abar_prev = self._abars(timestep)
        x0, _ = self.predict(model_output, timestep, sample)
        mean, variance = self.posterior(x0, sample, timestep)
        if abar_prev >= 1:
            return mean
        std = np.sqrt(1 - abar / abar_prev) if self.variance_type == "fixed_large" else np.sqrt(variance.item())
        return self._combine([1.0, std], mean, self._z(sample, generator, variance_noise))


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if eta < 0 or eta > 1:
            raise ValueError(f"eta is {eta}, not in [0, 1]")
        abar, abar_prev = self._abars(timestep)
        sigma = eta * np.sqrt((1 - abar_prev) / (1 - abar) * (1 - abar / abar_prev))
        x0, eps = self.predict(model_output, timestep, sample)
        weights = [np.sqrt(abar_prev), np.sqrt(1 - abar_prev - sigma**2), sigma]
        return self._combine(weights, x0, eps, self._z(sample, generator, variance_noise))


class FlowMatchScheduler(DDPMScheduler):
    def __init__(self, num_train_timesteps=1000, prediction_type="flow", clip_sample=True):
        self._assert_in(prediction_type, {"flow"})
        super().__init__(num_train_timesteps, prediction_type="v_prediction", clip_sample=clip_sample)

    def _s(self, timesteps):
        return (1.0 + timesteps) / self.num_train_timesteps

    def _rows(self, timesteps, x):
        """(B, 2): how much of the image and of the noise."""
        s = self._s(timesteps.double())
        return torch.stack([1 - s, s], dim=1).to(x)

    def get_velocity(self, sample, noise, timesteps):
        return self._combine([-1.0, 1.0], sample, noise)

    def predict(self, model_output, timestep, sample):
        self.previous_timestep(timestep)
        s = self._s(int(timestep))
        x0, eps = self._combine([[1, -s], [1, 1 - s]], sample, model_output)
        if self.clip_sample:
            x0 = x0.clamp(-1, 1)
            eps = self._combine([1 / s, 1 - 1 / s], sample, x0)
        return x0, eps

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        s = self._s(self.previous_timestep(timestep))
        return self._combine([1 - s, s], *self.predict(model_output, timestep, sample))


def inpaint(model, scheduler, known, mask, noise):
    select = torch.stack([mask, ~mask]).to(noise)
    timesteps = scheduler.timesteps.tolist()
    x = noise
    for t, t_prev in zip(timesteps, timesteps[1:] + [None]):
        x = scheduler.step(model(x, torch.full((x.shape[0],), t, device=x.device)), t, x)
        kept = known
        if t_prev is not None:
            kept = scheduler.add_noise(known, noise, torch.full((x.shape[0],), t_prev, device=x.device))
        x = torch.einsum("kbchw,kbchw->bchw", select, torch.stack([kept, x]))
    return x


def guided(conditional, unconditional, scale):
    weights = torch.tensor([scale, 1 - scale], dtype=torch.float64).to(conditional)
    return torch.einsum("k,kbchw->bchw", weights, torch.stack([conditional, unconditional]))
