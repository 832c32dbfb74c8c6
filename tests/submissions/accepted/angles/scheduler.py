"""x_t = cos(phi) x_0 + sin(phi) epsilon: a rotation. Everything below is angles."""
import torch


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        T, double = num_train_timesteps, torch.float64
        if beta_schedule == "linear":
            betas = torch.linspace(beta_start, beta_end, T, dtype=double)
        elif beta_schedule == "scaled_linear":
            betas = torch.linspace(beta_start ** 0.5, beta_end ** 0.5, T, dtype=double) ** 2
        elif beta_schedule == "cosine":
            # here the angle itself is almost a straight line
            angle = (torch.arange(T + 1, dtype=double) / T + 0.008) / 1.008 * torch.pi / 2
            betas = (1 - (angle[1:].cos() / angle[:-1].cos()) ** 2).clip(max=0.999)
        else:
            raise ValueError("beta_schedule: linear, scaled_linear, cosine")
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError("prediction_type: epsilon, v_prediction")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError("variance_type: fixed_small, fixed_large")
        abar = (1 - betas).cumprod(0)
        self.phi = torch.atan2((1 - abar).sqrt(), abar.sqrt())
        self.betas, self.alphas, self.alphas_cumprod = betas.float(), (1 - betas).float(), abar.float()
        self.timesteps = torch.arange(T - 1, -1, -1)
        self.T, self.prediction_type, self.clip_sample = T, prediction_type, clip_sample
        self.variance_type = variance_type

    def _phis(self, timesteps, images):
        return self.phi.to(images.device)[timesteps][:, None, None, None].to(images.dtype)

    def add_noise(self, original_samples, noise, timesteps):
        phi = self._phis(timesteps, original_samples)
        return phi.cos() * original_samples + phi.sin() * noise

    def get_velocity(self, sample, noise, timesteps):
        # the derivative of x_t with respect to phi
        phi = self._phis(timesteps, sample)
        return -phi.sin() * sample + phi.cos() * noise

    def loss(self, model, original_samples, noise, timesteps):
        # add_noise and get_velocity are one rotation: v of (x_0, epsilon) is x_t of (epsilon, -x_0)
        x_t = self.add_noise(original_samples, noise, timesteps)
        target = self.add_noise(noise, -original_samples, timesteps) if self.prediction_type == "v_prediction" else noise
        return torch.square(model(x_t, timesteps) - target).mean(dim=[1, 2, 3])

    def set_timesteps(self, num_inference_steps, device=None):
        if not 1 <= num_inference_steps <= self.T:
            raise ValueError(f"num_inference_steps: 1 to {self.T}")
        parts = torch.linspace(self.T, 0, num_inference_steps + 1, dtype=torch.float64)[:-1]
        self.timesteps = (parts.round() - 1).to(device, torch.int64)

    def previous_timestep(self, timestep):
        listed = [*self.timesteps.tolist(), -1]
        if int(timestep) not in listed[:-1]:
            raise ValueError("timestep: one of " + ", ".join(map(str, listed[:-1])))
        return listed[listed.index(int(timestep)) + 1]

    def _two(self, timestep, images):
        previous = self.previous_timestep(timestep)
        now = self.phi[int(timestep)].to(images.device)
        return now, (self.phi[previous] if previous >= 0 else self.phi[0] * 0).to(images.device)

    def predict(self, model_output, timestep, sample):
        phi, _ = self._two(timestep, sample)
        if self.prediction_type == "epsilon":
            x0, eps = sample / phi.cos() - phi.tan() * model_output, model_output
        else:  # rotate back
            x0, eps = phi.cos() * sample - phi.sin() * model_output, phi.sin() * sample + phi.cos() * model_output
        if self.clip_sample:
            x0 = x0.clamp(-1, 1)
            eps = sample / phi.sin() - x0 / phi.tan()
        return x0, eps

    def _tilde(self, now, before):
        # beta = 1 - cos^2(now) / cos^2(before) = sin(now - before) sin(now + before) / cos^2(before)
        beta = (now - before).sin() * (now + before).sin() / before.cos() ** 2
        return beta, (before.sin() / now.sin()) ** 2 * beta

    def posterior(self, original_samples, sample, timestep):
        now, before = self._two(timestep, sample)
        beta, tilde = self._tilde(now, before)
        mean = before.cos() * beta / now.sin() ** 2 * original_samples
        mean = mean + now.cos() / before.cos() * (before.sin() / now.sin()) ** 2 * sample
        return mean, tilde.to(sample.dtype)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        now, before = self._two(timestep, sample)
        beta, tilde = self._tilde(now, before)
        x, _ = self.posterior(self.predict(model_output, timestep, sample)[0], sample, timestep)
        if before > 0:
            std = (tilde if self.variance_type == "fixed_small" else beta).sqrt()
            x = x + std * self._z(sample, generator, variance_noise)
        return x

    def _z(self, sample, generator, variance_noise):
        if variance_noise is None:
            return torch.randn(sample.shape, generator=generator, device=sample.device, dtype=sample.dtype)
        return variance_noise


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError("eta: 0 to 1")
        now, before = self._two(timestep, sample)
        x0, eps = self.predict(model_output, timestep, sample)
        sigma = eta * self._tilde(now, before)[1].sqrt()
        keep = torch.sqrt(((before.sin() - sigma) * (before.sin() + sigma)).clamp(min=0))
        x = before.cos() * x0 + keep * eps
        if eta > 0:
            x = x + sigma * self._z(sample, generator, variance_noise)
        return x
