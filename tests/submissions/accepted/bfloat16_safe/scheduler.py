"""For networks that answer in bfloat16 or half precision: inside, everything is at least float32, and results are cast back
to the dtype of the sample at the very end. Coefficients are Python floats, which have no dtype."""
import functools
import math

import torch


def in_full_precision(method):
    """Upcast tensor arguments of floating point below float32; downcast what comes out to the first tensor's dtype."""
    @functools.wraps(method)
    def wrapper(self, *args, **kwargs):
        given = [a for a in (*args, *kwargs.values()) if torch.is_tensor(a) and a.is_floating_point()]
        dtype = given[-1].dtype if method.__name__ in ("predict", "posterior") else given[0].dtype
        up = lambda a: a.to(torch.promote_types(a.dtype, torch.float32)) if torch.is_tensor(a) and a.is_floating_point() else a
        result = method(self, *map(up, args), **{k: up(v) for k, v in kwargs.items()})
        down = lambda r: r.to(dtype)
        return tuple(map(down, result)) if isinstance(result, tuple) else down(result)
    return wrapper


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        space = lambda a, b, n: torch.linspace(a, b, n, dtype=torch.float64)
        if beta_schedule == "linear":
            betas = space(beta_start, beta_end, num_train_timesteps)
        elif beta_schedule == "scaled_linear":
            betas = space(math.sqrt(beta_start), math.sqrt(beta_end), num_train_timesteps).pow_(2)
        elif beta_schedule == "cosine":
            f = space(0, 1, num_train_timesteps + 1).add_(0.008).div_(1.008).mul_(math.pi / 2).cos_().pow_(2)
            betas = f[1:].div(f[:-1]).sub_(1).neg_().clamp_(max=0.999)
        else:
            raise ValueError(f"beta_schedule is linear, scaled_linear or cosine, and not {beta_schedule}")
        if prediction_type != "epsilon" and prediction_type != "v_prediction":
            raise ValueError(f"prediction_type is epsilon or v_prediction, and not {prediction_type}")
        if variance_type != "fixed_small" and variance_type != "fixed_large":
            raise ValueError(f"variance_type is fixed_small or fixed_large, and not {variance_type}")
        self.prediction_type, self.variance_type, self.clip_sample = prediction_type, variance_type, clip_sample
        self.T = num_train_timesteps
        self.betas = betas.to(torch.float32)
        self.alphas = (1 - betas).to(torch.float32)
        self.alphas_cumprod = (1 - betas).log().cumsum(0).exp().to(torch.float32)
        self.timesteps = torch.arange(self.T - 1, -1, -1, dtype=torch.int64)

    def _mix(self, a, b, timesteps):
        abar = self.alphas_cumprod.to(timesteps.device).index_select(0, timesteps).to(a.dtype)
        return torch.einsum("b,b...->b...", abar.sqrt(), a) + torch.einsum("b,b...->b...", abar.neg().log1p().div(2).exp(), b)

    @in_full_precision
    def add_noise(self, original_samples, noise, timesteps):
        return self._mix(original_samples, noise, timesteps)

    @in_full_precision
    def get_velocity(self, sample, noise, timesteps):
        return self._mix(noise, sample.neg(), timesteps)

    def loss(self, model, original_samples, noise, timesteps):
        target = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise
        error = model(self.add_noise(original_samples, noise, timesteps), timesteps) - target
        return (error ** 2).mean(dim=(1, 2, 3))

    def set_timesteps(self, num_inference_steps, device=None):
        if num_inference_steps < 1 or self.T < num_inference_steps:
            raise ValueError(f"num_inference_steps is 1 to {self.T}, and not {num_inference_steps}")
        steps = torch.round(torch.arange(num_inference_steps).neg_().add_(num_inference_steps).double()
                            * (self.T / num_inference_steps))
        self.timesteps = steps.to(torch.int64).sub_(1).to(device)

    def previous_timestep(self, timestep):
        steps = tuple(self.timesteps.tolist())
        if int(timestep) not in steps:
            raise ValueError(f"timestep is one of {steps}, and not {int(timestep)}")
        return (*steps, -1)[steps.index(int(timestep)) + 1]

    def _floats(self, timestep):
        previous = self.previous_timestep(timestep)
        now = float(self.alphas_cumprod[int(timestep)])
        before = 1.0 if previous < 0 else float(self.alphas_cumprod[previous])
        return now, before, (before - now) / before

    @in_full_precision
    def predict(self, model_output, timestep, sample):
        now, _, _ = self._floats(timestep)
        signal, spread = math.sqrt(now), math.sqrt(1 - now)
        if self.prediction_type == "epsilon":
            x0, eps = (sample - spread * model_output) * (1 / signal), model_output
        else:
            x0, eps = signal * sample - spread * model_output, signal * model_output + spread * sample
        if self.clip_sample:
            x0 = x0.clamp(min=-1.0).clamp(max=1.0)
            eps = (sample - signal * x0) * (1 / spread)
        return x0, eps

    @in_full_precision
    def posterior(self, original_samples, sample, timestep):
        now, before, beta = self._floats(timestep)
        mean = (math.sqrt(before) * beta / (1 - now)) * original_samples
        mean = mean + (math.sqrt(now / before) * (1 - before) / (1 - now)) * sample
        return mean, mean.new_tensor((1 - before) / (1 - now) * beta)

    @in_full_precision
    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        now, before, beta = self._floats(timestep)
        mean, _ = self.posterior(self.predict(model_output, timestep, sample)[0], sample, timestep)
        if before == 1.0:
            return mean
        if self.variance_type == "fixed_small":
            beta *= (1 - before) / (1 - now)
        return mean.add(_z(sample, generator, variance_noise), alpha=math.sqrt(beta))


class DDIMScheduler(DDPMScheduler):
    @in_full_precision
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if eta < 0 or eta > 1:
            raise ValueError(f"eta is 0 to 1, and not {eta}")
        now, before, beta = self._floats(timestep)
        x0, eps = self.predict(model_output, timestep, sample)
        sigma = eta * math.sqrt((1 - before) / (1 - now)) * math.sqrt(beta)
        x = math.sqrt(before) * x0 + math.sqrt(max(0.0, (1 - before) - sigma * sigma)) * eps
        return x if sigma == 0 else x.add(_z(sample, generator, variance_noise), alpha=sigma)


def _z(x, generator, z):
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) if z is None else z
