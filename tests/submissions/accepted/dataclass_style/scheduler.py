from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

import torch


class BetaSchedule(str, Enum):
    LINEAR = "linear"
    SCALED = "scaled_linear"
    COSINE = "cosine"


class PredictionType(str, Enum):  # an Enum raises ValueError by itself for what it does not know
    EPSILON = "epsilon"
    V = "v_prediction"


class VarianceType(str, Enum):
    SMALL = "fixed_small"
    LARGE = "fixed_large"


class Stride(NamedTuple):
    """All that one reverse step needs to know, as 0-d tensors."""

    abar: torch.Tensor
    abar_prev: torch.Tensor
    last: bool

    @property
    def alpha(self):
        return self.abar / self.abar_prev

    @property
    def beta(self):
        return (self.abar_prev - self.abar) / self.abar_prev

    @property
    def beta_tilde(self):
        return self.beta * (1 - self.abar_prev) / (1 - self.abar)


class Prediction(NamedTuple):
    x0: torch.Tensor
    epsilon: torch.Tensor


@dataclass(eq=False)
class DDPMScheduler:
    num_train_timesteps: int = 1000
    beta_schedule: str = "linear"
    beta_start: float = 1e-4
    beta_end: float = 0.02
    prediction_type: str = "epsilon"
    variance_type: str = "fixed_small"
    clip_sample: bool = True
    betas: torch.Tensor = field(init=False, repr=False)
    alphas: torch.Tensor = field(init=False, repr=False)
    alphas_cumprod: torch.Tensor = field(init=False, repr=False)
    timesteps: torch.Tensor = field(init=False, repr=False)

    def __post_init__(self):
        self.beta_schedule = BetaSchedule(self.beta_schedule)
        self.prediction_type = PredictionType(self.prediction_type)
        self.variance_type = VarianceType(self.variance_type)
        betas = self._betas()
        self.betas = betas.float()
        self.alphas = torch.sub(1, betas).float()
        self.alphas_cumprod = torch.sub(1, betas).cumprod(0).float()
        self.timesteps = torch.arange(self.num_train_timesteps - 1, -1, -1)

    def _betas(self):
        steps = dict(steps=self.num_train_timesteps, dtype=torch.float64)
        match self.beta_schedule:
            case BetaSchedule.LINEAR:
                return torch.linspace(self.beta_start, self.beta_end, **steps)
            case BetaSchedule.SCALED:
                return torch.linspace(self.beta_start**0.5, self.beta_end**0.5, **steps).square()
            case BetaSchedule.COSINE:
                times = torch.arange(self.num_train_timesteps + 1).double().div(self.num_train_timesteps)
                f = times.add(0.008).div(1.008).mul(torch.pi / 2).cos().square()
                return f[1:].div(f[:-1]).neg().add(1).clamp(max=0.999)

    def add_noise(self, original_samples, noise, timesteps):
        signal, spread = self._scales(timesteps, original_samples)
        return signal * original_samples + spread * noise

    def get_velocity(self, sample, noise, timesteps):
        signal, spread = self._scales(timesteps, sample)
        return signal * noise - spread * sample

    def loss(self, model, original_samples, noise, timesteps):
        target = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type is PredictionType.V else noise
        output = model(self.add_noise(original_samples, noise, timesteps), timesteps)
        return (output.double() - target.double()).square().mean((-1, -2, -3)).to(output.dtype)

    def _scales(self, timesteps, images):
        abar = self.alphas_cumprod.to(images.device).take(timesteps).to(images.dtype).reshape(-1, 1, 1, 1)
        return abar.sqrt(), (1 - abar).sqrt()

    def set_timesteps(self, num_inference_steps, device=None):
        if not 1 <= num_inference_steps <= self.num_train_timesteps:
            raise ValueError(f"num_inference_steps must be in [1, {self.num_train_timesteps}]")
        fractions = torch.arange(num_inference_steps, 0, -1, dtype=torch.float64) / num_inference_steps
        self.timesteps = fractions.mul(self.num_train_timesteps).round().long().sub(1).to(device)

    def previous_timestep(self, timestep):
        steps = self.timesteps.tolist()
        if (t := int(timestep)) not in steps:
            raise ValueError(f"{t} is not in the current list of timesteps")
        smaller = [s for s in steps if s < t]
        return max(smaller, default=-1)

    def _stride(self, timestep, sample):
        previous = self.previous_timestep(timestep)
        table = self.alphas_cumprod.double().to(sample.device)
        before = table[previous] if previous >= 0 else table.new_ones(())
        return Stride(table[int(timestep)], before, previous < 0)

    def predict(self, model_output, timestep, sample):
        abar = self._stride(timestep, sample).abar
        signal, spread = abar.sqrt(), (1 - abar).sqrt()
        if self.prediction_type is PredictionType.EPSILON:
            found = Prediction((sample - spread * model_output) / signal, model_output)
        else:
            found = Prediction(signal * sample - spread * model_output, signal * model_output + spread * sample)
        if self.clip_sample:
            x0 = found.x0.clamp(-1, 1)
            found = Prediction(x0, (sample - signal * x0) / spread)
        return tuple(found)

    def posterior(self, original_samples, sample, timestep):
        s = self._stride(timestep, sample)
        mean = s.abar_prev.sqrt() * s.beta / (1 - s.abar) * original_samples
        mean = mean + s.alpha.sqrt() * (1 - s.abar_prev) / (1 - s.abar) * sample
        return mean, s.beta_tilde.to(sample)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        s = self._stride(timestep, sample)
        x0, _ = self.predict(model_output, timestep, sample)
        mean, _ = self.posterior(x0, sample, timestep)
        if s.last:
            return mean
        variance = {VarianceType.SMALL: s.beta_tilde, VarianceType.LARGE: s.beta}[self.variance_type]
        return mean + variance.sqrt() * _noise(sample, generator, variance_noise)


@dataclass(eq=False)
class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError(f"eta must be in [0, 1], is {eta}")
        s = self._stride(timestep, sample)
        x0, epsilon = self.predict(model_output, timestep, sample)
        sigma = eta * s.beta_tilde.sqrt()
        x_prev = s.abar_prev.sqrt() * x0 + (1 - s.abar_prev - sigma**2).sqrt() * epsilon
        if eta > 0 and not s.last:
            x_prev = x_prev + sigma * _noise(sample, generator, variance_noise)
        return x_prev


def _noise(sample, generator, given):
    return torch.randn(sample.shape, generator=generator).to(sample) if given is None else given


class FlowType(str, Enum):
    FLOW = "flow"


class Stretch(NamedTuple):
    """A part of the straight path: s at its two ends."""

    here: float
    there: float

    @property
    def length(self):
        return self.here - self.there


@dataclass(eq=False)
class FlowMatchScheduler(DDPMScheduler):
    prediction_type: str = "flow"
    level: torch.Tensor = field(init=False, repr=False)

    def __init__(self, num_train_timesteps=1000, prediction_type="flow", clip_sample=True):
        FlowType(prediction_type)
        super().__init__(num_train_timesteps, prediction_type="v_prediction", clip_sample=clip_sample)
        self.level = torch.arange(1, num_train_timesteps + 1, dtype=torch.float64).div(num_train_timesteps)

    def _scales(self, timesteps, images):
        s = self.level.to(images.device).take(timesteps).to(images.dtype).reshape(-1, 1, 1, 1)
        return 1 - s, s

    def get_velocity(self, sample, noise, timesteps):
        return torch.sub(noise, sample)

    def _stretch(self, timestep):
        before = self.previous_timestep(timestep)
        return Stretch(self.level[int(timestep)].item(), self.level[before].item() if before >= 0 else 0.0)

    def predict(self, model_output, timestep, sample):
        s = self._stretch(timestep).here
        found = Prediction(sample - s * model_output, sample + (1 - s) * model_output)
        if self.clip_sample:
            x0 = found.x0.clamp(-1, 1)
            found = Prediction(x0, (sample - (1 - s) * x0) / s)
        return tuple(found)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        found = Prediction(*self.predict(model_output, timestep, sample))
        return sample - self._stretch(timestep).length * (found.epsilon - found.x0)


@dataclass
class Inpainting:
    known: torch.Tensor
    mask: torch.Tensor
    noise: torch.Tensor

    def at(self, scheduler, t):
        """The known image with the noise of a timestep."""
        if t < 0:
            return self.known
        return scheduler.add_noise(self.known, self.noise, self.noise.new_full((len(self.noise),), t, dtype=torch.int64))

    def combine(self, scheduler, t, sampled):
        return self.at(scheduler, t).where(self.mask, sampled)


def inpaint(model, scheduler, known, mask, noise):
    task, x = Inpainting(known, mask, noise), noise
    for t in scheduler.timesteps.tolist():
        output = model(x, x.new_full((len(x),), t, dtype=torch.int64))
        x = task.combine(scheduler, scheduler.previous_timestep(t), scheduler.step(output, t, x))
    return x


class Opinions(NamedTuple):
    conditional: torch.Tensor
    unconditional: torch.Tensor

    @property
    def difference(self):
        return self.conditional - self.unconditional


def guided(conditional, unconditional, scale):
    both = Opinions(conditional, unconditional)
    return both.conditional + (scale - 1) * both.difference
