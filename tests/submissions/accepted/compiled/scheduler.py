"""Formulas under torch.compile (with the eager backend, so that no compiler is needed), one graph for a whole step."""
import math

import torch

compiled = torch.compile(backend="eager", dynamic=True)


@compiled
def mix(a, b, x, y):
    return a * x + b * y


@compiled
def estimates(output, x, a, b, is_v: bool, clip: bool):
    x0 = a * x - b * output if is_v else (x - b * output) / a
    eps = a * output + b * x if is_v else output
    if clip:
        x0 = x0.clamp(-1.0, 1.0)
        eps = (x - a * x0) / b
    return x0, eps


@compiled
def moments(x0, x, abar, abar_prev):
    alpha = abar / abar_prev
    mean = abar_prev.sqrt() * (1 - alpha) / (1 - abar) * x0 + alpha.sqrt() * (1 - abar_prev) / (1 - abar) * x
    return mean, (1 - abar_prev) / (1 - abar) * (1 - alpha)


@compiled
def ddim(x0, eps, z, abar_prev, sigma):
    return abar_prev.sqrt() * x0 + (1 - abar_prev - sigma ** 2).sqrt() * eps + sigma * z


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        if beta_schedule == "cosine":
            u = torch.linspace(0, 1, num_train_timesteps + 1, dtype=torch.float64)
            f = torch.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2
            betas = (1 - f[1:] / f[:-1]).clamp(max=0.999)
        elif beta_schedule in ("linear", "scaled_linear"):
            power = 1 if beta_schedule == "linear" else 0.5
            betas = torch.linspace(beta_start ** power, beta_end ** power, num_train_timesteps, dtype=torch.float64)
            betas = betas ** (1 / power)
        else:
            raise ValueError(f"beta_schedule={beta_schedule}")
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError(f"prediction_type={prediction_type}")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError(f"variance_type={variance_type}")
        self.is_v, self.is_large, self.clip = prediction_type != "epsilon", variance_type != "fixed_small", clip_sample
        self.betas = betas.float()
        self.alphas = (1 - betas).float()
        self.alphas_cumprod = (1 - betas).cumprod(0).float()
        self.timesteps = torch.arange(num_train_timesteps - 1, -1, -1)

    def amplitudes(self, timesteps, x):
        abar = self.alphas_cumprod.to(x.device)[timesteps].to(x.dtype).view(-1, 1, 1, 1)
        return abar.sqrt(), (1 - abar).sqrt()

    def add_noise(self, original_samples, noise, timesteps):
        a, b = self.amplitudes(timesteps, original_samples)
        return mix(a, b, original_samples, noise)

    def get_velocity(self, sample, noise, timesteps):
        a, b = self.amplitudes(timesteps, sample)
        return mix(a, -b, noise, sample)

    def loss(self, model, original_samples, noise, timesteps):
        target = self.get_velocity(original_samples, noise, timesteps) if self.is_v else noise
        output = model(self.add_noise(original_samples, noise, timesteps), timesteps)
        return torch.vmap(torch.nn.functional.mse_loss)(output, target)

    def set_timesteps(self, num_inference_steps, device=None):
        T = len(self.betas)
        if not 1 <= num_inference_steps <= T:
            raise ValueError(f"num_inference_steps={num_inference_steps}")
        steps = (torch.arange(num_inference_steps, 0, -1, device=device).double() * T / num_inference_steps).round()
        self.timesteps = steps.long() - 1

    def previous_timestep(self, timestep):
        steps = self.timesteps.tolist()
        if int(timestep) not in steps:
            raise ValueError(f"timestep={int(timestep)}")
        return dict(zip(steps, steps[1:] + [-1]))[int(timestep)]

    def bars(self, timestep, x):
        previous = self.previous_timestep(timestep)
        abar = self.alphas_cumprod[int(timestep)].double()
        abar_prev = self.alphas_cumprod[previous].double() if previous >= 0 else torch.ones_like(abar)
        return abar.to(x.device), abar_prev.to(x.device)

    def predict(self, model_output, timestep, sample):
        abar, _ = self.bars(timestep, sample)
        return estimates(model_output, sample, abar.sqrt(), (1 - abar).sqrt(), self.is_v, self.clip)

    def posterior(self, original_samples, sample, timestep):
        mean, variance = moments(original_samples, sample, *self.bars(timestep, sample))
        return mean, variance.to(sample.dtype)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        x0, _ = self.predict(model_output, timestep, sample)
        abar, abar_prev = self.bars(timestep, sample)
        mean, variance = moments(x0, sample, abar, abar_prev)
        if self.previous_timestep(timestep) < 0:
            return mean
        variance = 1 - abar / abar_prev if self.is_large else variance
        one = torch.ones((), dtype=sample.dtype, device=sample.device)
        return mix(one, variance.sqrt(), mean, draw(sample, generator, variance_noise))


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError(f"eta={eta}")
        x0, eps = self.predict(model_output, timestep, sample)
        abar, abar_prev = self.bars(timestep, sample)
        _, variance = moments(x0, sample, abar, abar_prev)
        return ddim(x0, eps, draw(sample, generator, variance_noise), abar_prev, eta * variance.sqrt())


def draw(x, generator, z):
    return torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype) if z is None else z
