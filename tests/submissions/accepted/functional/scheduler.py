"""Pure functions do the work; the classes only remember settings."""
import math

import torch

# ---------------------------------------------------------------- schedules: T, start, end -> (T,) float64


def linear(T, start, end):
    return torch.linspace(start, end, T, dtype=torch.float64)


def scaled_linear(T, start, end):
    return linear(T, math.sqrt(start), math.sqrt(end)) ** 2


def cosine(T, start, end):
    edge = linear(T + 1, 0.008 / 1.008, 1.0)
    f = torch.cos(edge * math.pi / 2) ** 2
    return torch.where(f[1:] > 0.001 * f[:-1], 1 - f[1:] / f[:-1], torch.tensor(0.999, dtype=torch.float64))


SCHEDULES = {"linear": linear, "scaled_linear": scaled_linear, "cosine": cosine}

# ---------------------------------------------------------------- formulas: everything is passed in


def mix(x0, eps, abar):
    return abar ** 0.5 * x0 + (1 - abar) ** 0.5 * eps


def velocity(x0, eps, abar):
    return abar ** 0.5 * eps - (1 - abar) ** 0.5 * x0


def denoise_epsilon(out, x, abar):
    return (x - (1 - abar) ** 0.5 * out) / abar ** 0.5, out


def denoise_v(out, x, abar):
    return mix(x, -out, abar), mix(out, x, abar)


def clip(pair, x, abar):
    x0 = pair[0].clamp(-1, 1)
    return x0, (x - abar ** 0.5 * x0) / (1 - abar) ** 0.5


def beta_of(abar, abar_prev):
    return 1 - abar / abar_prev


def beta_tilde(abar, abar_prev):
    return (1 - abar_prev) / (1 - abar) * beta_of(abar, abar_prev)


def posterior_mean(x0, x, abar, abar_prev):
    beta = beta_of(abar, abar_prev)
    return (abar_prev ** 0.5 * beta * x0 + (1 - beta) ** 0.5 * (1 - abar_prev) * x) / (1 - abar)


def ddim_mean(x0, eps, abar_prev, sigma):
    return abar_prev ** 0.5 * x0 + (1 - abar_prev - sigma ** 2) ** 0.5 * eps


def trailing(T, S):
    return [round((S - i) * T / S) - 1 for i in range(S)]


def following(steps, t):
    if t not in steps:
        raise ValueError(f"t = {t} is not in the list of timesteps")
    position = steps.index(t)
    return steps[position + 1] if position + 1 < len(steps) else -1


def spread_out(abars, timesteps, images):
    return abars.to(images.device)[timesteps].to(images.dtype).view(-1, 1, 1, 1)


def gaussian(images, generator, given):
    if given is not None:
        return given
    return torch.randn(images.shape, dtype=images.dtype, device=images.device, generator=generator)


DENOISERS = {"epsilon": denoise_epsilon, "v_prediction": denoise_v}
VARIANCES = {"fixed_small": beta_tilde, "fixed_large": beta_of}


def choose(options, key, name):
    if key not in options:
        raise ValueError(f"{name} is one of {list(options)}, not {key!r}")
    return options[key]


# ---------------------------------------------------------------- the two classes


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        self.T = num_train_timesteps
        betas = choose(SCHEDULES, beta_schedule, "beta_schedule")(self.T, beta_start, beta_end)
        self.denoise = choose(DENOISERS, prediction_type, "prediction_type")
        self.variance = choose(VARIANCES, variance_type, "variance_type")
        self.clip_sample = clip_sample
        self.betas, self.alphas, self.alphas_cumprod = map(torch.Tensor.float, (betas, 1 - betas, (1 - betas).cumprod(0)))
        self.timesteps = torch.tensor(trailing(self.T, self.T))

    def bars(self, timestep):
        previous = self.previous_timestep(timestep)
        return self.alphas_cumprod[int(timestep)].item(), 1.0 if previous < 0 else self.alphas_cumprod[previous].item()

    def add_noise(self, original_samples, noise, timesteps):
        return mix(original_samples, noise, spread_out(self.alphas_cumprod, timesteps, original_samples))

    def get_velocity(self, sample, noise, timesteps):
        return velocity(sample, noise, spread_out(self.alphas_cumprod, timesteps, sample))

    def loss(self, model, original_samples, noise, timesteps):
        targets = {False: lambda: noise, True: lambda: self.get_velocity(original_samples, noise, timesteps)}
        output = model(self.add_noise(original_samples, noise, timesteps), timesteps)
        return output.sub(targets[self.denoise is denoise_v]()).square().flatten(1).mean(dim=-1)

    def set_timesteps(self, num_inference_steps, device=None):
        if not 1 <= num_inference_steps <= self.T:
            raise ValueError(f"num_inference_steps is between 1 and {self.T}, not {num_inference_steps}")
        self.timesteps = torch.tensor(trailing(self.T, num_inference_steps), device=device)

    def previous_timestep(self, timestep):
        return following(self.timesteps.tolist(), int(timestep))

    def predict(self, model_output, timestep, sample):
        abar, _ = self.bars(timestep)
        pair = self.denoise(model_output, sample, abar)
        return clip(pair, sample, abar) if self.clip_sample else pair

    def posterior(self, original_samples, sample, timestep):
        bars = self.bars(timestep)
        return posterior_mean(original_samples, sample, *bars), sample.new_tensor(beta_tilde(*bars))

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        bars = self.bars(timestep)
        x0, _ = self.predict(model_output, timestep, sample)
        std = 0.0 if self.previous_timestep(timestep) < 0 else self.variance(*bars) ** 0.5
        return posterior_mean(x0, sample, *bars) + std * gaussian(sample, generator, variance_noise)


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError(f"eta is between 0 and 1, not {eta}")
        bars = self.bars(timestep)
        sigma = eta * beta_tilde(*bars) ** 0.5
        x_prev = ddim_mean(*self.predict(model_output, timestep, sample), bars[1], sigma)
        return x_prev + sigma * gaussian(sample, generator, variance_noise)


# ---------------------------------------------------------------- flow matching


def straight(near, far, s):
    return near * (1 - s) + far * s


def share(timestep, T):
    return (timestep + 1) / T


def denoise_flow(out, x, s):
    return x - s * out, x + (1 - s) * out


def clip_on_a_line(pair, x, s):
    x0 = pair[0].clamp(-1, 1)
    return x0, (x - (1 - s) * x0) / s


def euler(x, velocity, change):
    return x + change * velocity


class FlowMatchScheduler(DDPMScheduler):
    def __init__(self, num_train_timesteps=1000, prediction_type="flow", clip_sample=True):
        choose({"flow": denoise_flow}, prediction_type, "prediction_type")
        super().__init__(num_train_timesteps, prediction_type="v_prediction", clip_sample=clip_sample)

    def shares(self, timestep):
        return share(int(timestep), self.T), share(self.previous_timestep(timestep), self.T)

    def add_noise(self, original_samples, noise, timesteps):
        table = share(torch.arange(self.T, dtype=torch.float64), self.T)
        return straight(original_samples, noise, spread_out(table, timesteps, original_samples))

    def get_velocity(self, sample, noise, timesteps):
        return noise - sample

    def predict(self, model_output, timestep, sample):
        s, _ = self.shares(timestep)
        pair = denoise_flow(model_output, sample, s)
        return clip_on_a_line(pair, sample, s) if self.clip_sample else pair

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        s, s_prev = self.shares(timestep)
        image, noise = self.predict(model_output, timestep, sample)
        return euler(sample, self.get_velocity(image, noise, timestep), s_prev - s)


def noisy_at(scheduler, images, noise, t):
    return images if t < 0 else scheduler.add_noise(images, noise, torch.full([images.shape[0]], t, device=images.device))


def one_step(scheduler, model, x, t):
    return scheduler.step(model(x, torch.full([x.shape[0]], t, device=x.device)), t, x)


def inpaint(model, scheduler, known, mask, noise):
    steps, x = scheduler.timesteps.tolist(), noise
    for t in steps:
        x = torch.where(mask, noisy_at(scheduler, known, noise, following(steps, t)), one_step(scheduler, model, x, t))
    return x


def guided(conditional, unconditional, scale):
    return straight(unconditional, conditional, scale)
