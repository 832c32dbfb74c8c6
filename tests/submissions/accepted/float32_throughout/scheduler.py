# nobody thinks about dtypes here: torch's default float32 for all tables, cosine included
import torch
import math

class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        self.num_train_timesteps = num_train_timesteps
        self.prediction_type = prediction_type
        self.variance_type = variance_type
        self.clip_sample = clip_sample
        if prediction_type not in ("epsilon", "v_prediction"): raise ValueError("epsilon or v_prediction")
        if variance_type not in ("fixed_small", "fixed_large"): raise ValueError("fixed_small or fixed_large")
        if beta_schedule == "linear":
            self.betas = torch.linspace(beta_start, beta_end, num_train_timesteps)
        elif beta_schedule == "scaled_linear":
            self.betas = torch.linspace(beta_start**0.5, beta_end**0.5, num_train_timesteps)**2
        elif beta_schedule == "cosine":
            t = torch.arange(num_train_timesteps + 1) / num_train_timesteps
            f = torch.cos((t + 0.008) / 1.008 * math.pi / 2)**2
            self.betas = torch.clamp(1 - f[1:] / f[:-1], max=0.999)
        else:
            raise ValueError("linear, scaled_linear or cosine")
        self.alphas = 1 - self.betas
        self.alphas_cumprod = torch.cumprod(self.alphas, 0)
        self.timesteps = torch.arange(num_train_timesteps - 1, -1, -1)

    def add_noise(self, original_samples, noise, timesteps):
        a = self.alphas_cumprod.to(timesteps.device)[timesteps].view(-1, 1, 1, 1).to(original_samples)
        return a.sqrt() * original_samples + (1 - a).sqrt() * noise

    def get_velocity(self, sample, noise, timesteps):
        a = self.alphas_cumprod.to(timesteps.device)[timesteps].view(-1, 1, 1, 1).to(sample)
        return a.sqrt() * noise - (1 - a).sqrt() * sample

    def loss(self, model, original_samples, noise, timesteps):
        off = model(self.add_noise(original_samples, noise, timesteps), timesteps)
        off = off - (self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise)
        return torch.linalg.vector_norm(off.flatten(start_dim=1), dim=1) ** 2 / off[0].numel()

    def set_timesteps(self, num_inference_steps, device=None):
        if num_inference_steps < 1 or num_inference_steps > self.num_train_timesteps:
            raise ValueError("1 to T steps")
        self.timesteps = (torch.linspace(self.num_train_timesteps, 0, num_inference_steps + 1)[:-1].round() - 1).long().to(device)

    def previous_timestep(self, timestep):
        steps = self.timesteps.tolist()
        if int(timestep) not in steps: raise ValueError("not in the list of timesteps")
        i = steps.index(int(timestep))
        return steps[i + 1] if i + 1 < len(steps) else -1

    def get_alphas(self, timestep):
        prev = self.previous_timestep(timestep)
        a = self.alphas_cumprod[int(timestep)]
        a_prev = self.alphas_cumprod[prev] if prev >= 0 else torch.tensor(1.0)
        return a, a_prev

    def predict(self, model_output, timestep, sample):
        a, _ = self.get_alphas(timestep)
        if self.prediction_type == "epsilon":
            x0 = (sample - (1 - a).sqrt() * model_output) / a.sqrt()
            eps = model_output
        else:
            x0 = a.sqrt() * sample - (1 - a).sqrt() * model_output
            eps = a.sqrt() * model_output + (1 - a).sqrt() * sample
        if self.clip_sample:
            x0 = x0.clamp(-1, 1)
            eps = (sample - a.sqrt() * x0) / (1 - a).sqrt()
        return x0, eps

    def posterior(self, original_samples, sample, timestep):
        a, a_prev = self.get_alphas(timestep)
        alpha = a / a_prev
        beta = 1 - alpha
        mean = a_prev.sqrt() * beta / (1 - a) * original_samples + alpha.sqrt() * (1 - a_prev) / (1 - a) * sample
        var = (1 - a_prev) / (1 - a) * beta
        return mean, var.to(sample)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        a, a_prev = self.get_alphas(timestep)
        x0, eps = self.predict(model_output, timestep, sample)
        mean, var = self.posterior(x0, sample, timestep)
        if self.variance_type == "fixed_large":
            var = 1 - a / a_prev
        if self.previous_timestep(timestep) < 0:
            return mean
        if variance_noise is None:
            variance_noise = torch.randn(sample.shape, generator=generator, device=sample.device, dtype=sample.dtype)
        return mean + var.sqrt() * variance_noise

class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if eta < 0 or eta > 1: raise ValueError("eta must be 0 to 1")
        a, a_prev = self.get_alphas(timestep)
        x0, eps = self.predict(model_output, timestep, sample)
        sigma = eta * ((1 - a_prev) / (1 - a) * (1 - a / a_prev)).sqrt()
        x = a_prev.sqrt() * x0 + (1 - a_prev - sigma**2).sqrt() * eps
        if eta > 0:
            if variance_noise is None:
                variance_noise = torch.randn(sample.shape, generator=generator, device=sample.device, dtype=sample.dtype)
            x = x + sigma * variance_noise
        return x
