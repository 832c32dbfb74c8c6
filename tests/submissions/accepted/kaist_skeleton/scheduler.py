"""In the manner of KAIST's course skeleton: a variance schedule module that is handed to the diffusion module, and
q_sample, ddpm_p_sample, ddim_p_sample."""
import numpy as np
import torch
import torch.nn as nn


def extract(input, t, x):
    if t.ndim == 0:
        t = t.unsqueeze(0)
    out = torch.gather(input.to(x.device), 0, t.to(x.device))
    return out.to(x.dtype).reshape([t.shape[0]] + [1] * (len(x.shape) - 1))


class BaseScheduler(nn.Module):
    def __init__(self, num_train_timesteps, beta_1, beta_T, mode):
        super().__init__()
        self.num_train_timesteps = num_train_timesteps
        if mode == "linear":
            betas = torch.linspace(beta_1, beta_T, steps=num_train_timesteps, dtype=torch.double)
        elif mode == "scaled_linear":
            betas = torch.linspace(beta_1 ** 0.5, beta_T ** 0.5, steps=num_train_timesteps, dtype=torch.double) ** 2
        elif mode == "cosine":
            steps = torch.arange(num_train_timesteps + 1, dtype=torch.double) / num_train_timesteps
            alphas_bar = torch.cos((steps + 0.008) / 1.008 * np.pi / 2) ** 2
            betas = torch.stack([1 - b / a for a, b in zip(alphas_bar, alphas_bar[1:])]).clamp(max=0.999)
        else:
            raise ValueError(f"{mode} is not implemented: linear, scaled_linear, cosine")
        alphas = 1 - betas
        self.register_buffer("betas", betas.float())
        self.register_buffer("alphas", alphas.float())
        self.register_buffer("alphas_cumprod", torch.cumprod(alphas, dim=0).float())
        self.register_buffer("timesteps", torch.from_numpy(np.arange(0, num_train_timesteps)[::-1].copy().astype(np.int64)))


class DDPMScheduler(nn.Module):
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        super().__init__()
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError(f"{prediction_type} is not implemented: epsilon, v_prediction")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError(f"{variance_type} is not implemented: fixed_small, fixed_large")
        self.var_scheduler = BaseScheduler(num_train_timesteps, beta_start, beta_end, beta_schedule)
        self.predictor, self.sigma_type, self.clip = prediction_type, variance_type, clip_sample

    # the tables belong to the variance scheduler
    @property
    def betas(self):
        return self.var_scheduler.betas

    @property
    def alphas(self):
        return self.var_scheduler.alphas

    @property
    def alphas_cumprod(self):
        return self.var_scheduler.alphas_cumprod

    @property
    def timesteps(self):
        return self.var_scheduler.timesteps

    def set_timesteps(self, num_inference_steps, device=None):
        T = self.var_scheduler.num_train_timesteps
        if not 1 <= num_inference_steps <= T:
            raise ValueError(f"num_inference_steps must not exceed {T} or be less than 1")
        step_ratio = T / num_inference_steps
        timesteps = np.round(np.arange(T, 0, -step_ratio)[:num_inference_steps]).astype(np.int64) - 1
        self.var_scheduler.timesteps = torch.from_numpy(timesteps).to(device)

    def q_sample(self, x0, t, noise):
        alphas_prod_t = extract(self.var_scheduler.alphas_cumprod, t, x0)
        return torch.sqrt(alphas_prod_t) * x0 + torch.sqrt(1 - alphas_prod_t) * noise

    def add_noise(self, original_samples, noise, timesteps):
        return self.q_sample(original_samples, timesteps, noise)

    def get_velocity(self, sample, noise, timesteps):
        # v is x_t a quarter of a circle further on
        return self.q_sample(noise, timesteps, -sample)

    def loss(self, model, original_samples, noise, timesteps):
        # add_noise and get_velocity are one rotation: v of (x_0, epsilon) is x_t of (epsilon, -x_0)
        x_t = self.add_noise(original_samples, noise, timesteps)
        target = self.add_noise(noise, -original_samples, timesteps) if self.predictor == "v_prediction" else noise
        return torch.square(model(x_t, timesteps) - target).mean(dim=[1, 2, 3])

    def previous_timestep(self, timestep):
        later = self.timesteps[self.timesteps < int(timestep)]
        if not (self.timesteps == int(timestep)).any():
            raise ValueError(f"t = {int(timestep)} is not visited")
        return int(later.max()) if len(later) else -1

    def _alphas_of(self, timestep, x):
        """(1, 1, 1, 1) tensors for t and t_prev, in float64."""
        t, t_prev = torch.tensor(int(timestep)), self.previous_timestep(timestep)
        alpha = extract(self.alphas_cumprod.double(), t, x.double())
        if t_prev >= 0:
            return alpha, extract(self.alphas_cumprod.double(), torch.tensor(t_prev), x.double())
        return alpha, torch.ones_like(alpha)

    def predict(self, model_output, timestep, sample):
        alpha, _ = self._alphas_of(timestep, sample)
        xt, out = sample.double(), model_output.double()
        if self.predictor == "epsilon":
            x0, eps = (xt - torch.sqrt(1 - alpha) * out) / torch.sqrt(alpha), out
        else:
            x0 = torch.sqrt(alpha) * xt - torch.sqrt(1 - alpha) * out
            eps = torch.sqrt(alpha) * out + torch.sqrt(1 - alpha) * xt
        if self.clip:
            x0 = torch.clamp(x0, -1.0, 1.0)
            eps = (xt - torch.sqrt(alpha) * x0) / torch.sqrt(1 - alpha)
        return x0.to(sample.dtype), eps.to(sample.dtype)

    def posterior(self, original_samples, sample, timestep):
        alpha, alpha_prev = self._alphas_of(timestep, sample)
        mean = (torch.sqrt(alpha_prev) * (1 - alpha / alpha_prev) / (1 - alpha) * original_samples
                + torch.sqrt(alpha / alpha_prev) * (1 - alpha_prev) / (1 - alpha) * sample)
        variance = (1 - alpha_prev) / (1 - alpha) * (1 - alpha / alpha_prev)
        return mean.to(sample.dtype), variance.squeeze().to(sample.dtype)

    def ddpm_p_sample(self, xt, t, out, noise):
        x0, _ = self.predict(out, t, xt)
        mean, variance = self.posterior(x0, xt, t)
        if self.previous_timestep(t) == -1:
            return mean
        if self.sigma_type == "fixed_large":
            alpha, alpha_prev = self._alphas_of(t, xt)
            variance = (1 - alpha / alpha_prev).squeeze().to(xt.dtype)
        return mean + torch.sqrt(variance) * noise

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        return self.ddpm_p_sample(sample, timestep, model_output, self._z(sample, generator, variance_noise))

    def _z(self, x, generator, z):
        return torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype) if z is None else z


class DDIMScheduler(DDPMScheduler):
    def ddim_p_sample(self, xt, t, out, noise, eta):
        alpha, alpha_prev = self._alphas_of(t, xt)
        x0, eps = self.predict(out, t, xt)
        sigma = eta * torch.sqrt((1 - alpha_prev) / (1 - alpha)) * torch.sqrt(1 - alpha / alpha_prev)
        x_prev = torch.sqrt(alpha_prev) * x0 + torch.sqrt(1 - alpha_prev - sigma ** 2) * eps + sigma * noise
        return x_prev.to(xt.dtype)

    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0.0 <= eta <= 1.0:
            raise ValueError("eta must be in [0, 1]")
        return self.ddim_p_sample(sample, timestep, model_output, self._z(sample, generator, variance_noise), eta)
