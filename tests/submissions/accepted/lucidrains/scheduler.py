"""In the manner of lucidrains: exists / default / extract, a namedtuple of predictions (predict returns it as it is: a
namedtuple is a pair), and a module whose float32 buffers are registered by a lambda."""
import math
from collections import namedtuple
from functools import partial

import torch
from torch import nn

ModelPrediction = namedtuple("ModelPrediction", ["pred_x_start", "pred_noise"])


def exists(x):
    return x is not None


def default(val, d):
    if exists(val):
        return val
    return d() if callable(d) else d


def identity(t, *args, **kwargs):
    return t


def extract(a, t, x_shape):
    b, *_ = t.shape
    return a.gather(-1, t).reshape(b, *((1,) * (len(x_shape) - 1)))


def linear_beta_schedule(timesteps, start, end):
    return torch.linspace(start, end, timesteps, dtype=torch.float64)


def scaled_linear_beta_schedule(timesteps, start, end):
    return linear_beta_schedule(timesteps, math.sqrt(start), math.sqrt(end)) ** 2


def cosine_beta_schedule(timesteps, *_, s=0.008):
    t = torch.linspace(0, timesteps, timesteps + 1, dtype=torch.float64) / timesteps
    alphas_cumprod = torch.cos((t + s) / (1 + s) * math.pi * 0.5) ** 2
    alphas_cumprod = alphas_cumprod / alphas_cumprod[0]
    return torch.clip(1 - (alphas_cumprod[1:] / alphas_cumprod[:-1]), 0, 0.999)


class GaussianDiffusion(nn.Module):
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        super().__init__()
        if beta_schedule == "linear":
            beta_schedule_fn = linear_beta_schedule
        elif beta_schedule == "scaled_linear":
            beta_schedule_fn = scaled_linear_beta_schedule
        elif beta_schedule == "cosine":
            beta_schedule_fn = cosine_beta_schedule
        else:
            raise ValueError(f"unknown beta schedule {beta_schedule}")
        if prediction_type not in {"epsilon", "v_prediction"}:
            raise ValueError("prediction_type must be either epsilon or v_prediction")
        if variance_type not in {"fixed_small", "fixed_large"}:
            raise ValueError("variance_type must be either fixed_small or fixed_large")
        self.objective, self.variance_type = prediction_type, variance_type
        self.maybe_clip = partial(torch.clamp, min=-1., max=1.) if clip_sample else identity
        self.clip_sample = clip_sample

        betas = beta_schedule_fn(num_train_timesteps, beta_start, beta_end)
        alphas = 1. - betas
        alphas_cumprod = torch.cumprod(alphas, dim=0)
        self.num_timesteps = int(betas.shape[0])
        register_buffer = lambda name, val: self.register_buffer(name, val.to(torch.float32))
        register_buffer("betas", betas)
        register_buffer("alphas", alphas)
        register_buffer("alphas_cumprod", alphas_cumprod)
        register_buffer("sqrt_alphas_cumprod", torch.sqrt(alphas_cumprod))
        register_buffer("sqrt_one_minus_alphas_cumprod", torch.sqrt(1. - alphas_cumprod))
        register_buffer("sqrt_recip_alphas_cumprod", torch.sqrt(1. / alphas_cumprod))
        register_buffer("sqrt_recipm1_alphas_cumprod", torch.sqrt(1. / alphas_cumprod - 1))
        self.set_timesteps(num_train_timesteps)

    def set_timesteps(self, num_inference_steps, device=None):
        total = self.num_timesteps
        if not (0 < num_inference_steps <= total):
            raise ValueError(f"sampling timesteps must be 1 to {total}")
        times = torch.linspace(0, total, steps=num_inference_steps + 1, dtype=torch.float64).round().long() - 1
        times = list(reversed(times.tolist()))
        self.time_pairs = list(zip(times[:-1], times[1:]))  # (T - 1, T - 2), ..., (0, -1)
        alphas = [self.alphas_cumprod[t].double().cpu() for t, _ in self.time_pairs]
        nexts = [*alphas[1:], torch.ones((), dtype=torch.float64)]
        a, n = torch.stack(alphas), torch.stack(nexts)
        # the posterior of each pair
        self.pair_beta = 1 - a / n
        self.posterior_variance = self.pair_beta * (1. - n) / (1. - a)
        self.posterior_mean_coef1 = self.pair_beta * torch.sqrt(n) / (1. - a)
        self.posterior_mean_coef2 = (1. - n) * torch.sqrt(a / n) / (1. - a)
        self.timesteps = torch.tensor(times[:-1], device=device)

    def previous_timestep(self, timestep):
        pairs = dict(self.time_pairs)
        if not exists(pairs.get(int(timestep))):
            raise ValueError(f"{int(timestep)} is not sampled")
        return pairs[int(timestep)]

    def _pair(self, timestep):
        return [t for t, _ in self.time_pairs].index(int(timestep))

    def q_sample(self, x_start, t, noise=None):
        noise = default(noise, lambda: torch.randn_like(x_start))
        at = lambda a: extract(a.to(x_start), t, x_start.shape)
        return at(self.sqrt_alphas_cumprod) * x_start + at(self.sqrt_one_minus_alphas_cumprod) * noise

    def predict_v(self, x_start, t, noise):
        at = lambda a: extract(a.to(x_start), t, x_start.shape)
        return at(self.sqrt_alphas_cumprod) * noise - at(self.sqrt_one_minus_alphas_cumprod) * x_start

    def predict_start_from_noise(self, x_t, t, noise):
        at = lambda a: extract(a.to(x_t), t, x_t.shape)
        return at(self.sqrt_recip_alphas_cumprod) * x_t - at(self.sqrt_recipm1_alphas_cumprod) * noise

    def predict_noise_from_start(self, x_t, t, x0):
        at = lambda a: extract(a.to(x_t), t, x_t.shape)
        return (at(self.sqrt_recip_alphas_cumprod) * x_t - x0) / at(self.sqrt_recipm1_alphas_cumprod)

    def predict_start_from_v(self, x_t, t, v):
        at = lambda a: extract(a.to(x_t), t, x_t.shape)
        return at(self.sqrt_alphas_cumprod) * x_t - at(self.sqrt_one_minus_alphas_cumprod) * v

    def add_noise(self, original_samples, noise, timesteps):
        return self.q_sample(original_samples, timesteps, noise)

    def get_velocity(self, sample, noise, timesteps):
        return self.predict_v(sample, timesteps, noise)

    def loss(self, model, original_samples, noise, timesteps):
        x_t = self.add_noise(original_samples, noise, timesteps)
        target = noise
        if self.objective == "v_prediction":
            target = self.get_velocity(original_samples, noise, timesteps)
        errors = torch.nn.functional.mse_loss(model(x_t, timesteps), target, reduction="none")
        return errors.flatten(1).mean(1)

    def predict(self, model_output, timestep, sample):
        self.previous_timestep(timestep)
        t = torch.full((sample.shape[0],), int(timestep), device=sample.device, dtype=torch.long)
        if self.objective == "epsilon":
            pred_noise = model_output
            x_start = self.maybe_clip(self.predict_start_from_noise(sample, t, pred_noise))
            if self.clip_sample:
                pred_noise = self.predict_noise_from_start(sample, t, x_start)
        else:
            x_start = self.maybe_clip(self.predict_start_from_v(sample, t, model_output))
            pred_noise = self.predict_noise_from_start(sample, t, x_start)
        return ModelPrediction(x_start, pred_noise)

    def posterior(self, original_samples, sample, timestep):
        self.previous_timestep(timestep)
        i = self._pair(timestep)
        mean = self.posterior_mean_coef1[i] * original_samples + self.posterior_mean_coef2[i] * sample
        return mean, self.posterior_variance[i].to(sample)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        preds = self.predict(model_output, timestep, sample)
        model_mean, variance = self.posterior(preds.pred_x_start, sample, timestep)
        if self.variance_type == "fixed_large":
            variance = self.pair_beta[self._pair(timestep)]
        if self.previous_timestep(timestep) < 0:  # no noise in the end
            return model_mean
        noise = default(variance_noise, lambda: self.draw(sample, generator))
        return model_mean + variance.sqrt() * noise

    def draw(self, x, generator):
        return torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)


class DDPMScheduler(GaussianDiffusion):
    pass


class DDIMScheduler(GaussianDiffusion):
    def step(self, model_output, timestep, sample, eta=0., generator=None, variance_noise=None):
        if not (0. <= eta <= 1.):
            raise ValueError("ddim_sampling_eta must be from 0 to 1")
        time_next = self.previous_timestep(timestep)
        pred_noise, x_start = reversed(self.predict(model_output, timestep, sample))
        if time_next < 0:
            return x_start
        alpha = self.alphas_cumprod[int(timestep)].double()
        alpha_next = self.alphas_cumprod[time_next].double()
        sigma = eta * ((1 - alpha / alpha_next) * (1 - alpha_next) / (1 - alpha)).sqrt()
        c = (1 - alpha_next - sigma ** 2).sqrt()
        noise = default(variance_noise, lambda: self.draw(sample, generator))
        return x_start * alpha_next.sqrt() + c * pred_noise + sigma * noise
