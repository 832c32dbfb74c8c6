"""Nothing is computed before it is asked for: tables come into being in __getattr__, and the numbers of a step are cached
per timestep until set_timesteps throws them away."""
import functools
import math

import torch


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        for value, known in [(beta_schedule, "linear scaled_linear cosine"), (prediction_type, "epsilon v_prediction"),
                             (variance_type, "fixed_small fixed_large")]:
            if value not in known.split():
                raise ValueError(f"{value!r} is none of {known}")
        self.T = num_train_timesteps
        self._betas = {"linear": lambda t: beta_start + (beta_end - beta_start) * t / (self.T - 1),
                       "scaled_linear": lambda t: math.pow(
                           beta_start ** 0.5 + (beta_end ** 0.5 - beta_start ** 0.5) * t / (self.T - 1), 2),
                       "cosine": lambda t: min(0.999, 1 - self._f(t + 1) / self._f(t))}[beta_schedule]
        self.prediction_type, self.variance_type, self.clip_sample = prediction_type, variance_type, clip_sample
        self.abar = functools.lru_cache(maxsize=None)(self._abar)
        self._numbers = functools.lru_cache(maxsize=None)(self._weights)
        self.steps, self.device = None, None

    def _f(self, t):
        return math.cos((t / self.T + 0.008) / 1.008 * math.pi / 2) ** 2

    def _abar(self, t):
        """Product over the alphas, from whichever one before it is known."""
        product = 1.0
        for s in range(t + 1):
            product *= 1 - self._betas(s)
        return product

    def __getattr__(self, name):
        """Called for what is not there yet."""
        makers = {
            "betas": lambda: torch.tensor([self._betas(t) for t in range(self.T)]),
            "alphas": lambda: torch.tensor([1 - self._betas(t) for t in range(self.T)]),
            "_abars": lambda: torch.cumprod(1 - torch.tensor([self._betas(t) for t in range(self.T)], dtype=torch.float64), 0),
            "alphas_cumprod": lambda: self._abars.float(),
            "timesteps": lambda: torch.tensor(self._listed(), device=self.device),
        }
        if name not in makers:
            raise AttributeError(name)
        value = makers[name]()
        setattr(self, name, value)
        return value

    def _listed(self):
        S = self.steps or self.T
        return [round(self.T * k / S) - 1 for k in range(S, 0, -1)]

    def set_timesteps(self, num_inference_steps, device=None):
        if not 1 <= num_inference_steps <= self.T:
            raise ValueError(f"{num_inference_steps} is none of 1 ... {self.T}")
        self.steps, self.device = num_inference_steps, device
        for name in ("timesteps", "_neighbours"):
            self.__dict__.pop(name, None)
        self._numbers.cache_clear()

    def previous_timestep(self, timestep):
        if "_neighbours" not in self.__dict__:
            listed = self._listed()
            self._neighbours = dict(zip(listed, [*listed[1:], -1]))
        if int(timestep) not in self._neighbours:
            raise ValueError(f"{int(timestep)} is none of the timesteps")
        return self._neighbours[int(timestep)]

    def _weights(self, timestep):
        """Weights of x_0 and x_t in the mean, beta-tilde, beta, and alpha-bar of the previous timestep."""
        previous = self.previous_timestep(timestep)
        now, before = self.abar(timestep), self.abar(previous) if previous >= 0 else 1.0
        beta = 1 - now / before
        share = (1 - before) / (1 - now)
        return before ** 0.5 * beta / (1 - now), (now / before) ** 0.5 * share, share * beta, beta, before

    def _rows(self, timesteps, x):
        rows = self._abars.to(x.device)[timesteps].view(-1, 1, 1, 1)
        return rows.sqrt().to(x), (1 - rows).sqrt().to(x)

    def add_noise(self, original_samples, noise, timesteps):
        signal, spread = self._rows(timesteps, original_samples)
        return signal * original_samples + spread * noise

    def get_velocity(self, sample, noise, timesteps):
        signal, spread = self._rows(timesteps, sample)
        return signal * noise - spread * sample

    def loss(self, model, original_samples, noise, timesteps):
        x_t = self.add_noise(original_samples, noise, timesteps)
        target = noise
        if self.prediction_type == "v_prediction":
            target = self.get_velocity(original_samples, noise, timesteps)
        errors = torch.nn.functional.mse_loss(model(x_t, timesteps), target, reduction="none")
        return errors.flatten(1).mean(1)

    def predict(self, model_output, timestep, sample):
        self.previous_timestep(timestep)
        signal, spread = self.abar(int(timestep)) ** 0.5, (1 - self.abar(int(timestep))) ** 0.5
        eps = model_output if self.prediction_type == "epsilon" else signal * model_output + spread * sample
        x0 = (sample - spread * eps) / signal if eps is model_output else signal * sample - spread * model_output
        if self.clip_sample:
            x0 = x0.clamp(-1, 1)
            eps = (sample - signal * x0) / spread
        return x0, eps

    def posterior(self, original_samples, sample, timestep):
        first, second, small, _, _ = self._numbers(int(timestep))
        return first * original_samples + second * sample, torch.full((), small, dtype=sample.dtype, device=sample.device)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        first, second, small, large, _ = self._numbers(int(timestep))
        x = first * self.predict(model_output, timestep, sample)[0] + second * sample
        if self.previous_timestep(timestep) < 0:
            return x
        variance = small if self.variance_type == "fixed_small" else large
        return x + variance ** 0.5 * standard_normal(sample, generator, variance_noise)


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError(f"{eta} is none of 0 ... 1")
        *_, small, _, before = self._numbers(int(timestep))
        x0, eps = self.predict(model_output, timestep, sample)
        x = before ** 0.5 * x0 + max(0.0, 1 - before - eta ** 2 * small) ** 0.5 * eps
        return x + eta * small ** 0.5 * standard_normal(sample, generator, variance_noise) if eta else x


def standard_normal(x, generator, z):
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) if z is None else z
