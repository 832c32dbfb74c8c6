"""Everything is computed in float64 and cast once, at the very end."""
import torch
from math import pi


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        T = num_train_timesteps
        if beta_schedule == "linear":
            betas = torch.linspace(beta_start, beta_end, T, dtype=torch.double)
        elif beta_schedule == "scaled_linear":
            betas = torch.linspace(beta_start ** .5, beta_end ** .5, T, dtype=torch.double).square()
        elif beta_schedule == "cosine":
            def f(u):
                return torch.cos((u + 0.008) / 1.008 * pi / 2).square()
            t = torch.arange(T, dtype=torch.double)
            betas = torch.minimum(1 - f((t + 1) / T) / f(t / T), torch.tensor(0.999, dtype=torch.double))
        else:
            raise ValueError("beta_schedule: linear, scaled_linear or cosine, not %r" % (beta_schedule,))
        if prediction_type not in ["epsilon", "v_prediction"]:
            raise ValueError("prediction_type: epsilon or v_prediction, not %r" % (prediction_type,))
        if variance_type not in ["fixed_small", "fixed_large"]:
            raise ValueError("variance_type: fixed_small or fixed_large, not %r" % (variance_type,))
        self.T = T
        self.prediction_type, self.variance_type, self.clip_sample = prediction_type, variance_type, clip_sample
        self._abar = torch.cumprod(1 - betas, 0)  # kept in double for all the formulas below
        self.betas = betas.float()
        self.alphas = (1 - betas).float()
        self.alphas_cumprod = self._abar.float()
        self.timesteps = torch.arange(T).flip(0)

    def _ab(self, t, like):
        return self._abar.to(like.device)[t].reshape(-1, 1, 1, 1)

    def add_noise(self, original_samples, noise, timesteps):
        ab = self._ab(timesteps, original_samples)
        out = ab ** .5 * original_samples.double() + (1 - ab) ** .5 * noise.double()
        return out.to(original_samples.dtype)

    def get_velocity(self, sample, noise, timesteps):
        ab = self._ab(timesteps, sample)
        return (ab ** .5 * noise.double() - (1 - ab) ** .5 * sample.double()).to(sample.dtype)

    def loss(self, model, original_samples, noise, timesteps):
        target = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise
        output = model(self.add_noise(original_samples, noise, timesteps), timesteps)
        return (output.double() - target.double()).square().mean((-1, -2, -3)).to(output.dtype)

    def set_timesteps(self, num_inference_steps, device=None):
        S = num_inference_steps
        if S < 1 or S > self.T:
            raise ValueError(f"need 1 <= num_inference_steps <= {self.T}")
        i = torch.arange(S, 0, -1, dtype=torch.double)
        self.timesteps = (torch.round(i * self.T / S) - 1).long().to(device or "cpu")

    def previous_timestep(self, timestep):
        where = (self.timesteps == int(timestep)).nonzero()
        if len(where) == 0:
            raise ValueError(f"{int(timestep)} is not among the timesteps")
        nxt = int(where[0]) + 1
        return int(self.timesteps[nxt]) if nxt < len(self.timesteps) else -1

    def _pair(self, timestep):
        p = self.previous_timestep(timestep)
        return self._abar[int(timestep)].item(), (self._abar[p].item() if p >= 0 else 1.0)

    def _predict64(self, out, timestep, x):
        ab, _ = self._pair(timestep)
        out, x = out.double(), x.double()
        if self.prediction_type == "epsilon":
            eps, x0 = out, (x - (1 - ab) ** .5 * out) / ab ** .5
        else:
            eps, x0 = ab ** .5 * out + (1 - ab) ** .5 * x, ab ** .5 * x - (1 - ab) ** .5 * out
        if self.clip_sample:
            x0 = x0.clip(-1, 1)
            eps = (x - ab ** .5 * x0) / (1 - ab) ** .5
        return x0, eps

    def predict(self, model_output, timestep, sample):
        x0, eps = self._predict64(model_output, timestep, sample)
        return x0.to(sample.dtype), eps.to(sample.dtype)

    def _posterior64(self, x0, x, timestep):
        ab, ab_prev = self._pair(timestep)
        a = ab / ab_prev
        mean = (ab_prev ** .5 * (1 - a) * x0.double() + a ** .5 * (1 - ab_prev) * x.double()) / (1 - ab)
        return mean, (1 - ab_prev) / (1 - ab) * (1 - a)

    def posterior(self, original_samples, sample, timestep):
        mean, var = self._posterior64(original_samples, sample, timestep)
        return mean.to(sample.dtype), torch.tensor(var, dtype=sample.dtype, device=sample.device)

    def _z(self, sample, generator, variance_noise):
        if variance_noise is not None:
            return variance_noise.double()
        return torch.randn(sample.shape, generator=generator, device=sample.device, dtype=torch.double)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        x0, _ = self._predict64(model_output, timestep, sample)
        mean, var = self._posterior64(x0, sample, timestep)
        if self.previous_timestep(timestep) != -1:
            if self.variance_type == "fixed_large":
                ab, ab_prev = self._pair(timestep)
                var = 1 - ab / ab_prev
            mean = mean + var ** .5 * self._z(sample, generator, variance_noise)
        return mean.to(sample.dtype)


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if eta < 0 or eta > 1:
            raise ValueError("eta must lie in [0, 1]")
        ab, ab_prev = self._pair(timestep)
        x0, eps = self._predict64(model_output, timestep, sample)
        sigma = eta * ((1 - ab_prev) / (1 - ab)) ** .5 * (1 - ab / ab_prev) ** .5
        x = ab_prev ** .5 * x0 + (1 - ab_prev - sigma ** 2) ** .5 * eps
        if sigma > 0:
            x = x + sigma * self._z(sample, generator, variance_noise)
        return x.to(sample.dtype)
