"""x_t is an Ornstein-Uhlenbeck process in the time B = -log abar, and the posterior is its bridge: between the ends, the
weights are hyperbolic sines."""
from math import exp, expm1, inf, log1p, sinh, sqrt

import torch


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        self.T = num_train_timesteps
        rates = {"linear": self.linear, "scaled_linear": self.quadratic, "cosine": self.cosine}.get(beta_schedule)
        if rates is None or prediction_type not in ("epsilon", "v_prediction") \
                or variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError("an argument is none of those in the docstring")
        self.v = prediction_type == "v_prediction"
        self.large = variance_type == "fixed_large"
        self.bound = 1.0 if clip_sample else inf
        betas = list(rates(beta_start, beta_end))
        clock, self.clock = 0.0, []
        for beta in betas:
            clock -= log1p(-beta)
            self.clock.append(clock)
        self.betas = torch.tensor(betas, dtype=torch.float32)
        self.alphas = torch.tensor([1 - beta for beta in betas], dtype=torch.float32)
        self.alphas_cumprod = torch.tensor([exp(-B) for B in self.clock], dtype=torch.float32)
        self.timesteps = torch.as_tensor([*range(self.T)][::-1])

    def linear(self, start, end):
        for t in range(self.T):
            yield start + t * (end - start) / (self.T - 1)

    def quadratic(self, start, end):
        for root in self.linear(sqrt(start), sqrt(end)):
            yield root * root

    def cosine(self, start, end):
        import cmath
        angle = lambda t: (t / self.T + 0.008) / 1.008 * cmath.pi
        for t in range(self.T):
            # cos^2(x / 2) = (1 + cos x) / 2
            yield min(0.999, 1 - (1 + cmath.cos(angle(t + 1)).real) / (1 + cmath.cos(angle(t)).real))

    def decay(self, timesteps, x):
        B = torch.tensor(self.clock, dtype=torch.float64, device=x.device)[timesteps][..., None, None, None]
        return torch.exp(-B / 2).to(x.dtype), torch.sqrt(-torch.expm1(-B)).to(x.dtype)

    def add_noise(self, original_samples, noise, timesteps):
        drift, diffusion = self.decay(timesteps, original_samples)
        return drift * original_samples + diffusion * noise

    def get_velocity(self, sample, noise, timesteps):
        drift, diffusion = self.decay(timesteps, sample)
        return drift * noise - diffusion * sample

    def loss(self, model, original_samples, noise, timesteps):
        # a mean square is a variance plus the square of a mean
        target = self.get_velocity(original_samples, noise, timesteps) if self.v else noise
        variance, bias = torch.var_mean(
            model(self.add_noise(original_samples, noise, timesteps), timesteps) - target, dim=(1, 2, 3), correction=0
        )
        return variance + bias ** 2

    def set_timesteps(self, num_inference_steps, device=None):
        if num_inference_steps not in range(1, self.T + 1):
            raise ValueError(f"not between 1 and {self.T}: {num_inference_steps}")
        S = num_inference_steps
        steps = [(2 * (S - i) * self.T + S) // (2 * S) - 1 for i in range(S)]  # rounded in integers
        self.timesteps = torch.as_tensor(steps, device=device)

    def previous_timestep(self, timestep):
        walk = iter(self.timesteps.tolist())
        for t in walk:
            if t == int(timestep):
                return next(walk, -1)
        raise ValueError(f"not a timestep: {int(timestep)}")

    def times(self, timestep):
        previous = self.previous_timestep(timestep)
        return self.clock[int(timestep)], self.clock[previous] if previous >= 0 else 0.0

    def predict(self, model_output, timestep, sample):
        B, _ = self.times(timestep)
        drift, diffusion = exp(-B / 2), sqrt(-expm1(-B))
        if self.v:
            x0 = drift * sample - diffusion * model_output
            epsilon = diffusion * sample + drift * model_output
        else:
            x0 = exp(B / 2) * sample - sqrt(expm1(B)) * model_output
            epsilon = model_output
        if self.bound < inf:
            x0 = x0.clamp(-self.bound, self.bound)
            epsilon = (sample - drift * x0) / diffusion
        return x0, epsilon

    def bridge(self, timestep):
        B, before = self.times(timestep)
        whole = sinh(B / 2)
        return sinh((B - before) / 2) / whole, sinh(before / 2) / whole, \
            2 * sinh(before / 2) * sinh((B - before) / 2) / whole

    def posterior(self, original_samples, sample, timestep):
        from_image, from_sample, variance = self.bridge(timestep)
        return from_image * original_samples + from_sample * sample, sample.new_tensor(variance)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        B, before = self.times(timestep)
        from_image, from_sample, variance = self.bridge(timestep)
        x0, _ = self.predict(model_output, timestep, sample)
        out = from_image * x0 + from_sample * sample
        if before == 0:
            return out
        if self.large:
            variance = -expm1(before - B)
        return out + sqrt(variance) * self.noise(sample, generator, variance_noise)

    def noise(self, sample, generator, z):
        if z is None:
            z = torch.empty_like(sample, memory_format=torch.contiguous_format).normal_(generator=generator)
        return z


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError(f"not between 0 and 1: {eta}")
        _, before = self.times(timestep)
        x0, epsilon = self.predict(model_output, timestep, sample)
        variance = eta * eta * self.bridge(timestep)[2]
        out = exp(-before / 2) * x0 + sqrt(max(-expm1(-before) - variance, 0.0)) * epsilon
        return out + sqrt(variance) * self.noise(sample, generator, variance_noise) if variance else out
