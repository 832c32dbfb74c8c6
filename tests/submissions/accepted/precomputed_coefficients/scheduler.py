"""Every coefficient is looked up: the tables are rebuilt whenever the list of timesteps changes."""
import math

import torch


class DDPMScheduler:

    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        if beta_schedule not in ("linear", "scaled_linear", "cosine"):
            raise ValueError("beta_schedule: 'linear' | 'scaled_linear' | 'cosine'")
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError("prediction_type: 'epsilon' | 'v_prediction'")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError("variance_type: 'fixed_small' | 'fixed_large'")
        self.num_train_timesteps = num_train_timesteps
        self.prediction_type = prediction_type
        self.variance_type = variance_type
        self.clip_sample = clip_sample

        if beta_schedule == "linear":
            betas = torch.linspace(beta_start, beta_end, num_train_timesteps, dtype=torch.float64)
        elif beta_schedule == "scaled_linear":
            betas = torch.linspace(math.sqrt(beta_start), math.sqrt(beta_end), num_train_timesteps, dtype=torch.float64)
            betas = betas * betas
        else:
            betas = []
            for i in range(num_train_timesteps):
                now, after = i / num_train_timesteps, (i + 1) / num_train_timesteps
                ratio = math.cos((after + 0.008) / 1.008 * math.pi / 2) ** 2
                ratio /= math.cos((now + 0.008) / 1.008 * math.pi / 2) ** 2
                betas.append(min(1 - ratio, 0.999))
            betas = torch.tensor(betas, dtype=torch.float64)

        alphas = 1 - betas
        bar = torch.cumprod(alphas, dim=0)
        self.betas = betas.to(torch.float32)
        self.alphas = alphas.to(torch.float32)
        self.alphas_cumprod = bar.to(torch.float32)
        self._bar = bar
        self.sqrt_alphas_cumprod = torch.sqrt(bar).to(torch.float32)
        self.sqrt_one_minus_alphas_cumprod = torch.sqrt(1 - bar).to(torch.float32)
        self.timesteps = torch.arange(num_train_timesteps - 1, -1, -1)
        self._rebuild()

    def _rebuild(self):
        """Tables over the positions of the list, float32."""
        steps = self.timesteps.cpu()
        bar = self._bar[steps]
        bar_prev = torch.cat([bar[1:], bar.new_ones(1)])
        alpha = bar / bar_prev
        beta = 1 - alpha
        tilde = beta * (1 - bar_prev) / (1 - bar)
        self._rows = {int(t): i for i, t in enumerate(steps)}
        self._following = steps.tolist()[1:] + [-1]
        self.table = {
            "signal": bar.sqrt(),
            "spread": (1 - bar).sqrt(),
            "recip_signal": bar.rsqrt(),
            "recip_m1": (1 / bar - 1).sqrt(),
            "mean_x0": bar_prev.sqrt() * beta / (1 - bar),
            "mean_xt": alpha.sqrt() * (1 - bar_prev) / (1 - bar),
            "tilde": tilde,
            "std_small": tilde.sqrt(),
            "std_large": beta.sqrt(),
            "signal_prev": bar_prev.sqrt(),
            "rest_prev": 1 - bar_prev,
        }
        self.table = {name: values.float() for name, values in self.table.items()}

    def _row(self, timestep):
        row = self._rows.get(int(timestep))
        if row is None:
            raise ValueError(f"{int(timestep)} is not in self.timesteps")
        return row

    def _look(self, name, timestep, sample):
        return self.table[name][self._row(timestep)].to(sample.device, sample.dtype)

    def add_noise(self, original_samples, noise, timesteps):
        shape = (len(timesteps), 1, 1, 1)
        signal = self.sqrt_alphas_cumprod.to(timesteps.device)[timesteps].reshape(shape)
        spread = self.sqrt_one_minus_alphas_cumprod.to(timesteps.device)[timesteps].reshape(shape)
        return (signal * original_samples + spread * noise).to(original_samples.dtype)

    def get_velocity(self, sample, noise, timesteps):
        shape = (len(timesteps), 1, 1, 1)
        signal = self.sqrt_alphas_cumprod.to(timesteps.device)[timesteps].reshape(shape)
        spread = self.sqrt_one_minus_alphas_cumprod.to(timesteps.device)[timesteps].reshape(shape)
        return (signal * noise - spread * sample).to(sample.dtype)

    def loss(self, model, original_samples, noise, timesteps):
        wanted = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise
        off = wanted - model(self.add_noise(original_samples, noise, timesteps), timesteps)
        return torch.einsum("bchw,bchw->b", off, off) / off[0].numel()

    def set_timesteps(self, num_inference_steps, device=None):
        if num_inference_steps < 1 or num_inference_steps > self.num_train_timesteps:
            raise ValueError(f"num_inference_steps: 1 to {self.num_train_timesteps}")
        stride = self.num_train_timesteps / num_inference_steps
        steps = [round(self.num_train_timesteps - i * stride) - 1 for i in range(num_inference_steps)]
        self.timesteps = torch.tensor(steps, device=device)
        self._rebuild()

    def previous_timestep(self, timestep):
        return self._following[self._row(timestep)]

    def predict(self, model_output, timestep, sample):
        signal, spread = self._look("signal", timestep, sample), self._look("spread", timestep, sample)
        if self.prediction_type == "epsilon":
            x0 = self._look("recip_signal", timestep, sample) * sample
            x0 = x0 - self._look("recip_m1", timestep, sample) * model_output
            eps = model_output
        else:
            x0 = signal * sample - spread * model_output
            eps = spread * sample + signal * model_output
        if self.clip_sample:
            x0 = x0.clamp(-1., 1.)
            eps = (sample - signal * x0) / spread
        return x0, eps

    def posterior(self, original_samples, sample, timestep):
        mean = self._look("mean_x0", timestep, sample) * original_samples
        mean = mean + self._look("mean_xt", timestep, sample) * sample
        return mean, self._look("tilde", timestep, sample)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        x0, _ = self.predict(model_output, timestep, sample)
        mean, _ = self.posterior(x0, sample, timestep)
        if self.previous_timestep(timestep) == -1:
            return mean
        std = self._look("std_small" if self.variance_type == "fixed_small" else "std_large", timestep, sample)
        return mean + std * noise_or(variance_noise, sample, generator)


class DDIMScheduler(DDPMScheduler):

    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if eta > 1 or eta < 0:
            raise ValueError("eta: 0 to 1")
        x0, eps = self.predict(model_output, timestep, sample)
        sigma = eta * self._look("std_small", timestep, sample)
        direction = torch.sqrt(torch.relu(self._look("rest_prev", timestep, sample) - sigma * sigma))
        mean = self._look("signal_prev", timestep, sample) * x0 + direction * eps
        return mean + sigma * noise_or(variance_noise, sample, generator)


def noise_or(given, sample, generator):
    if given is not None:
        return given
    return torch.randn(sample.size(), generator=generator, device=sample.device, dtype=sample.dtype)
