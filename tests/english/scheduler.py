"""Wrong in as many ways as there are kinds of messages, and never in the digits of a number."""

import torch


class DDPMScheduler:
    def __init__(
        self,
        num_train_timesteps=1000,
        beta_schedule="linear",
        beta_start=1e-4,
        beta_end=0.02,
        prediction_type="epsilon",
        variance_type="fixed_small",
        clip_sample=True,
    ):
        T = num_train_timesteps
        if beta_schedule == "scaled_linear":
            raise NotImplementedError("TODO 1.2")
        if beta_schedule == "cosine":
            print("cosine of", num_train_timesteps)
            return undefined_name  # noqa: F821
        if beta_schedule != "linear" or variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError(beta_schedule)
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError(prediction_type)
        betas = torch.linspace(beta_start, beta_end, T, dtype=torch.float64)
        self.T, self.betas, self.alphas = T, betas.float(), (1 - betas).float()
        self.alphas_cumprod = torch.cumprod(1 - betas, 0).float()
        self.timesteps = torch.arange(T - 1, -1, -1)

    def set_timesteps(self, num_inference_steps, device=None):
        if not 1 <= num_inference_steps <= self.T:
            raise ValueError(num_inference_steps)
        spaced = torch.linspace(self.T - 1, 0, num_inference_steps, dtype=torch.float64)
        self.timesteps = spaced.round().long().to(device)

    def previous_timestep(self, timestep):
        later = self.timesteps[self.timesteps < timestep]
        return later[0] if len(later) else -1

    def add_noise(self, original_samples, noise, timesteps):
        return original_samples.double() + noise

    def get_velocity(self, sample, noise, timesteps):
        return (noise - sample).numpy()

    def predict(self, model_output, timestep, sample):
        return sample

    def posterior(self, original_samples, sample, timestep):
        pass

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        mean, variance = self.posterior(model_output, sample, timestep)
        return mean


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        return float("nan") * sample
