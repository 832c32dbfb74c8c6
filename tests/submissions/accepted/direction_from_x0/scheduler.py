"""DDIM written with x_t and x0_hat only: "the direction pointing to x_t" is (x_t - sqrt(abar) x0_hat) / sqrt(1 - abar).

The same for DDPM's step: epsilon_hat is not used anywhere but in what predict returns.
"""
import torch

PI = 3.141592653589793


def betas_of(name, T, first, last):
    i = torch.arange(T, dtype=torch.float64)
    if name == "linear":
        return torch.lerp(torch.tensor(first, dtype=torch.float64), torch.tensor(last, dtype=torch.float64), i / (T - 1))
    if name == "scaled_linear":
        return ((1 - i / (T - 1)) * first ** 0.5 + i / (T - 1) * last ** 0.5) ** 2
    if name == "cosine":
        def angle(k):
            return (k / T + 0.008) / 1.008 * PI / 2
        beta = 1 - (angle(i + 1).cos() / angle(i).cos()) ** 2
        beta[beta > 0.999] = 0.999
        return beta
    raise ValueError("accepted as beta_schedule: linear, scaled_linear, cosine. Got: " + str(name))


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        for value, accepted in ((prediction_type, ("epsilon", "v_prediction")),
                                (variance_type, ("fixed_small", "fixed_large"))):
            if value not in accepted:
                raise ValueError(f"accepted are {accepted}. Got: {value}")
        beta = betas_of(beta_schedule, num_train_timesteps, beta_start, beta_end)
        self.betas, self.alphas = beta.to(torch.float32), (1 - beta).to(torch.float32)
        self.alphas_cumprod = torch.cumprod(1 - beta, 0).to(torch.float32)
        self.timesteps = torch.linspace(num_train_timesteps - 1, 0, num_train_timesteps).round().long()
        self.num_train_timesteps, self.prediction_type = num_train_timesteps, prediction_type
        self.variance_type, self.clip_sample = variance_type, clip_sample

    def add_noise(self, original_samples, noise, timesteps):
        signal = self.alphas_cumprod.to(original_samples)[timesteps].view(-1, 1, 1, 1)
        return original_samples * signal ** 0.5 + noise * (1 - signal) ** 0.5

    def get_velocity(self, sample, noise, timesteps):
        # v = (sqrt(abar) x_t - x_0) / sqrt(1 - abar), written with the noisy image
        abar = self.alphas_cumprod.double().to(sample.device)[timesteps].view(-1, 1, 1, 1)
        noisy = abar ** 0.5 * sample.double() + (1 - abar) ** 0.5 * noise.double()
        return ((abar ** 0.5 * noisy - sample) / (1 - abar) ** 0.5).to(sample)

    def loss(self, model, original_samples, noise, timesteps):
        targets = {False: lambda: noise, True: lambda: self.get_velocity(original_samples, noise, timesteps)}
        output = model(self.add_noise(original_samples, noise, timesteps), timesteps)
        return output.sub(targets[self.prediction_type == "v_prediction"]()).square().flatten(1).mean(dim=-1)

    def set_timesteps(self, num_inference_steps, device=None):
        T = self.num_train_timesteps
        if num_inference_steps > T or num_inference_steps < 1:
            raise ValueError(f"accepted are 1 to {T} inference steps. Got: {num_inference_steps}")
        steps = torch.arange(T, 0, -T / num_inference_steps, dtype=torch.float64)[:num_inference_steps]
        self.timesteps = (steps.round() - 1).to(torch.int64).to(device)

    def previous_timestep(self, timestep):
        match = torch.where(self.timesteps == int(timestep))[0]
        if match.numel() != 1:
            raise ValueError(f"accepted are the entries of timesteps. Got: {int(timestep)}")
        position = match.item()
        return -1 if position == len(self.timesteps) - 1 else self.timesteps[position + 1].item()

    def abars(self, timestep):
        t, prev = int(timestep), self.previous_timestep(timestep)
        return self.alphas_cumprod[t].item(), self.alphas_cumprod[prev].item() if prev != -1 else 1.0

    def x0_hat(self, model_output, timestep, sample):
        abar, _ = self.abars(timestep)
        if self.prediction_type == "epsilon":
            x0 = (sample - (1 - abar) ** 0.5 * model_output) / abar ** 0.5
        else:
            x0 = abar ** 0.5 * sample - (1 - abar) ** 0.5 * model_output
        return x0.clamp(-1, 1) if self.clip_sample else x0

    def predict(self, model_output, timestep, sample):
        abar, _ = self.abars(timestep)
        x0 = self.x0_hat(model_output, timestep, sample)
        return x0, (sample - abar ** 0.5 * x0) / (1 - abar) ** 0.5

    def posterior(self, original_samples, sample, timestep):
        abar, prev = self.abars(timestep)
        beta = 1 - abar / prev
        mean = (prev ** 0.5 * beta * original_samples + (abar / prev) ** 0.5 * (1 - prev) * sample) / (1 - abar)
        return mean, torch.tensor((1 - prev) / (1 - abar) * beta).to(sample)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        abar, prev = self.abars(timestep)
        mean, variance = self.posterior(self.x0_hat(model_output, timestep, sample), sample, timestep)
        if prev < 1:
            if self.variance_type == "fixed_large":
                variance = torch.tensor(1 - abar / prev).to(sample)
            if variance_noise is None:
                variance_noise = torch.randn(sample.shape, generator=generator, device=sample.device, dtype=sample.dtype)
            mean = mean + variance ** 0.5 * variance_noise
        return mean


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if eta < 0 or eta > 1:
            raise ValueError(f"accepted is an eta from 0 to 1. Got: {eta}")
        abar, prev = self.abars(timestep)
        x0 = self.x0_hat(model_output, timestep, sample)
        sigma2 = eta ** 2 * (1 - prev) / (1 - abar) * (1 - abar / prev)
        ratio = ((1 - prev - sigma2) / (1 - abar)) ** 0.5
        x = prev ** 0.5 * x0 + ratio * (sample - abar ** 0.5 * x0)
        if sigma2 > 0:
            if variance_noise is None:
                variance_noise = torch.randn(sample.shape, generator=generator, device=sample.device, dtype=sample.dtype)
            x = x + sigma2 ** 0.5 * variance_noise
        return x
