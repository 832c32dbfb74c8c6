"""As a straight line: x_t / (a + b) = (1 - tau) x_0 + tau epsilon with tau = b / (a + b). The velocity along that line,
u = epsilon - x_0, is constant, and DDIM is one Euler step of length tau_prev - tau."""
import torch


def straighten(abar):
    """(tau, scale): x_t = scale ((1 - tau) x_0 + tau epsilon)"""
    a, b = abar ** 0.5, (1 - abar) ** 0.5
    return b / (a + b), a + b


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        if beta_schedule not in ("linear", "scaled_linear", "cosine"):
            raise ValueError("beta_schedule must be linear, scaled_linear or cosine")
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError("prediction_type must be epsilon or v_prediction")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError("variance_type must be fixed_small or fixed_large")
        self.prediction_type, self.variance_type, self.clip_sample = prediction_type, variance_type, clip_sample
        T = self.T = num_train_timesteps
        grid = torch.linspace(0, 1, T, dtype=torch.float64)
        if beta_schedule == "linear":
            betas = torch.lerp(torch.full_like(grid, beta_start), torch.full_like(grid, beta_end), grid)
        elif beta_schedule == "scaled_linear":
            root = (beta_end / beta_start) ** 0.5
            betas = beta_start * (1 + grid * (root - 1)) ** 2
        else:
            f = torch.cos(torch.linspace(0.008 / 1.008, 1, T + 1, dtype=torch.float64) * torch.pi / 2) ** 2
            betas = ((f[:-1] - f[1:]) / f[:-1]).clamp(max=0.999)
        abar = torch.cumprod(1 - betas, 0)
        self.tau, self.scale = straighten(abar)
        self.betas, self.alphas, self.alphas_cumprod = betas.float(), (1 - betas).float(), abar.float()
        self.timesteps = torch.arange(T - 1, -1, -1)

    def _line(self, timesteps, x):
        pick = lambda table: table.to(x.device)[timesteps].view(-1, 1, 1, 1).to(x.dtype)
        return pick(self.tau), pick(self.scale)

    def add_noise(self, original_samples, noise, timesteps):
        tau, scale = self._line(timesteps, original_samples)
        return scale * torch.lerp(original_samples, noise, tau)

    def get_velocity(self, sample, noise, timesteps):
        tau, scale = self._line(timesteps, sample)
        return scale * ((1 - tau) * noise - tau * sample)

    def loss(self, model, original_samples, noise, timesteps):
        noisy = self.add_noise(original_samples, noise, timesteps)
        truth = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise
        difference = (model(noisy, timesteps) - truth).reshape(len(noisy), -1)
        return difference.pow(2).sum(-1) / difference.shape[1]

    def set_timesteps(self, num_inference_steps, device=None):
        if not 0 < num_inference_steps <= self.T:
            raise ValueError(f"num_inference_steps must be in 1 ... {self.T}")
        self.timesteps = torch.tensor(
            [round(self.T - i * self.T / num_inference_steps) - 1 for i in range(num_inference_steps)], device=device)

    def previous_timestep(self, timestep):
        steps = self.timesteps.tolist()
        try:
            i = steps.index(int(timestep))
        except ValueError:
            raise ValueError(f"{timestep} must be in the list") from None
        return (steps + [-1])[i + 1]

    def _ends(self, timestep):
        """(tau, scale) here and (tau, scale) after the step; the clean image has (0, 1)."""
        previous = self.previous_timestep(timestep)
        after = (self.tau[previous].item(), self.scale[previous].item()) if previous >= 0 else (0.0, 1.0)
        return self.tau[int(timestep)].item(), self.scale[int(timestep)].item(), *after

    def predict(self, model_output, timestep, sample):
        tau, scale, _, _ = self._ends(timestep)
        if self.prediction_type == "epsilon":
            x0, epsilon = (sample / scale - tau * model_output) / (1 - tau), model_output
        else:
            x0 = scale * ((1 - tau) * sample - tau * model_output)
            epsilon = scale * (tau * sample + (1 - tau) * model_output)
        if self.clip_sample:
            x0 = x0.clamp(-1, 1)
            epsilon = (sample / scale - (1 - tau) * x0) / tau
        return x0, epsilon

    def _fresh(self, timestep):
        """beta, and how much of the old noise the posterior keeps: the ratio of the odds tau / (1 - tau)."""
        tau, scale, tau_prev, scale_prev = self._ends(timestep)
        alpha = (scale * (1 - tau) / (scale_prev * (1 - tau_prev))) ** 2
        return 1 - alpha, tau_prev / (1 - tau_prev) * (1 - tau) / tau

    def posterior(self, original_samples, sample, timestep):
        tau, scale, tau_prev, scale_prev = self._ends(timestep)
        _, keep = self._fresh(timestep)
        # a jump along the line, with a part of the noise left out
        epsilon = (sample / scale - (1 - tau) * original_samples) / tau
        mean = scale_prev * ((1 - tau_prev) * original_samples + tau_prev * keep * epsilon)
        return mean, torch.full_like(sample[:1, :1, :1, :1], (1 - keep ** 2) * (scale_prev * tau_prev) ** 2).reshape(())

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        x0, _ = self.predict(model_output, timestep, sample)
        mean, variance = self.posterior(x0, sample, timestep)
        if self.previous_timestep(timestep) == -1:
            return mean
        if self.variance_type == "fixed_large":
            variance = self._fresh(timestep)[0]
        return mean + variance ** 0.5 * draw(sample, generator, variance_noise)


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if eta < 0 or eta > 1:
            raise ValueError("eta must be in 0 ... 1")
        tau, _, tau_prev, scale_prev = self._ends(timestep)
        x0, epsilon = self.predict(model_output, timestep, sample)
        line = torch.lerp(x0, epsilon, tau)
        line = line + (tau_prev - tau) * (epsilon - x0)
        share = eta ** 2 * (1 - self._fresh(timestep)[1] ** 2)
        if share > 0:
            z = draw(sample, generator, variance_noise)
            line = line + tau_prev * (((1 - share) ** 0.5 - 1) * epsilon + share ** 0.5 * z)
        return scale_prev * line


def draw(x, generator, z):
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) if z is None else z


class FlowMatchScheduler(DDPMScheduler):
    """The same line without a schedule: tau is even in time, and the scale is 1. So all that was written for it serves."""

    def __init__(self, num_train_timesteps=1000, prediction_type="flow", clip_sample=True):
        if prediction_type != "flow":
            raise ValueError("prediction_type must be flow")
        super().__init__(num_train_timesteps, prediction_type="v_prediction", clip_sample=clip_sample)
        self.tau = torch.linspace(1 / num_train_timesteps, 1, num_train_timesteps, dtype=torch.float64)
        self.scale = torch.ones_like(self.tau)

    def get_velocity(self, sample, noise, timesteps):
        return noise - sample

    def predict(self, model_output, timestep, sample):
        tau, _, _, _ = self._ends(timestep)
        x0 = sample - tau * model_output
        if self.clip_sample:
            x0 = x0.clamp(-1, 1)
            return x0, torch.lerp(x0, sample, 1 / tau)
        return x0, x0 + model_output

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        tau, _, tau_prev, _ = self._ends(timestep)
        x0, epsilon = self.predict(model_output, timestep, sample)
        return sample + (tau_prev - tau) * (epsilon - x0)


def inpaint(model, scheduler, known, mask, noise):
    x, ones = noise, torch.ones(len(noise), dtype=torch.long, device=noise.device)
    for t in scheduler.timesteps.tolist():
        x = scheduler.step(model(x, t * ones), t, x)
        s = scheduler.previous_timestep(t)
        x = torch.lerp(x, scheduler.add_noise(known, noise, s * ones) if s >= 0 else known, mask.to(x.dtype))
    return x


def guided(conditional, unconditional, scale):
    return torch.lerp(unconditional, conditional, scale)
