"""Products become sums: log alpha-bar, and the signal-to-noise ratio instead of differences of numbers near 1."""
import torch
import torch.nn.functional as F


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        if beta_schedule == "linear":
            betas = torch.linspace(beta_start, beta_end, num_train_timesteps, dtype=torch.float64)
        elif beta_schedule == "scaled_linear":
            log_start, log_end = (torch.tensor(b, dtype=torch.float64).log() for b in (beta_start, beta_end))
            roots = torch.linspace(float((log_start / 2).exp()), float((log_end / 2).exp()), num_train_timesteps).double()
            betas = roots.log().mul(2).exp()
        elif beta_schedule == "cosine":
            u = torch.arange(num_train_timesteps + 1, dtype=torch.float64) / num_train_timesteps
            log_f = 2 * torch.log(torch.cos((u + 0.008) / 1.008 * torch.pi / 2))
            betas = torch.clamp(-torch.expm1(log_f.diff()), max=0.999)
        else:
            raise ValueError(f"beta_schedule is {beta_schedule!r}; it has to be linear, scaled_linear or cosine")
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError(f"prediction_type is {prediction_type!r}; it has to be epsilon or v_prediction")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError(f"variance_type is {variance_type!r}; it has to be fixed_small or fixed_large")
        self.prediction_type, self.variance_type, self.clip_sample = prediction_type, variance_type, clip_sample
        self.T = num_train_timesteps
        self.log_abar = torch.log1p(-betas).cumsum(0)
        self.betas = betas.float()
        self.alphas = torch.exp(torch.log1p(-betas)).float()
        self.alphas_cumprod = torch.exp(self.log_abar).float()
        self.timesteps = torch.arange(self.T).sub(self.T - 1).abs()

    @staticmethod
    def log_1m(log_x):
        """log(1 - x) from log(x)."""
        return torch.log(-torch.expm1(log_x))

    def _amplitudes(self, timesteps, x):
        log_abar = self.log_abar.to(x.device)[timesteps].reshape([-1] + [1] * (x.dim() - 1))
        return (log_abar / 2).exp().to(x.dtype), (self.log_1m(log_abar) / 2).exp().to(x.dtype)

    def add_noise(self, original_samples, noise, timesteps):
        c_signal, c_noise = self._amplitudes(timesteps, original_samples)
        return c_signal * original_samples + c_noise * noise

    def get_velocity(self, sample, noise, timesteps):
        c_signal, c_noise = self._amplitudes(timesteps, sample)
        return c_signal * noise - c_noise * sample

    def loss(self, model, original_samples, noise, timesteps):
        wanted = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise
        off = wanted - model(self.add_noise(original_samples, noise, timesteps), timesteps)
        return torch.einsum("bchw,bchw->b", off, off) / off[0].numel()

    def set_timesteps(self, num_inference_steps, device=None):
        S = num_inference_steps
        if S < 1 or S > self.T:
            raise ValueError(f"num_inference_steps is {S}; it has to be at least 1 and at most {self.T}")
        self.timesteps = torch.tensor([int(self.T * (S - i) / S + 0.5) - 1 for i in range(S)], device=device)

    def previous_timestep(self, timestep):
        listed = self.timesteps.tolist()
        for here, there in zip(listed, listed[1:] + [-1]):
            if here == int(timestep):
                return there
        raise ValueError(f"timestep is {int(timestep)}; it has to be one of the {len(listed)} timesteps")

    def _logs(self, timestep):
        previous = self.previous_timestep(timestep)
        now = self.log_abar[int(timestep)]
        return now, self.log_abar[previous] if previous >= 0 else torch.zeros_like(now)

    def predict(self, model_output, timestep, sample):
        log_abar, _ = self._logs(timestep)
        c_signal, c_noise = (log_abar / 2).exp().to(sample), (self.log_1m(log_abar) / 2).exp().to(sample)
        if self.prediction_type == "epsilon":
            eps = model_output
            x0 = (sample - c_noise * eps) * (-log_abar / 2).exp().to(sample)
        else:
            x0 = c_signal * sample - c_noise * model_output
            eps = c_noise * sample + c_signal * model_output
        if self.clip_sample:
            # epsilon moves by what the clip took away, scaled
            clipped = F.hardtanh(x0)
            eps = eps + c_signal / c_noise * (x0 - clipped)
            x0 = clipped
        return x0, eps

    def posterior(self, original_samples, sample, timestep):
        now, before = self._logs(timestep)
        log_alpha = now - before
        c_0 = torch.exp(before / 2 + self.log_1m(log_alpha) - self.log_1m(now)).to(sample)
        c_t = torch.exp(log_alpha / 2 + self.log_1m(before) - self.log_1m(now)).to(sample)  # log 0 = -inf, exp gives 0
        return c_0 * original_samples + c_t * sample, self._log_tilde(timestep).exp().to(sample)

    def _log_tilde(self, timestep):
        now, before = self._logs(timestep)
        return self.log_1m(before) - self.log_1m(now) + self.log_1m(now - before)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        now, before = self._logs(timestep)
        x0, _ = self.predict(model_output, timestep, sample)
        mean, _ = self.posterior(x0, sample, timestep)
        if self.previous_timestep(timestep) < 0:
            return mean
        log_variance = self._log_tilde(timestep) if self.variance_type == "fixed_small" else self.log_1m(now - before)
        return mean + torch.exp(0.5 * log_variance).to(sample) * self._z(sample, generator, variance_noise)

    def _z(self, sample, generator, variance_noise):
        if variance_noise is None:
            variance_noise = torch.randn(sample.shape, generator=generator, device=sample.device, dtype=sample.dtype)
        return variance_noise


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError(f"eta is {eta}; it has to be at least 0 and at most 1")
        _, before = self._logs(timestep)
        x0, eps = self.predict(model_output, timestep, sample)
        tilde = self._log_tilde(timestep).exp()
        rest = (-torch.expm1(before) - eta**2 * tilde).clamp(min=0)
        x_prev = (before / 2).exp().to(sample) * x0 + rest.sqrt().to(sample) * eps
        if eta > 0:
            x_prev = x_prev + (eta * tilde.sqrt()).to(sample) * self._z(sample, generator, variance_noise)
        return x_prev
