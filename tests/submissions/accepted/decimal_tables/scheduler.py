"""Tables with 40 digits, in Python's decimal: nothing cancels, and every coefficient is rounded once, at the end."""
from decimal import Decimal, getcontext, localcontext

import torch

PI = Decimal("3.14159265358979323846264338327950288419716939937510")
DIGITS = 40


def cos(x):
    """Taylor's series; a quarter of a circle needs about thirty terms for 40 digits."""
    term = total = Decimal(1)
    k = 0
    while abs(term) > Decimal(10) ** -DIGITS:
        k += 2
        term = -term * x * x / (k * (k - 1))
        total += term
    return total


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError("prediction_type: one of epsilon, v_prediction")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError("variance_type: one of fixed_small, fixed_large")
        self.prediction_type, self.variance_type, self.clip_sample = prediction_type, variance_type, clip_sample
        with localcontext() as context:
            context.prec = DIGITS
            betas = self._decimals(beta_schedule, num_train_timesteps, Decimal(repr(beta_start)), Decimal(repr(beta_end)))
            alphas = [1 - b for b in betas]
            self.abar, product = [], Decimal(1)
            for alpha in alphas:
                product *= alpha
                self.abar.append(product)
        floats = lambda numbers: torch.tensor([float(n) for n in numbers])
        self.betas, self.alphas, self.alphas_cumprod = floats(betas), floats(alphas), floats(self.abar)
        # for the forward process, both roots
        self.roots = torch.tensor([[float(a.sqrt()), float((1 - a).sqrt())] for a in self.abar], dtype=torch.float64)
        self.timesteps = torch.arange(num_train_timesteps - 1, -1, -1)

    def _decimals(self, name, T, start, end):
        if name == "linear":
            return [start + (end - start) * t / (T - 1) for t in range(T)]
        if name == "scaled_linear":
            return [(start.sqrt() + (end.sqrt() - start.sqrt()) * t / (T - 1)) ** 2 for t in range(T)]
        if name == "cosine":
            f = [cos((Decimal(t) / T + Decimal("0.008")) / Decimal("1.008") * PI / 2) ** 2 for t in range(T + 1)]
            return [min(1 - after / now, Decimal("0.999")) for now, after in zip(f, f[1:])]
        raise ValueError("beta_schedule: one of linear, scaled_linear, cosine")

    def _two(self, timesteps, x):
        return self.roots.to(x)[timesteps][:, :, None, None, None].unbind(1)

    def add_noise(self, original_samples, noise, timesteps):
        signal, spread = self._two(timesteps, original_samples)
        return signal * original_samples + spread * noise

    def get_velocity(self, sample, noise, timesteps):
        signal, spread = self._two(timesteps, sample)
        return signal * noise - spread * sample

    def loss(self, model, original_samples, noise, timesteps):
        target = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise
        output = model(self.add_noise(original_samples, noise, timesteps), timesteps)
        return (output.double() - target.double()).square().mean((-1, -2, -3)).to(output.dtype)

    def set_timesteps(self, num_inference_steps, device=None):
        T, S = len(self.abar), num_inference_steps
        if S < 1 or S > T:
            raise ValueError(f"num_inference_steps: one of 1 ... {T}")
        steps = [int((Decimal(k * T) / S).to_integral_value()) - 1 for k in range(S, 0, -1)]
        self.timesteps = torch.tensor(steps, device=device)

    def previous_timestep(self, timestep):
        steps = self.timesteps.tolist()
        if int(timestep) not in steps:
            raise ValueError(f"timestep: one of {steps}")
        return next((t for t in steps if t < int(timestep)), -1)

    def _exact(self, timestep):
        """alpha-bar now and before, alpha, beta, beta-tilde, in decimals."""
        getcontext().prec = DIGITS
        previous = self.previous_timestep(timestep)
        now, before = self.abar[int(timestep)], self.abar[previous] if previous >= 0 else Decimal(1)
        alpha = now / before
        return now, before, alpha, 1 - alpha, (1 - before) / (1 - now) * (1 - alpha)

    def predict(self, model_output, timestep, sample):
        now, *_ = self._exact(timestep)
        signal, spread = now.sqrt(), (1 - now).sqrt()
        if self.prediction_type == "epsilon":
            x0, eps = float(1 / signal) * sample - float(spread / signal) * model_output, model_output
        else:
            x0 = float(signal) * sample - float(spread) * model_output
            eps = float(spread) * sample + float(signal) * model_output
        if self.clip_sample:
            x0 = torch.clamp(x0, -1, 1)
            eps = float(1 / spread) * sample - float(signal / spread) * x0
        return x0, eps

    def posterior(self, original_samples, sample, timestep):
        now, before, alpha, beta, tilde = self._exact(timestep)
        mean = float(before.sqrt() * beta / (1 - now)) * original_samples
        mean += float(alpha.sqrt() * (1 - before) / (1 - now)) * sample
        return mean, torch.tensor(float(tilde), dtype=sample.dtype, device=sample.device)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        _, before, _, beta, tilde = self._exact(timestep)
        x, _ = self.posterior(self.predict(model_output, timestep, sample)[0], sample, timestep)
        if before < 1:
            std = (tilde if self.variance_type == "fixed_small" else beta).sqrt()
            x += float(std) * noise(sample, generator, variance_noise)
        return x


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError("eta: 0 ... 1")
        _, before, _, _, tilde = self._exact(timestep)
        x0, eps = self.predict(model_output, timestep, sample)
        variance = Decimal(eta) ** 2 * tilde
        x = float(before.sqrt()) * x0 + float((1 - before - variance).sqrt()) * eps
        return x + float(variance.sqrt()) * noise(sample, generator, variance_noise)


def noise(x, generator, z):
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) if z is None else z
