"""Right shapes and kinds, and nothing in them."""
import torch


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, **settings):
        self.betas = self.alphas = self.alphas_cumprod = torch.zeros(num_train_timesteps)
        self.timesteps = torch.zeros(num_train_timesteps, dtype=torch.int64)

    def set_timesteps(self, num_inference_steps, device=None):
        self.timesteps = torch.zeros(num_inference_steps, dtype=torch.int64, device=device)

    def previous_timestep(self, timestep):
        return 0

    def add_noise(self, original_samples, noise, timesteps):
        return torch.zeros_like(noise)

    get_velocity = add_noise

    def loss(self, model, original_samples, noise, timesteps):
        return 0 * model(noise, timesteps).flatten(1).sum(1)

    def predict(self, model_output, timestep, sample):
        return torch.zeros_like(sample), torch.zeros_like(sample)

    def posterior(self, original_samples, sample, timestep):
        return torch.zeros_like(sample), torch.zeros(()).to(sample)

    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        return torch.zeros_like(sample)


class DDIMScheduler(DDPMScheduler):
    pass


class FlowMatchScheduler(DDPMScheduler):
    pass


def guided(conditional, unconditional, scale):
    return torch.zeros_like(conditional)


def inpaint(model, scheduler, known, mask, noise):
    return torch.where(mask, known, noise)
