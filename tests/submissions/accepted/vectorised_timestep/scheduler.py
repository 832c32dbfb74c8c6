"""Every method takes a timestep per image: a single one is expanded to the batch, and the previous timesteps of all T
are a lookup table, so that nothing is asked for as a Python number but in previous_timestep."""
import torch


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        t = torch.arange(num_train_timesteps + 1, dtype=torch.float64)
        weight = t[:-1] / (num_train_timesteps - 1)
        if beta_schedule == "linear":
            betas = beta_start + weight * (beta_end - beta_start)
        elif beta_schedule == "scaled_linear":
            betas = (beta_start ** 0.5 + weight * (beta_end ** 0.5 - beta_start ** 0.5)).square()
        elif beta_schedule == "cosine":
            f = (t / num_train_timesteps).add(0.008).mul(torch.pi / 2 / 1.008).cos().square()
            betas = torch.where(f[1:] < f[:-1] * (1 - 0.999), 0.999, 1 - f[1:] / f[:-1])
        else:
            raise ValueError(f"{beta_schedule=}")
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError(f"{prediction_type=}")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError(f"{variance_type=}")
        self.prediction_type, self.variance_type, self.clip_sample = prediction_type, variance_type, clip_sample
        self.num_train_timesteps = num_train_timesteps
        abar = (1 - betas).cumprod(0)
        self.betas, self.alphas, self.alphas_cumprod = betas.float(), (1 - betas).float(), abar.float()
        self.padded = torch.cat([abar, torch.ones(1, dtype=torch.float64)])  # -1 is the clean image
        self._use(torch.arange(num_train_timesteps).flip(0))

    def _use(self, timesteps):
        self.timesteps = timesteps
        self.before = torch.full((self.num_train_timesteps,), -2, dtype=torch.long, device=timesteps.device)
        self.before[timesteps] = torch.cat([timesteps[1:], timesteps.new_full((1,), -1)])

    def set_timesteps(self, num_inference_steps, device=None):
        T, S = self.num_train_timesteps, num_inference_steps
        if S < 1 or S > T:
            raise ValueError(f"{num_inference_steps=}")
        parts = torch.linspace(1, 1 / S, S, dtype=torch.float64, device=device)
        self._use(torch.round(parts * T).long() - 1)

    def previous_timestep(self, timestep):
        t = int(timestep)
        if t < 0 or t >= self.num_train_timesteps or self.before[t] == -2:
            raise ValueError(f"{timestep=}")
        return int(self.before[t])

    def _columns(self, timesteps, x):
        """abar and abar_prev, (B, 1, 1, 1) float64 on the images' device."""
        timesteps = torch.as_tensor(timesteps, device=x.device).expand(x.shape[0])
        before = self.before.to(x.device)[timesteps]
        table = self.padded.to(x.device)
        return table[timesteps].view(-1, 1, 1, 1), table[before].view(-1, 1, 1, 1)

    def add_noise(self, original_samples, noise, timesteps):
        abar = self.padded.to(noise.device)[timesteps].view(-1, 1, 1, 1)
        return (abar.sqrt() * original_samples + (1 - abar).sqrt() * noise).to(original_samples.dtype)

    def get_velocity(self, sample, noise, timesteps):
        abar = self.padded.to(noise.device)[timesteps].view(-1, 1, 1, 1)
        return (abar.sqrt() * noise - (1 - abar).sqrt() * sample).to(sample.dtype)

    def loss(self, model, original_samples, noise, timesteps):
        # add_noise and get_velocity are one rotation: v of (x_0, epsilon) is x_t of (epsilon, -x_0)
        x_t = self.add_noise(original_samples, noise, timesteps)
        target = self.add_noise(noise, -original_samples, timesteps) if self.prediction_type == "v_prediction" else noise
        return torch.square(model(x_t, timesteps) - target).mean(dim=[1, 2, 3])

    def _estimates(self, output, timesteps, x):
        abar, _ = self._columns(timesteps, x)
        signal, spread = abar.sqrt(), (1 - abar).sqrt()
        if self.prediction_type == "epsilon":
            x0, eps = (x - spread * output) / signal, output.double()
        else:
            x0, eps = signal * x - spread * output, signal * output + spread * x
        if self.clip_sample:
            x0 = x0.clamp(-1, 1)
            eps = (x - signal * x0) / spread
        return x0, eps

    def _moments(self, x0, x, timesteps):
        abar, abar_prev = self._columns(timesteps, x)
        beta = (abar_prev - abar) / abar_prev
        precision = (1 - abar).reciprocal()
        mean = precision * (abar_prev.sqrt() * beta * x0 + (abar / abar_prev).sqrt() * (1 - abar_prev) * x)
        return mean, precision * (1 - abar_prev) * beta, beta

    def predict(self, model_output, timestep, sample):
        self.previous_timestep(timestep)
        return tuple(e.to(sample.dtype) for e in self._estimates(model_output, timestep, sample))

    def posterior(self, original_samples, sample, timestep):
        self.previous_timestep(timestep)
        mean, variance, _ = self._moments(original_samples, sample, timestep)
        return mean.to(sample.dtype), variance[0, 0, 0, 0].to(sample.dtype)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        self.previous_timestep(timestep)
        x0, _ = self._estimates(model_output, timestep, sample)
        mean, small, large = self._moments(x0, sample, timestep)
        variance = small if self.variance_type == "fixed_small" else torch.where(small > 0, large, 0)
        return (mean + variance.sqrt() * self._z(sample, generator, variance_noise)).to(sample.dtype)

    def _z(self, x, generator, z):
        return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) if z is None else z


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError(f"{eta=}")
        self.previous_timestep(timestep)
        x0, eps = self._estimates(model_output, timestep, sample)
        _, abar_prev = self._columns(timestep, sample)
        variance = eta ** 2 * self._moments(x0, sample, timestep)[1]
        x = abar_prev.sqrt() * x0 + (1 - abar_prev - variance).sqrt() * eps
        return (x + variance.sqrt() * self._z(sample, generator, variance_noise)).to(sample.dtype)
