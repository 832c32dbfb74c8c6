"""In the manner of smalldiffusion: a Schedule that is a list of sigmas, and one update with mu and gamma from which DDPM
and DDIM both come as special cases. float32 throughout, apart from the sigmas themselves."""
import numpy as np
import torch


class Schedule:
    """sigma[t] = sqrt((1 - abar) / abar), to be indexed; index -1 is asked for by name only."""

    def __init__(self, betas):
        self.betas = betas
        self.sigmas = torch.from_numpy(np.sqrt(1 / np.cumprod(1 - betas) - 1))

    def __getitem__(self, i):
        return self.sigmas[i]

    def __len__(self):
        return len(self.sigmas)

    def sample_sigmas(self, steps):
        return [round(len(self) * k / steps) - 1 for k in reversed(range(1, steps + 1))]

    def batch(self, t, x0):
        return self.sigmas.to(x0.device)[t].view(-1, *[1] * (x0.dim() - 1)).to(x0)


class ScheduleLinear(Schedule):
    def __init__(self, N, beta_start, beta_end):
        super().__init__(np.linspace(beta_start, beta_end, N))


class ScheduleLDM(Schedule):
    def __init__(self, N, beta_start, beta_end):
        super().__init__(np.linspace(beta_start ** 0.5, beta_end ** 0.5, N) ** 2)


class ScheduleCosine(Schedule):
    def __init__(self, N, *unused, max_beta=0.999):
        alpha_bar = lambda t: np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2
        t = np.arange(N)
        super().__init__(np.clip(1 - alpha_bar((t + 1) / N) / alpha_bar(t / N), 0, max_beta))


class DDPMScheduler:
    kinds = {"linear": ScheduleLinear, "scaled_linear": ScheduleLDM, "cosine": ScheduleCosine}

    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        if beta_schedule not in self.kinds:
            raise ValueError(f"no schedule {beta_schedule!r}")
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError(f"no prediction type {prediction_type!r}")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError(f"no variance type {variance_type!r}")
        self.schedule = self.kinds[beta_schedule](num_train_timesteps, beta_start, beta_end)
        self.prediction_type, self.variance_type, self.clip_sample = prediction_type, variance_type, clip_sample
        self.betas = torch.from_numpy(self.schedule.betas).float()
        self.alphas = torch.from_numpy(1 - self.schedule.betas).float()
        self.alphas_cumprod = (1 / (1 + self.schedule.sigmas ** 2)).float()
        self.timesteps = torch.tensor(self.schedule.sample_sigmas(num_train_timesteps))

    def add_noise(self, original_samples, noise, timesteps):
        sigma = self.schedule.batch(timesteps, original_samples)
        return (original_samples + sigma * noise) / (1 + sigma ** 2).sqrt()

    def get_velocity(self, sample, noise, timesteps):
        sigma = self.schedule.batch(timesteps, sample)
        return (noise - sigma * sample) / (1 + sigma ** 2).sqrt()

    def loss(self, model, original_samples, noise, timesteps):
        target = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise
        output = model(self.add_noise(original_samples, noise, timesteps), timesteps)
        return torch.vmap(torch.nn.functional.mse_loss)(output, target)

    def set_timesteps(self, num_inference_steps, device=None):
        if not 0 < num_inference_steps <= len(self.schedule):
            raise ValueError(f"no {num_inference_steps} steps among {len(self.schedule)}")
        self.timesteps = torch.tensor(self.schedule.sample_sigmas(num_inference_steps), device=device)

    def previous_timestep(self, timestep):
        steps = [*self.timesteps.tolist(), -1]
        for this, after in zip(steps, steps[1:]):
            if this == int(timestep):
                return after
        raise ValueError(f"no timestep {int(timestep)}")

    def _sigmas(self, timestep, x):
        prev = self.previous_timestep(timestep)
        sig = self.schedule[int(timestep)]
        return sig.to(x), (self.schedule[prev] if prev >= 0 else 0 * sig).to(x)

    def predict(self, model_output, timestep, sample):
        sig, _ = self._sigmas(timestep, sample)
        xt = sample * (1 + sig ** 2).sqrt()
        eps = model_output
        if self.prediction_type == "v_prediction":
            eps = (model_output + sig * sample) / (1 + sig ** 2).sqrt()
        x0 = xt - sig * eps
        if self.prediction_type == "v_prediction":
            x0 = (sample - sig * model_output) / (1 + sig ** 2).sqrt()
        if self.clip_sample:
            x0 = x0.clamp(-1, 1)
            eps = (xt - x0) / sig
        return x0, eps

    def posterior(self, original_samples, sample, timestep):
        sig, sig_prev = self._sigmas(timestep, sample)
        r = (sig_prev / sig) ** 2
        mean = ((1 - r) * original_samples + r * (1 + sig ** 2).sqrt() * sample) / (1 + sig_prev ** 2).sqrt()
        return mean, sig_prev ** 2 * (1 - r) / (1 + sig_prev ** 2)

    def _update(self, timestep, sample, x0, eps, mu, generator, noise):
        """x <- x - (sig - sig_p) eps + extra noise; mu is the share of the way down that is later undone by noise."""
        sig, sig_prev = self._sigmas(timestep, sample)
        sig_down = (sig_prev ** 2 * (1 - mu ** 2 * (1 - (sig_prev / sig) ** 2))).sqrt()
        x = x0 + sig_down * eps
        if mu > 0 and sig_prev > 0:
            if noise is None:
                noise = torch.randn(sample.shape, generator=generator, device=sample.device, dtype=sample.dtype)
            up = sig_prev * mu * (1 - (sig_prev / sig) ** 2).sqrt()
            if self.gamma_is_large:  # as much as the whole step of the chain
                up = ((sig ** 2 - sig_prev ** 2) * (1 + sig_prev ** 2) / (1 + sig ** 2)).sqrt()
            x = x + up * noise
        return x / (1 + sig_prev ** 2).sqrt()

    @property
    def gamma_is_large(self):
        return self.variance_type == "fixed_large"

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        x0, eps = self.predict(model_output, timestep, sample)
        return self._update(timestep, sample, x0, eps, 1.0, generator, variance_noise)


class DDIMScheduler(DDPMScheduler):
    gamma_is_large = False

    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError(f"no eta {eta}")
        x0, eps = self.predict(model_output, timestep, sample)
        return self._update(timestep, sample, x0, eps, eta, generator, variance_noise)
