"""As long as nothing is clipped, a step is linear in x_t, the network's output and the noise: three numbers per timestep,
worked out in float64, and one line of arithmetic on images. With clipping it is linear in x0_hat instead of the output."""
import torch


def polynomial(x, *coefficients):
    """Horner's scheme."""
    value = torch.zeros_like(x)
    for c in coefficients:
        value = value * x + c
    return value


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        t = torch.arange(num_train_timesteps, dtype=torch.float64) / (num_train_timesteps - 1)
        if beta_schedule == "linear":
            betas = polynomial(t, beta_end - beta_start, beta_start)
        elif beta_schedule == "scaled_linear":
            slope = beta_end ** 0.5 - beta_start ** 0.5
            betas = polynomial(t, slope ** 2, 2 * slope * beta_start ** 0.5, beta_start)
        elif beta_schedule == "cosine":
            edges = (torch.linspace(0, 1, num_train_timesteps + 1, dtype=torch.float64) + 0.008) / 1.008
            f = torch.sin((1 - edges) * torch.pi / 2) ** 2
            betas = torch.fmin(1 - f[1:] / f[:-1], torch.tensor(0.999))
        else:
            raise ValueError("beta_schedule, known: linear, scaled_linear, cosine")
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError("prediction_type, known: epsilon, v_prediction")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError("variance_type, known: fixed_small, fixed_large")
        self.prediction_type, self.variance_type, self.clip_sample = prediction_type, variance_type, clip_sample
        self.bar = (1 - betas).cumprod(0)
        self.betas = betas.float()
        self.alphas = (1 - betas).float()
        self.alphas_cumprod = self.bar.float()
        self.timesteps = torch.arange(num_train_timesteps).sub(num_train_timesteps - 1).neg()

    def add_noise(self, original_samples, noise, timesteps):
        bar = self.bar.to(noise.device)[timesteps].view(-1, 1, 1, 1)
        out = original_samples.mul(bar.sqrt().to(noise.dtype))
        return out.addcmul(noise, (1 - bar).sqrt().to(noise.dtype))

    def get_velocity(self, sample, noise, timesteps):
        bar = self.bar.to(noise.device)[timesteps].view(-1, 1, 1, 1)
        out = noise.mul(bar.sqrt().to(noise.dtype))
        return out.addcmul(sample, (1 - bar).sqrt().to(noise.dtype), value=-1)

    def loss(self, model, original_samples, noise, timesteps):
        off = model(self.add_noise(original_samples, noise, timesteps), timesteps)
        off = off - (self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise)
        return torch.linalg.vector_norm(off.flatten(start_dim=1), dim=1) ** 2 / off[0].numel()

    def set_timesteps(self, num_inference_steps, device=None):
        T = len(self.bar)
        if num_inference_steps > T or num_inference_steps < 1:
            raise ValueError(f"num_inference_steps, known: 1 to {T}")
        marks = torch.linspace(0, T, num_inference_steps + 1, dtype=torch.float64)[1:].flip(0)
        self.timesteps = (marks.round() - 1).to(dtype=torch.int64, device=device)

    def previous_timestep(self, timestep):
        steps = self.timesteps.tolist()
        if int(timestep) not in steps:
            raise ValueError(f"timestep, known: {steps}")
        return {**dict(zip(steps, steps[1:])), steps[-1]: -1}[int(timestep)]

    def _bars(self, timestep):
        previous = self.previous_timestep(timestep)
        return self.bar[int(timestep)].item(), self.bar[previous].item() if previous >= 0 else 1.0

    def _x0_weights(self, timestep):
        """x0_hat = k x_t + l output"""
        now, _ = self._bars(timestep)
        if self.prediction_type == "epsilon":
            return now ** -0.5, -((1 / now - 1) ** 0.5)
        return now ** 0.5, -((1 - now) ** 0.5)

    def _eps_weights(self, timestep):
        """epsilon_hat = k x_t + l x0_hat"""
        now, _ = self._bars(timestep)
        return (1 - now) ** -0.5, -((now / (1 - now)) ** 0.5)

    def predict(self, model_output, timestep, sample):
        now, _ = self._bars(timestep)
        k, l = self._x0_weights(timestep)
        x0 = k * sample + l * model_output
        if self.clip_sample:
            x0 = x0.clip(-1, 1)
            k, l = self._eps_weights(timestep)
            return x0, k * sample + l * x0
        if self.prediction_type == "epsilon":
            return x0, model_output
        return x0, (1 - now) ** 0.5 * sample + now ** 0.5 * model_output

    def _mean_weights(self, timestep):
        """Of x_0 and x_t in the posterior's mean, and its variance."""
        now, before = self._bars(timestep)
        beta = (before - now) / before
        return before ** 0.5 * beta / (1 - now), (now / before) ** 0.5 * (1 - before) / (1 - now), beta * (1 - before) / (1 - now)

    def posterior(self, original_samples, sample, timestep):
        on_x0, on_x, variance = self._mean_weights(timestep)
        return on_x0 * original_samples + on_x * sample, torch.tensor(variance, dtype=sample.dtype, device=sample.device)

    def _apply(self, on_x0, on_x, std, model_output, timestep, sample, generator, z):
        k, l = self._x0_weights(timestep)
        if self.clip_sample:
            out = on_x * sample + on_x0 * (k * sample + l * model_output).clip(-1, 1)
        else:
            out = (on_x + on_x0 * k) * sample + (on_x0 * l) * model_output
        if std == 0:
            return out
        if z is None:
            z = torch.randn(sample.shape, generator=generator, dtype=sample.dtype, device=sample.device)
        return out + std * z

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        on_x0, on_x, variance = self._mean_weights(timestep)
        now, before = self._bars(timestep)
        if self.variance_type == "fixed_large" and before < 1:
            variance = (before - now) / before
        return self._apply(on_x0, on_x, variance ** 0.5, model_output, timestep, sample, generator, variance_noise)


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError("eta, known: 0 to 1")
        _, before = self._bars(timestep)
        sigma = eta * self._mean_weights(timestep)[2] ** 0.5
        k, l = self._eps_weights(timestep)
        direction = max(1 - before - sigma ** 2, 0) ** 0.5
        on_x0, on_x = before ** 0.5 + direction * l, direction * k
        return self._apply(on_x0, on_x, sigma, model_output, timestep, sample, generator, variance_noise)
