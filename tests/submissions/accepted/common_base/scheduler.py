"""Schedule, timesteps and denoising are three mixins; DDPM and DDIM are siblings that put them together."""
import math
import torch


class Schedule:
    def build(self, T, beta_schedule, start, end):
        try:
            betas = {
                "linear": lambda: torch.linspace(start, end, T, dtype=torch.float64),
                "scaled_linear": lambda: torch.linspace(start ** 0.5, end ** 0.5, T, dtype=torch.float64).pow(2),
                "cosine": lambda: self.cosine(T),
            }[beta_schedule]()
        except KeyError:
            raise ValueError(f"unknown beta_schedule {beta_schedule!r}; linear, scaled_linear, cosine exist") from None
        self.betas = betas.float()
        self.alphas = (1 - betas).float()
        self.alphas_cumprod = (1 - betas).cumprod(0).float()
        self.num_train_timesteps = T

    @staticmethod
    def cosine(T):
        def abar(step):
            return math.cos((step / T + 0.008) / (1 + 0.008) * math.pi / 2) ** 2
        return torch.tensor([min(1 - abar(i + 1) / abar(i), 0.999) for i in range(T)], dtype=torch.float64)

    def at(self, timesteps, images):
        abar = self.alphas_cumprod[timesteps.to(self.alphas_cumprod.device)].to(images)
        return abar.view(abar.shape + (1,) * (images.ndim - abar.ndim))

    def add_noise(self, original_samples, noise, timesteps):
        abar = self.at(timesteps, original_samples)
        return torch.sqrt(abar) * original_samples + torch.sqrt(1 - abar) * noise

    def get_velocity(self, sample, noise, timesteps):
        abar = self.at(timesteps, sample)
        return torch.sqrt(abar) * noise - torch.sqrt(1 - abar) * sample

    def loss(self, model, original_samples, noise, timesteps):
        x_t = self.add_noise(original_samples, noise, timesteps)
        targets = noise
        if self.prediction_type == "v_prediction":
            targets = self.get_velocity(original_samples, noise, timesteps)
        losses = []
        for output, target in zip(model(x_t, timesteps), targets):
            losses.append(((output - target) ** 2).mean())
        return torch.stack(losses)


class Timesteps:
    def set_timesteps(self, num_inference_steps, device=None):
        T = self.num_train_timesteps
        if num_inference_steps < 1 or num_inference_steps > T:
            raise ValueError(f"choose between 1 and {T} steps, not {num_inference_steps}")
        stride = T / num_inference_steps
        kept = torch.arange(num_inference_steps, dtype=torch.float64)
        self.timesteps = (T - kept * stride).round().long().sub(1).to(device)

    def previous_timestep(self, timestep):
        steps = iter(self.timesteps.tolist())
        for step in steps:
            if step == int(timestep):
                return next(steps, -1)
        raise ValueError(f"{int(timestep)} is not a current timestep")

    def levels(self, timestep, images):
        """alpha-bar here and at the previous timestep, for multiplying with images."""
        before = self.previous_timestep(timestep)
        here = self.alphas_cumprod[int(timestep)].double()
        there = self.alphas_cumprod[before].double() if before > -1 else torch.tensor(1.0).double()
        return here.to(images.device), there.to(images.device)


class Denoising:
    def predict(self, model_output, timestep, sample):
        abar, _ = self.levels(timestep, sample)
        x0, eps = getattr(self, "from_" + self.prediction_type)(model_output, abar, sample)
        if self.clip_sample:
            x0 = x0.clamp(-1, 1)
            eps = (sample - abar.sqrt() * x0) / (1 - abar).sqrt()
        return x0, eps

    def from_epsilon(self, eps, abar, x):
        return (x - (1 - abar).sqrt() * eps) / abar.sqrt(), eps

    def from_v_prediction(self, v, abar, x):
        cos, sin = abar.sqrt(), (1 - abar).sqrt()
        return cos * x - sin * v, sin * x + cos * v

    def posterior(self, original_samples, sample, timestep):
        abar, abar_prev = self.levels(timestep, sample)
        beta = 1 - abar / abar_prev
        share = (1 - abar_prev) / (1 - abar)
        mean = abar_prev.sqrt() * beta / (1 - abar) * original_samples + (1 - beta).sqrt() * share * sample
        return mean, (share * beta).to(sample.dtype)

    def noise(self, like, generator, given):
        if given is None:
            given = torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)
        return given


class Everything(Schedule, Timesteps, Denoising):
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        if not hasattr(self, f"from_{prediction_type}"):
            raise ValueError(f"unknown prediction_type {prediction_type!r}; epsilon, v_prediction exist")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError(f"unknown variance_type {variance_type!r}; fixed_small, fixed_large exist")
        self.build(num_train_timesteps, beta_schedule, beta_start, beta_end)
        self.timesteps = torch.arange(num_train_timesteps).flipud()
        self.prediction_type = prediction_type
        self.variance_type = variance_type
        self.clip_sample = clip_sample


class DDPMScheduler(Everything):
    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        x0, _ = self.predict(model_output, timestep, sample)
        mean, tilde = self.posterior(x0, sample, timestep)
        abar, abar_prev = self.levels(timestep, sample)
        if abar_prev == 1:
            return mean
        variance = tilde if self.variance_type == "fixed_small" else 1 - abar / abar_prev
        return mean + variance.sqrt() * self.noise(sample, generator, variance_noise)


class DDIMScheduler(Everything):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError(f"eta = {eta} is outside [0, 1]")
        x0, eps = self.predict(model_output, timestep, sample)
        abar, abar_prev = self.levels(timestep, sample)
        sigma2 = eta ** 2 * (1 - abar_prev) / (1 - abar) * (1 - abar / abar_prev)
        x_prev = abar_prev.sqrt() * x0 + (1 - abar_prev - sigma2).sqrt() * eps
        if eta:
            x_prev = x_prev + sigma2.sqrt() * self.noise(sample, generator, variance_noise)
        return x_prev
