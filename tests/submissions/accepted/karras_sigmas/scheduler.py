"""In the manner of k-diffusion: divided by sqrt(abar), x_t is x_0 + sigma noise, and a step is Euler's with
d = (x - denoised) / sigma, down to sigma_down and up again by sigma_up."""
import math

import torch


def to_d(x, sigma, denoised):
    """The derivative of x with respect to sigma."""
    return (x - denoised) / sigma


def get_ancestral_step(sigma_from, sigma_to, eta=1.0):
    """How far down to go, and how much noise brings it up to sigma_to again."""
    sigma_up = eta * sigma_to / sigma_from * math.sqrt((sigma_from - sigma_to) * (sigma_from + sigma_to))
    return math.sqrt(max(sigma_to ** 2 - sigma_up ** 2, 0.0)), sigma_up


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        T = num_train_timesteps
        if beta_schedule == "linear":
            betas = torch.linspace(beta_start, beta_end, T, dtype=torch.float64)
        elif beta_schedule == "scaled_linear":
            betas = torch.linspace(beta_start ** 0.5, beta_end ** 0.5, T, dtype=torch.float64) ** 2
        elif beta_schedule == "cosine":
            f = lambda u: torch.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2
            u = torch.arange(T, dtype=torch.float64) / T
            betas = (1 - f(u + 1 / T) / f(u)).clamp(max=0.999)
        else:
            raise ValueError("beta_schedule has to be linear, scaled_linear or cosine")
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError("prediction_type has to be epsilon or v_prediction")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError("variance_type has to be fixed_small or fixed_large")
        self.prediction_type, self.variance_type, self.clip_sample = prediction_type, variance_type, clip_sample
        abar = torch.cumprod(1 - betas, 0)
        self.betas, self.alphas, self.alphas_cumprod = betas.float(), (1 - betas).float(), abar.float()
        self.sigmas = ((1 - abar) / abar) ** 0.5
        self.T = T
        self.set_timesteps(T)

    def set_timesteps(self, num_inference_steps, device=None):
        if not 1 <= num_inference_steps <= self.T:
            raise ValueError(f"between 1 and {self.T} steps are possible")
        steps = [round(self.T * (1 - i / num_inference_steps)) - 1 for i in range(num_inference_steps)]
        self.timesteps = torch.tensor(steps, dtype=torch.long, device=device)

    def previous_timestep(self, timestep):
        steps = self.timesteps.tolist() + [-1]
        if int(timestep) not in steps[:-1]:
            raise ValueError(f"{int(timestep)} is not among the timesteps")
        return steps[steps.index(int(timestep)) + 1]

    def scaling(self, timesteps, like):
        """c_in = 1 / sqrt(sigma^2 + 1), and sigma, for each image."""
        sigma = self.sigmas.to(like.device)[timesteps][:, None, None, None]
        return torch.rsqrt(sigma ** 2 + 1).to(like.dtype), sigma.to(like.dtype)

    def add_noise(self, original_samples, noise, timesteps):
        c_in, sigma = self.scaling(timesteps, original_samples)
        return c_in * (original_samples + sigma * noise)

    def get_velocity(self, sample, noise, timesteps):
        c_in, sigma = self.scaling(timesteps, sample)
        return c_in * (noise - sigma * sample)

    def loss(self, model, original_samples, noise, timesteps):
        targets = {False: lambda: noise, True: lambda: self.get_velocity(original_samples, noise, timesteps)}
        output = model(self.add_noise(original_samples, noise, timesteps), timesteps)
        return output.sub(targets[self.prediction_type == "v_prediction"]()).square().flatten(1).mean(dim=-1)

    def sigma_pair(self, timestep):
        prev = self.previous_timestep(timestep)
        return self.sigmas[int(timestep)].item(), self.sigmas[prev].item() if prev >= 0 else 0.0

    def predict(self, model_output, timestep, sample):
        sigma, _ = self.sigma_pair(timestep)
        scale = math.sqrt(sigma ** 2 + 1)
        x = sample * scale
        if self.prediction_type == "epsilon":
            denoised, eps = x - sigma * model_output, model_output
        else:
            # c_skip = 1 / (sigma^2 + 1), c_out = -sigma / sqrt(sigma^2 + 1)
            denoised = x / (sigma ** 2 + 1) - model_output * (sigma / scale)
            eps = to_d(x, sigma, denoised)
        if self.clip_sample:
            denoised = denoised.clamp(-1, 1)
            eps = to_d(x, sigma, denoised)
        return denoised, eps

    def posterior(self, original_samples, sample, timestep):
        sigma, sigma_prev = self.sigma_pair(timestep)
        kept = (sigma_prev / sigma) ** 2
        x = sample * math.sqrt(sigma ** 2 + 1)
        shrink = 1 / math.sqrt(sigma_prev ** 2 + 1)
        mean = shrink * (original_samples + kept * (x - original_samples))
        _, sigma_up = get_ancestral_step(sigma, sigma_prev)
        return mean, sample.new_full((), (shrink * sigma_up) ** 2)

    def _noise(self, sample, generator, noise):
        return torch.randn(sample.shape, generator=generator, dtype=sample.dtype, device=sample.device) if noise is None else noise

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        sigma, sigma_prev = self.sigma_pair(timestep)
        denoised, eps = self.predict(model_output, timestep, sample)
        mean, variance = self.posterior(denoised, sample, timestep)
        if sigma_prev == 0:
            return mean
        std = math.sqrt(variance)
        if self.variance_type == "fixed_large":
            std = math.sqrt((sigma - sigma_prev) * (sigma + sigma_prev) / (sigma ** 2 + 1))
        return mean + std * self._noise(sample, generator, variance_noise)


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError("eta is between 0 and 1")
        sigma, sigma_prev = self.sigma_pair(timestep)
        denoised, d = self.predict(model_output, timestep, sample)
        sigma_down, sigma_up = get_ancestral_step(sigma, sigma_prev, eta)
        x = denoised + sigma * d  # x_t in the space of sigmas
        x = x + d * (sigma_down - sigma)
        if sigma_up > 0:
            x = x + sigma_up * self._noise(sample, generator, variance_noise)
        return x / math.sqrt(sigma_prev ** 2 + 1)
