"""Composition: a schedule, a parameterisation, a list of stops and a sampler are objects of their own, and a scheduler only
holds them. DDIM does not call super(): it holds another sampler."""
from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch


class Parameterisation(ABC):
    @abstractmethod
    def image(self, output, x, a, b): ...

    @abstractmethod
    def noise(self, output, x, a, b): ...

    @abstractmethod
    def target(self, noise, velocity): ...


class EpsilonParameterisation(Parameterisation):
    def image(self, output, x, a, b):
        return (x - b * output) / a

    def noise(self, output, x, a, b):
        return output

    def target(self, noise, velocity):
        return noise


class VParameterisation(Parameterisation):
    def image(self, output, x, a, b):
        return a * x - b * output

    def noise(self, output, x, a, b):
        return a * output + b * x

    def target(self, noise, velocity):
        return velocity


class Clipped(Parameterisation):
    """Around another one."""

    def __init__(self, inner):
        self.inner = inner

    def image(self, output, x, a, b):
        return self.inner.image(output, x, a, b).clamp(-1.0, 1.0)

    def noise(self, output, x, a, b):
        return (x - a * self.image(output, x, a, b)) / b

    def target(self, noise, velocity):
        return self.inner.target(noise, velocity)


class NoiseSchedule:
    def __init__(self, betas):
        self.betas = betas
        self.abar = (1 - betas).cumprod(0)

    @classmethod
    def named(cls, name, T, start, end):
        double = torch.float64
        match name:
            case "linear":
                return cls(torch.linspace(start, end, T, dtype=double))
            case "scaled_linear":
                return cls(torch.linspace(math.sqrt(start), math.sqrt(end), T, dtype=double).square())
            case "cosine":
                f = torch.linspace(0.008, 1.008, T + 1, dtype=double).div(1.008).mul(math.pi / 2).cos().square()
                return cls((1 - f[1:] / f[:-1]).minimum(torch.full((T,), 0.999, dtype=double)))
        raise ValueError(f"there is no beta_schedule {name}")

    def at(self, t):
        return self.abar[t].item() if t >= 0 else 1.0


class Stops(Sequence):
    """The descending list of timesteps, with the neighbour of each."""

    def __init__(self, T, S):
        if S < 1 or S > T:
            raise ValueError(f"there are no {S} stops among {T} timesteps")
        self.T, self.S = T, S

    def __len__(self):
        return self.S

    def __getitem__(self, i):
        if not 0 <= i < self.S:
            raise IndexError(i)
        return round((self.S - i) * self.T / self.S) - 1

    def after(self, t):
        try:
            i = self.index(t)
        except ValueError:
            raise ValueError(f"there is no stop at {t}") from None
        return self[i + 1] if i + 1 < self.S else -1


class AncestralSampler:
    def __init__(self, large):
        self.large = large

    def __call__(self, x, x0, eps, now, before, z):
        mean, tilde, beta = bridge(x0, x, now, before)
        if before == 1:
            return mean
        return mean + math.sqrt(beta if self.large else tilde) * z()


class ImplicitSampler:
    def __call__(self, x, x0, eps, now, before, z, eta=0.0):
        if not 0 <= eta <= 1:
            raise ValueError(f"there is no eta {eta}")
        _, tilde, _ = bridge(x0, x, now, before)
        sigma = eta * math.sqrt(tilde)
        drift = math.sqrt(before) * x0 + math.sqrt(1 - before - sigma ** 2) * eps
        return drift + sigma * z() if sigma > 0 else drift


def bridge(x0, x, now, before):
    beta = 1 - now / before
    mean = (math.sqrt(before) * beta * x0 + math.sqrt(1 - beta) * (1 - before) * x) / (1 - now)
    return mean, beta * (1 - before) / (1 - now), beta


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        self.schedule = NoiseSchedule.named(beta_schedule, num_train_timesteps, beta_start, beta_end)
        self.betas = self.schedule.betas.float()
        self.alphas = (1 - self.schedule.betas).float()
        self.alphas_cumprod = self.schedule.abar.float()
        self.stops, self.device = Stops(num_train_timesteps, num_train_timesteps), None
        parameterisations = {"epsilon": EpsilonParameterisation, "v_prediction": VParameterisation}
        if prediction_type not in parameterisations:
            raise ValueError(f"there is no prediction_type {prediction_type}")
        self.parameterisation = parameterisations[prediction_type]()
        if clip_sample:
            self.parameterisation = Clipped(self.parameterisation)
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError(f"there is no variance_type {variance_type}")
        self.sampler = self.make_sampler(variance_type)

    def make_sampler(self, variance_type):
        return AncestralSampler(large=variance_type == "fixed_large")

    @property
    def timesteps(self):
        return torch.tensor(list(self.stops), device=self.device)

    def set_timesteps(self, num_inference_steps, device=None):
        self.stops, self.device = Stops(len(self.betas), num_inference_steps), device

    def previous_timestep(self, timestep):
        return self.stops.after(int(timestep))

    def add_noise(self, original_samples, noise, timesteps):
        abar = self.schedule.abar.to(noise.device)[timesteps].to(noise.dtype).reshape(-1, 1, 1, 1)
        return abar.sqrt() * original_samples + (1 - abar).sqrt() * noise

    def get_velocity(self, sample, noise, timesteps):
        abar = self.schedule.abar.to(noise.device)[timesteps].to(noise.dtype).reshape(-1, 1, 1, 1)
        return abar.sqrt() * noise - (1 - abar).sqrt() * sample

    def loss(self, model, original_samples, noise, timesteps):
        output = model(self.add_noise(original_samples, noise, timesteps), timesteps)
        target = self.parameterisation.target(noise, self.get_velocity(original_samples, noise, timesteps))
        return (output - target).pow(2).mean((1, 2, 3))

    def around(self, timestep):
        previous = self.previous_timestep(timestep)
        return self.schedule.at(int(timestep)), self.schedule.at(previous)

    def predict(self, model_output, timestep, sample):
        now, _ = self.around(timestep)
        where = model_output, sample, math.sqrt(now), math.sqrt(1 - now)
        return self.parameterisation.image(*where), self.parameterisation.noise(*where)

    def posterior(self, original_samples, sample, timestep):
        mean, variance, _ = bridge(original_samples, sample, *self.around(timestep))
        return mean, torch.tensor(variance).to(sample)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None, **options):
        def z():
            if variance_noise is not None:
                return variance_noise
            return torch.randn(sample.shape, generator=generator, device=sample.device, dtype=sample.dtype)

        return self.sampler(sample, *self.predict(model_output, timestep, sample), *self.around(timestep), z, **options)


class DDIMScheduler(DDPMScheduler):
    def make_sampler(self, variance_type):
        return ImplicitSampler()

    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        return DDPMScheduler.step(self, model_output, timestep, sample, generator, variance_noise, eta=eta)


class FlowParameterisation(Parameterisation):
    """On a path with the coefficients a = 1 - s and b = s."""

    def image(self, output, x, a, b):
        return x - b * output

    def noise(self, output, x, a, b):
        return x + a * output

    def target(self, noise, velocity):
        return velocity


class EulerSampler:
    def __call__(self, x, x0, eps, now, before, z):
        return x - (now - before) * (eps - x0)


class FlowMatchScheduler(DDPMScheduler):
    """Held together otherwise: there is no schedule, only stops, a parameterisation and a sampler."""

    def __init__(self, num_train_timesteps=1000, prediction_type="flow", clip_sample=True):
        if prediction_type != "flow":
            raise ValueError(f"there is no prediction_type {prediction_type}")
        self.T, self.stops, self.device = num_train_timesteps, Stops(num_train_timesteps, num_train_timesteps), None
        self.parameterisation = Clipped(FlowParameterisation()) if clip_sample else FlowParameterisation()
        self.sampler = EulerSampler()

    def set_timesteps(self, num_inference_steps, device=None):
        self.stops, self.device = Stops(self.T, num_inference_steps), device

    def add_noise(self, original_samples, noise, timesteps):
        s = timesteps.to(noise.device).double().add(1).div(self.T).to(noise.dtype).reshape(-1, 1, 1, 1)
        return torch.lerp(original_samples, noise, s)

    def get_velocity(self, sample, noise, timesteps):
        return noise - sample

    def around(self, timestep):
        return (int(timestep) + 1) / self.T, (self.previous_timestep(timestep) + 1) / self.T

    def predict(self, model_output, timestep, sample):
        s, _ = self.around(timestep)
        where = model_output, sample, 1 - s, s
        return self.parameterisation.image(*where), self.parameterisation.noise(*where)


class Canvas:
    """An image in the making; what is known of it is written over after every step."""

    def __init__(self, known, mask, noise):
        self.known, self.mask, self.noise, self.x = known, mask, noise, noise.clone()

    def every(self, t):
        return torch.full((self.x.size(0),), t, dtype=torch.long, device=self.x.device)

    def write_over(self, scheduler, t):
        kept = scheduler.add_noise(self.known, self.noise, self.every(t)) if t > -1 else self.known
        self.x = self.x.masked_scatter(self.mask, kept[self.mask])


def inpaint(model, scheduler, known, mask, noise):
    canvas = Canvas(known, mask, noise)
    for t in scheduler.timesteps.tolist():
        canvas.x = scheduler.step(model(canvas.x, canvas.every(t)), t, canvas.x)
        canvas.write_over(scheduler, scheduler.previous_timestep(t))
    return canvas.x


class Guide:
    def __init__(self, scale):
        self.scale = scale

    def __call__(self, conditional, unconditional):
        return torch.lerp(unconditional, conditional, self.scale)


def guided(conditional, unconditional, scale):
    return Guide(scale)(conditional, unconditional)
