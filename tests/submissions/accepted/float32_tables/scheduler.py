# All tables and all coefficients in float32, nothing is ever computed with more digits.
import math
import torch


def make_betas(schedule, T, start, end):
    if schedule == "linear":
        return torch.linspace(start, end, T)
    if schedule == "scaled_linear":
        return torch.linspace(math.sqrt(start), math.sqrt(end), T) ** 2
    if schedule == "cosine":
        # the skeleton asks for double precision here: 1 - f(next)/f(this) loses too many digits otherwise
        u = torch.linspace(0, 1, T + 1, dtype=torch.float64)
        f = torch.cos((u + 0.008) / 1.008 * math.pi * 0.5).pow(2)
        return torch.clip(1 - f[1:] / f[:-1], max=0.999).float()
    raise ValueError("beta_schedule must be 'linear', 'scaled_linear' or 'cosine'")


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        if prediction_type not in {"epsilon", "v_prediction"}:
            raise ValueError("prediction_type must be 'epsilon' or 'v_prediction'")
        if variance_type not in {"fixed_small", "fixed_large"}:
            raise ValueError("variance_type must be 'fixed_small' or 'fixed_large'")
        self.num_train_timesteps = num_train_timesteps
        self.prediction_type = prediction_type
        self.variance_type = variance_type
        self.clip_sample = clip_sample
        self.betas = make_betas(beta_schedule, num_train_timesteps, beta_start, beta_end)
        self.alphas = 1.0 - self.betas
        self.alphas_cumprod = torch.cumprod(self.alphas, dim=0)
        self.one_minus_alphas_cumprod = 1.0 - self.alphas_cumprod
        self.timesteps = torch.arange(num_train_timesteps - 1, -1, -1, dtype=torch.int64)

    def add_noise(self, original_samples, noise, timesteps):
        a = self.alphas_cumprod.to(original_samples)[timesteps][:, None, None, None]
        b = self.one_minus_alphas_cumprod.to(original_samples)[timesteps][:, None, None, None]
        return torch.sqrt(a) * original_samples + torch.sqrt(b) * noise

    def get_velocity(self, sample, noise, timesteps):
        a = self.alphas_cumprod.to(sample)[timesteps][:, None, None, None]
        b = self.one_minus_alphas_cumprod.to(sample)[timesteps][:, None, None, None]
        return torch.sqrt(a) * noise - torch.sqrt(b) * sample

    def loss(self, model, original_samples, noise, timesteps):
        noisy = self.add_noise(original_samples, noise, timesteps)
        truth = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise
        difference = (model(noisy, timesteps) - truth).reshape(len(noisy), -1)
        return difference.pow(2).sum(-1) / difference.shape[1]

    def set_timesteps(self, num_inference_steps, device=None):
        if not (0 < num_inference_steps <= self.num_train_timesteps):
            raise ValueError(f"num_inference_steps must be in 1..{self.num_train_timesteps}")
        ratio = self.num_train_timesteps / num_inference_steps
        steps = torch.arange(num_inference_steps, 0, -1) * ratio
        self.timesteps = steps.round().to(torch.int64).to(device) - 1

    def previous_timestep(self, timestep):
        steps = [int(s) for s in self.timesteps]
        try:
            i = steps.index(int(timestep))
        except ValueError:
            raise ValueError(f"timestep {int(timestep)} is not in the list of timesteps") from None
        return (steps + [-1])[i + 1]

    def coefficients(self, timestep, sample):
        t, prev = int(timestep), self.previous_timestep(timestep)
        a_t = self.alphas_cumprod[t]
        a_prev = self.alphas_cumprod[prev] if prev >= 0 else torch.tensor(1.0)
        b_t, b_prev = 1 - a_t, 1 - a_prev
        beta = 1 - a_t / a_prev
        return [c.to(sample) for c in (a_t, b_t, a_prev, b_prev, beta)]

    def predict(self, model_output, timestep, sample):
        a, b, _, _, _ = self.coefficients(timestep, sample)
        if self.prediction_type == "epsilon":
            x0 = (sample - torch.sqrt(b) * model_output) / torch.sqrt(a)
            eps = model_output.clone()
        else:
            x0 = torch.sqrt(a) * sample - torch.sqrt(b) * model_output
            eps = torch.sqrt(a) * model_output + torch.sqrt(b) * sample
        if self.clip_sample:
            x0 = torch.clamp(x0, -1.0, 1.0)
            eps = (sample - torch.sqrt(a) * x0) / torch.sqrt(b)
        return x0, eps

    def posterior(self, original_samples, sample, timestep):
        a, b, a_prev, b_prev, beta = self.coefficients(timestep, sample)
        mean = torch.sqrt(a_prev) * beta / b * original_samples + torch.sqrt(1 - beta) * b_prev / b * sample
        return mean, b_prev / b * beta

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        beta = self.coefficients(timestep, sample)[-1]
        x0, _ = self.predict(model_output, timestep, sample)
        mean, variance = self.posterior(x0, sample, timestep)
        if self.variance_type == "fixed_large":
            variance = beta
        if variance_noise is None:
            variance_noise = torch.randn(sample.shape, generator=generator, dtype=sample.dtype, device=sample.device)
        if self.previous_timestep(timestep) == -1:
            variance = 0 * variance
        return mean + torch.sqrt(variance) * variance_noise


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0.0 <= eta <= 1.0:
            raise ValueError("eta must be in [0, 1]")
        a, b, a_prev, b_prev, beta = self.coefficients(timestep, sample)
        x0, eps = self.predict(model_output, timestep, sample)
        sigma = eta * torch.sqrt(b_prev / b * beta)
        if variance_noise is None:
            variance_noise = torch.randn(sample.shape, generator=generator, dtype=sample.dtype, device=sample.device)
        return torch.sqrt(a_prev) * x0 + torch.sqrt(b_prev - sigma ** 2) * eps + sigma * variance_noise
