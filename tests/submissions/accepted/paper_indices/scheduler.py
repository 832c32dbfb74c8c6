"""Indices as in the papers: arrays have T + 1 entries, index 0 is the clean image, and t runs from T down to 1. Code
timesteps are translated at the border and nowhere else. Fully typed."""
from __future__ import annotations

import math
from typing import Literal, NamedTuple, Optional, get_args

import torch
from torch import Tensor

BetaSchedule = Literal["linear", "scaled_linear", "cosine"]
PredictionType = Literal["epsilon", "v_prediction"]
VarianceType = Literal["fixed_small", "fixed_large"]
Timestep = int | Tensor


class Transition(NamedTuple):
    """From paper time t to the earlier s."""

    bar_t: float
    bar_s: float

    @property
    def beta(self) -> float:
        return 1 - self.bar_t / self.bar_s

    @property
    def beta_tilde(self) -> float:
        return (1 - self.bar_s) / (1 - self.bar_t) * self.beta


def checked(value: str, literal: object) -> str:
    if value not in get_args(literal):
        raise ValueError(f"{value!r} should be in {get_args(literal)}")
    return value


class DDPMScheduler:
    def __init__(self, num_train_timesteps: int = 1000, beta_schedule: BetaSchedule = "linear", beta_start: float = 1e-4,
                 beta_end: float = 0.02, prediction_type: PredictionType = "epsilon",
                 variance_type: VarianceType = "fixed_small", clip_sample: bool = True) -> None:
        self.T: int = num_train_timesteps
        checked(beta_schedule, BetaSchedule)
        self.prediction_type = checked(prediction_type, PredictionType)
        self.variance_type = checked(variance_type, VarianceType)
        self.clip_sample = clip_sample
        beta: list[float] = [0.0] + [self._beta(t, beta_schedule, beta_start, beta_end) for t in range(1, self.T + 1)]
        self.bar: Tensor = torch.tensor([1 - b for b in beta], dtype=torch.float64).cumprod(0)
        self.S: list[int] = list(range(self.T, -1, -1))  # the papers' sub-sequence, with 0 at its end
        self.betas: Tensor = torch.tensor(beta[1:])
        self.alphas: Tensor = torch.tensor([1 - b for b in beta[1:]])
        self.alphas_cumprod: Tensor = self.bar[1:].float()
        self.device: Optional[torch.device] = None

    def _beta(self, t: int, schedule: str, first: float, last: float) -> float:
        share = (t - 1) / (self.T - 1)
        if schedule == "linear":
            return first + share * (last - first)
        if schedule == "scaled_linear":
            return (math.sqrt(first) + share * (math.sqrt(last) - math.sqrt(first))) ** 2
        f = lambda k: math.cos((k / self.T + 0.008) / 1.008 * math.pi / 2) ** 2
        return min(1 - f(t) / f(t - 1), 0.999)

    @property
    def timesteps(self) -> Tensor:
        return torch.tensor(self.S[:-1], device=self.device) - 1

    def set_timesteps(self, num_inference_steps: int, device: Optional[torch.device] = None) -> None:
        if not 1 <= num_inference_steps <= self.T:
            raise ValueError(f"{num_inference_steps} should be in 1 ... {self.T}")
        self.S = [round(k * self.T / num_inference_steps) for k in range(num_inference_steps, -1, -1)]
        self.device = device

    def _after(self, t: int) -> int:
        """The paper time that follows the paper time t."""
        if t not in self.S[:-1]:
            raise ValueError(f"timestep {t - 1} should be in the list")
        return self.S[self.S.index(t) + 1]

    def previous_timestep(self, timestep: Timestep) -> int:
        return self._after(int(timestep) + 1) - 1

    def _transition(self, timestep: Timestep) -> Transition:
        t = int(timestep) + 1
        return Transition(self.bar[t].item(), self.bar[self._after(t)].item())

    def _coefficients(self, timesteps: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        bar = self.bar.to(x.device)[timesteps + 1].view(-1, 1, 1, 1)
        return bar.sqrt().to(x.dtype), (1 - bar).sqrt().to(x.dtype)

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        a, b = self._coefficients(timesteps, original_samples)
        return a * original_samples + b * noise

    def get_velocity(self, sample: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        a, b = self._coefficients(timesteps, sample)
        return a * noise - b * sample

    def loss(self, model, original_samples, noise, timesteps):
        # add_noise and get_velocity are one rotation: v of (x_0, epsilon) is x_t of (epsilon, -x_0)
        x_t = self.add_noise(original_samples, noise, timesteps)
        target = self.add_noise(noise, -original_samples, timesteps) if self.prediction_type == "v_prediction" else noise
        return torch.square(model(x_t, timesteps) - target).mean(dim=[1, 2, 3])

    def predict(self, model_output: Tensor, timestep: Timestep, sample: Tensor) -> tuple[Tensor, Tensor]:
        bar = self._transition(timestep).bar_t
        a, b = math.sqrt(bar), math.sqrt(1 - bar)
        match self.prediction_type, self.clip_sample:
            case "epsilon", False:
                return sample / a - b / a * model_output, model_output
            case "v_prediction", False:
                return a * sample - b * model_output, b * sample + a * model_output
            case "epsilon", True:
                x0 = (sample / a - b / a * model_output).clamp(-1, 1)
            case _:
                x0 = (a * sample - b * model_output).clamp(-1, 1)
        return x0, sample / b - a / b * x0

    def _mean(self, x0: Tensor, x: Tensor, move: Transition) -> Tensor:
        # the weight of x_t is 0 at the end, and that of x_0 is what is left of the signal
        weight = math.sqrt(move.bar_t / move.bar_s) * (1 - move.bar_s) / (1 - move.bar_t)
        return (math.sqrt(move.bar_s) - weight * math.sqrt(move.bar_t)) * x0 + weight * x

    def posterior(self, original_samples: Tensor, sample: Tensor, timestep: Timestep) -> tuple[Tensor, Tensor]:
        move = self._transition(timestep)
        return self._mean(original_samples, sample, move), sample.new_tensor(move.beta_tilde)

    def step(self, model_output: Tensor, timestep: Timestep, sample: Tensor,
             generator: Optional[torch.Generator] = None, variance_noise: Optional[Tensor] = None) -> Tensor:
        move = self._transition(timestep)
        mean = self._mean(self.predict(model_output, timestep, sample)[0], sample, move)
        if self.previous_timestep(timestep) < 0:
            return mean
        variance = move.beta if self.variance_type == "fixed_large" else move.beta_tilde
        return mean + math.sqrt(variance) * self._z(sample, generator, variance_noise)

    @staticmethod
    def _z(x: Tensor, generator: Optional[torch.Generator], given: Optional[Tensor]) -> Tensor:
        if given is None:
            given = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        return given


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output: Tensor, timestep: Timestep, sample: Tensor, eta: float = 0.0,
             generator: Optional[torch.Generator] = None, variance_noise: Optional[Tensor] = None) -> Tensor:
        if not 0 <= eta <= 1:
            raise ValueError(f"{eta} should be in [0, 1]")
        move = self._transition(timestep)
        x0, epsilon = self.predict(model_output, timestep, sample)
        sigma = eta * math.sqrt(move.beta_tilde)
        x_prev = math.sqrt(move.bar_s) * x0 + math.sqrt(1 - move.bar_s - sigma ** 2) * epsilon
        return x_prev + sigma * self._z(sample, generator, variance_noise) if sigma else x_prev


class FlowMatchScheduler(DDPMScheduler):
    """Time as in the flow-matching paper: 0 is noise and 1 the image, x(time) = (1 - time) noise + time image, and the
    velocity points to the image. It is turned round at the border."""

    def __init__(self, num_train_timesteps: int = 1000, prediction_type: str = "flow", clip_sample: bool = True) -> None:
        checked(prediction_type, Literal["flow"])
        super().__init__(num_train_timesteps, prediction_type="v_prediction", clip_sample=clip_sample)

    def _time(self, timesteps: Timestep) -> float | Tensor:
        return 1 - (timesteps + 1) / self.T

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        time = self._time(timesteps.double()).view(-1, 1, 1, 1).to(noise)
        return (1 - time) * noise + time * original_samples

    def get_velocity(self, sample: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        return -(sample - noise)

    def loss(self, model, original_samples, noise, timesteps):
        x_t = self.add_noise(original_samples, noise, timesteps)
        return torch.square(model(x_t, timesteps) - (noise - original_samples)).mean(dim=[1, 2, 3])

    def predict(self, model_output: Tensor, timestep: Timestep, sample: Tensor) -> tuple[Tensor, Tensor]:
        self.previous_timestep(timestep)
        time, velocity = self._time(int(timestep)), -model_output
        image = sample + (1 - time) * velocity
        if not self.clip_sample:
            return image, sample - time * velocity
        image = image.clamp(-1, 1)
        return image, (sample - time * image) / (1 - time)

    def step(self, model_output: Tensor, timestep: Timestep, sample: Tensor,
             generator: Optional[torch.Generator] = None, variance_noise: Optional[Tensor] = None) -> Tensor:
        image, noise = self.predict(model_output, timestep, sample)
        later = self._time(self.previous_timestep(timestep))
        return sample + (later - self._time(int(timestep))) * (image - noise)


def inpaint(model, scheduler, known: Tensor, mask: Tensor, noise: Tensor) -> Tensor:
    """RePaint's algorithm 1 with U = 1, lines 4 to 8, and the same noise in line 4 throughout."""
    x = noise
    times = [t + 1 for t in scheduler.timesteps.tolist()] + [0]
    for t, s in zip(times, times[1:]):
        unknown = scheduler.step(model(x, torch.full((len(x),), t - 1, device=x.device)), t - 1, x)
        at_s = known
        if s > 0:
            at_s = scheduler.add_noise(known, noise, torch.full((len(x),), s - 1, device=x.device))
        m = mask.to(x)
        x = m * at_s + (1 - m) * unknown
    return x


def guided(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """Equation 6 of the paper, whose w is one less."""
    w = scale - 1
    return (1 + w) * conditional - w * unconditional
