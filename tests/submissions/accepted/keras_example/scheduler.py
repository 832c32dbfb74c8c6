"""In the manner of the Keras example on DDIM: noise_rates and signal_rates, denoise, reverse_diffusion. The rates are
float32 tables, and so is everything else; only sums like 1 - rate**2 are avoided by keeping both rates."""
import math

import torch


class DDPMScheduler:
    max_beta = 0.999

    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError("the network predicts epsilon or v_prediction")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError("the variance is fixed_small or fixed_large")
        self.network_predicts, self.variance_type, self.clip_sample = prediction_type, variance_type, clip_sample
        self.total = num_train_timesteps
        self.betas, abar = self.diffusion_schedule(beta_schedule, beta_start, beta_end)
        self.alphas = 1.0 - self.betas
        self.alphas_cumprod = abar.to(torch.float32)
        self.signal_rates = torch.sqrt(abar).to(torch.float32)
        self.noise_rates = torch.sqrt(1.0 - abar).to(torch.float32)
        self.timesteps = torch.arange(self.total - 1, -1, -1)

    def diffusion_schedule(self, name, start, end):
        """float32 betas, and float64 abar from them."""
        if name == "linear":
            betas = torch.linspace(start, end, self.total)
        elif name == "scaled_linear":
            betas = torch.linspace(start ** 0.5, end ** 0.5, self.total) ** 2
        elif name == "cosine":
            diffusion_times = torch.arange(self.total + 1) / self.total
            diffusion_angles = (diffusion_times + 0.008) / 1.008 * math.pi / 2
            signal_rates = torch.cos(diffusion_angles)
            betas = 1.0 - torch.square(signal_rates[1:] / signal_rates[:-1])
            betas = torch.clip(betas, max=self.max_beta)
        else:
            raise ValueError("the schedule is linear, scaled_linear or cosine")
        return betas, torch.cumprod(1.0 - betas.double(), 0)

    def rates(self, timesteps, images):
        gather = lambda table: torch.take(table.to(images), timesteps).reshape(-1, 1, 1, 1)
        return gather(self.noise_rates), gather(self.signal_rates)

    def add_noise(self, original_samples, noise, timesteps):
        noise_rates, signal_rates = self.rates(timesteps, original_samples)
        return signal_rates * original_samples + noise_rates * noise

    def get_velocity(self, sample, noise, timesteps):
        noise_rates, signal_rates = self.rates(timesteps, sample)
        return signal_rates * noise - noise_rates * sample

    def loss(self, model, original_samples, noise, timesteps):
        pixels = torch.nn.MSELoss(reduction="none")
        target = self.get_velocity(original_samples, noise, timesteps) if self.network_predicts == "v_prediction" else noise
        losses = pixels(model(self.add_noise(original_samples, noise, timesteps), timesteps), target)
        for _ in range(3):
            losses = losses.mean(dim=-1)
        return losses

    def set_timesteps(self, num_inference_steps, device=None):
        if num_inference_steps < 1 or num_inference_steps > self.total:
            raise ValueError(f"from 1 to {self.total} diffusion steps")
        step_size = 1.0 / num_inference_steps
        diffusion_times = [1.0 - step * step_size for step in range(num_inference_steps)]
        self.timesteps = torch.tensor([round(self.total * d) - 1 for d in diffusion_times], device=device)

    def previous_timestep(self, timestep):
        steps = self.timesteps.tolist()
        if not int(timestep) in steps:
            raise ValueError("not one of the diffusion times")
        return -1 if steps[-1] == int(timestep) else steps[steps.index(int(timestep)) + 1]

    def rates_of(self, timestep, images):
        """(noise rate, signal rate), 0-d, in the images' dtype."""
        if timestep < 0:
            return images.new_zeros(()), images.new_ones(())
        return self.noise_rates[int(timestep)].to(images), self.signal_rates[int(timestep)].to(images)

    def denoise(self, noisy_images, prediction, noise_rate, signal_rate):
        if self.network_predicts == "epsilon":
            pred_noises = prediction
            pred_images = (noisy_images - noise_rate * pred_noises) / signal_rate
        else:
            pred_images = signal_rate * noisy_images - noise_rate * prediction
            pred_noises = noise_rate * noisy_images + signal_rate * prediction
        if self.clip_sample:
            pred_images = torch.clip(pred_images, -1.0, 1.0)
            pred_noises = (noisy_images - signal_rate * pred_images) / noise_rate
        return pred_noises, pred_images

    def predict(self, model_output, timestep, sample):
        self.previous_timestep(timestep)
        pred_noises, pred_images = self.denoise(sample, model_output, *self.rates_of(timestep, sample))
        return pred_images, pred_noises

    def step_rate(self, noise_rate, signal_rate, next_noise_rate, next_signal_rate):
        """Root of beta. In float32, 1 - alpha would lose most of its digits: it is a cross product of the rates."""
        ahead, behind = noise_rate * next_signal_rate, signal_rate * next_noise_rate
        return torch.sqrt((ahead - behind) * (ahead + behind)) / next_signal_rate

    def posterior(self, original_samples, sample, timestep):
        noise_rate, signal_rate = self.rates_of(timestep, sample)
        next_noise_rate, next_signal_rate = self.rates_of(self.previous_timestep(timestep), sample)
        step_rate = self.step_rate(noise_rate, signal_rate, next_noise_rate, next_signal_rate)
        kept = next_noise_rate / noise_rate
        mean = next_signal_rate * torch.square(step_rate / noise_rate) * original_samples
        mean = mean + signal_rate / next_signal_rate * kept * kept * sample
        return mean, torch.square(kept * step_rate)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        pred_images, _ = self.predict(model_output, timestep, sample)
        mean, variance = self.posterior(pred_images, sample, timestep)
        next_step = self.previous_timestep(timestep)
        if next_step < 0:
            return mean
        rate = torch.sqrt(variance)
        if self.variance_type == "fixed_large":
            rate = self.step_rate(*self.rates_of(timestep, sample), *self.rates_of(next_step, sample))
        return mean + rate * self.normal(sample, generator, variance_noise)

    def normal(self, images, generator, given):
        if given is not None:
            return given
        return torch.randn(images.shape, generator=generator, device=images.device, dtype=images.dtype)


class DDIMScheduler(DDPMScheduler):
    def reverse_diffusion(self, noisy_images, pred_noises, pred_images, rates, next_rates, eta, noise):
        fresh = eta * next_rates[0] / rates[0] * self.step_rate(*rates, *next_rates)
        old = torch.sqrt((next_rates[0] - fresh) * (next_rates[0] + fresh))
        return next_rates[1] * pred_images + old * pred_noises + fresh * noise

    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0.0 <= eta <= 1.0:
            raise ValueError("eta is from 0 to 1")
        pred_images, pred_noises = self.predict(model_output, timestep, sample)
        rates, next_rates = self.rates_of(timestep, sample), self.rates_of(self.previous_timestep(timestep), sample)
        noise = self.normal(sample, generator, variance_noise)
        return self.reverse_diffusion(sample, pred_noises, pred_images, rates, next_rates, eta, noise)
