"""In the manner of score-SDE: whatever the network says becomes a score, -epsilon / std, and a step of the reversed
VP SDE, discretised, is x + beta score, rescaled, plus noise. Tweedie's formula gives x_0 back."""
import abc

import numpy as np
import torch


class SDE(abc.ABC):
    @abc.abstractmethod
    def marginal_prob(self, x, t):
        """Mean and std of p_t(x_t | x_0 = x)."""

    @abc.abstractmethod
    def discretize(self, t, t_prev):
        """How much variance one step adds, and how much there is in the end and before it."""


class VPSDE(SDE):
    def __init__(self, name, N, beta_min, beta_max):
        if name == "linear":
            self.discrete_betas = torch.linspace(beta_min, beta_max, N).double()
        elif name == "scaled_linear":
            self.discrete_betas = torch.linspace(beta_min ** 0.5, beta_max ** 0.5, N).double() ** 2
        elif name == "cosine":
            angle = (np.linspace(0, 1, N + 1) + 0.008) / 1.008 * np.pi / 2
            self.discrete_betas = torch.from_numpy(np.clip(1 - (np.cos(angle[1:]) / np.cos(angle[:-1])) ** 2, 0, 0.999))
        else:
            raise ValueError(f"SDE {name} unknown.")
        self.alphas_cumprod = torch.cumprod(1.0 - self.discrete_betas, dim=0)

    def marginal_prob(self, x, t):
        abar = self.alphas_cumprod.to(x.device)[t].view(-1, 1, 1, 1)
        return (abar.sqrt() * x).to(x.dtype), (1 - abar).sqrt().to(x.dtype)

    def discretize(self, t, t_prev):
        abar = self.alphas_cumprod[t].item()
        abar_prev = self.alphas_cumprod[t_prev].item() if t_prev >= 0 else 1.0
        return 1 - abar / abar_prev, 1 - abar, 1 - abar_prev


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        self.sde = VPSDE(beta_schedule, num_train_timesteps, beta_start, beta_end)
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError(f"Model output {prediction_type} unknown.")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError(f"Variance {variance_type} unknown.")
        self.prediction_type = prediction_type
        self.variance_type = variance_type
        self.clip_sample = clip_sample
        self.betas = self.sde.discrete_betas.float()
        self.alphas = 1 - self.betas
        self.alphas_cumprod = self.sde.alphas_cumprod.float()
        self.timesteps = torch.linspace(num_train_timesteps - 1, 0, num_train_timesteps).long()

    def add_noise(self, original_samples, noise, timesteps):
        mean, std = self.sde.marginal_prob(original_samples, timesteps)
        return mean + std * noise

    def get_velocity(self, sample, noise, timesteps):
        mean, std = self.sde.marginal_prob(noise, timesteps)
        return mean - std * sample

    def loss(self, model, original_samples, noise, timesteps):
        x_t = self.add_noise(original_samples, noise, timesteps)
        targets = noise
        if self.prediction_type == "v_prediction":
            targets = self.get_velocity(original_samples, noise, timesteps)
        losses = []
        for output, target in zip(model(x_t, timesteps), targets):
            losses.append(((output - target) ** 2).mean())
        return torch.stack(losses)

    def set_timesteps(self, num_inference_steps, device=None):
        N = len(self.betas)
        if not 1 <= num_inference_steps <= N:
            raise ValueError(f"{num_inference_steps} steps of an SDE with {N}.")
        grid = torch.linspace(1, 0, num_inference_steps + 1, dtype=torch.float64)[:-1]
        self.timesteps = (grid * N).round().to(torch.int64).sub_(1).to(device)

    def previous_timestep(self, timestep):
        where = (self.timesteps == int(timestep)).nonzero()
        if where.numel() == 0:
            raise ValueError(f"Timestep {int(timestep)} not visited.")
        following = self.timesteps[where.item() + 1:where.item() + 2].tolist()
        return following[0] if following else -1

    def _sde_step(self, timestep):
        return self.sde.discretize(int(timestep), self.previous_timestep(timestep))

    def _score_fn(self, model_output, timestep, x):
        """The gradient of log p_t at x, clipped in the sense that Tweedie's estimate stays in [-1, 1]."""
        _, var, _ = self._sde_step(timestep)
        if self.prediction_type == "epsilon":
            score = -model_output / var ** 0.5
        else:
            score = -x - ((1 - var) / var) ** 0.5 * model_output
        if self.clip_sample:
            x0 = self._tweedie(score, model_output, timestep, x)
            score = ((1 - var) ** 0.5 * x0 - x) / var
        return score

    def _tweedie(self, score, model_output, timestep, x):
        _, var, _ = self._sde_step(timestep)
        if self.prediction_type == "v_prediction":  # the score has lost what it says about x_0 where there is no noise
            x0 = (1 - var) ** 0.5 * x - var ** 0.5 * model_output
        else:
            x0 = (x + var * score) / (1 - var) ** 0.5
        return x0.clamp(-1, 1) if self.clip_sample else x0

    def predict(self, model_output, timestep, sample):
        _, var, _ = self._sde_step(timestep)
        score = self._score_fn(model_output, timestep, sample)
        return self._tweedie(score, model_output, timestep, sample), -(var ** 0.5) * score

    def posterior(self, original_samples, sample, timestep):
        beta, var, var_prev = self._sde_step(timestep)
        score = ((1 - var) ** 0.5 * original_samples - sample) / var
        mean = (sample + beta * score) / (1 - beta) ** 0.5
        return mean, torch.tensor(beta * var_prev / var).to(sample)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        """The ancestral predictor."""
        beta, var, var_prev = self._sde_step(timestep)
        x_mean = (sample + beta * self._score_fn(model_output, timestep, sample)) / np.sqrt(1 - beta)
        if var_prev == 0:
            return x_mean
        G = np.sqrt(beta) if self.variance_type == "fixed_large" else np.sqrt(beta * var_prev / var)
        return x_mean + G * self._noise(sample, generator, variance_noise)

    def _noise(self, x, generator, z):
        return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) if z is None else z


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        """At eta = 0 a step of the probability flow ODE."""
        if not 0 <= eta <= 1:
            raise ValueError(f"eta {eta} not in [0, 1].")
        beta, var, var_prev = self._sde_step(timestep)
        x0, epsilon = self.predict(model_output, timestep, sample)
        kept = var_prev * (1 - eta ** 2 * beta / var)
        x = np.sqrt(1 - var_prev) * x0 + np.sqrt(kept) * epsilon
        return x + eta * np.sqrt(beta * var_prev / var) * self._noise(sample, generator, variance_noise)
