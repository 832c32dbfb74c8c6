"""Saves memory: a copy of each image is made once and then only changed in place; the batch stands last, so that a row of
coefficients multiplies it as it is. What is returned is a view with the axes back in order, and not contiguous."""
import torch


def last(images):
    """(B, C, H, W) -> a copy as (C, H, W, B)"""
    return images.permute(1, 2, 3, 0).clone(memory_format=torch.contiguous_format)


def first(images):
    return images.permute(3, 0, 1, 2)


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        betas = torch.empty(num_train_timesteps, dtype=torch.float64)
        if beta_schedule == "linear":
            torch.linspace(beta_start, beta_end, num_train_timesteps, out=betas)
        elif beta_schedule == "scaled_linear":
            torch.linspace(beta_start ** 0.5, beta_end ** 0.5, num_train_timesteps, out=betas)
            betas.square_()
        elif beta_schedule == "cosine":
            f = torch.arange(num_train_timesteps + 1, out=torch.empty(0, dtype=torch.float64))
            f.div_(num_train_timesteps).add_(0.008).div_(1.008).mul_(torch.pi / 2).cos_().square_()
            torch.div(f[1:], f[:-1], out=betas)
            betas.neg_().add_(1).clamp_(max=0.999)
        else:
            raise ValueError("beta_schedule?")
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError("prediction_type?")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError("variance_type?")
        self.prediction_type, self.variance_type, self.clip_sample = prediction_type, variance_type, clip_sample
        self.betas, self.alphas = betas.float(), betas.neg().add_(1).float()
        self.table = betas.neg().add_(1).cumprod_(0)
        self.alphas_cumprod = self.table.float()
        self.timesteps = torch.arange(num_train_timesteps - 1, -1, -1)

    def coefficients(self, timesteps, like):
        bar = self.table.to(like.device)[timesteps]
        return bar.sqrt().to(like.dtype), bar.neg().add_(1).sqrt_().to(like.dtype)

    def add_noise(self, original_samples, noise, timesteps):
        a, b = self.coefficients(timesteps, noise)
        return first(last(original_samples).mul_(a).add_(last(noise).mul_(b)))

    def get_velocity(self, sample, noise, timesteps):
        a, b = self.coefficients(timesteps, noise)
        return first(last(noise).mul_(a).sub_(last(sample).mul_(b)))

    def loss(self, model, original_samples, noise, timesteps):
        target = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise
        output = model(self.add_noise(original_samples, noise, timesteps), timesteps)
        return (output.double() - target.double()).square().mean((-1, -2, -3)).to(output.dtype)

    def set_timesteps(self, num_inference_steps, device=None):
        T = len(self.table)
        if num_inference_steps < 1 or num_inference_steps > T:
            raise ValueError("num_inference_steps?")
        steps = torch.arange(num_inference_steps, 0, -1, dtype=torch.float64)
        self.timesteps = steps.mul_(T).div_(num_inference_steps).round_().sub_(1).to(device, torch.int64)

    def previous_timestep(self, timestep):
        steps = self.timesteps.tolist()
        if int(timestep) not in steps:
            raise ValueError("timestep?")
        while steps.pop(0) != int(timestep):
            pass
        return steps[0] if steps else -1

    def bars(self, timestep):
        previous = self.previous_timestep(timestep)
        return float(self.table[int(timestep)]), float(self.table[previous]) if previous >= 0 else 1.0

    def predict(self, model_output, timestep, sample):
        bar, _ = self.bars(timestep)
        a, b = bar ** 0.5, (1 - bar) ** 0.5
        x0, eps = sample.clone(), model_output.clone()
        if self.prediction_type == "epsilon":
            x0.sub_(eps, alpha=b).div_(a)
        else:
            x0.mul_(a).sub_(eps, alpha=b)
            eps.mul_(a).add_(sample, alpha=b)
        if self.clip_sample:
            x0.clamp_(-1, 1)
            eps = sample.clone().sub_(x0, alpha=a).div_(b)
        return x0, eps

    def posterior(self, original_samples, sample, timestep):
        bar, prev = self.bars(timestep)
        beta = 1 - bar / prev
        mean = original_samples.clone().mul_(prev ** 0.5 * beta).add_(sample, alpha=(bar / prev) ** 0.5 * (1 - prev))
        return mean.div_(1 - bar), torch.empty_like(sample.flatten()[0]).fill_(beta * (1 - prev) / (1 - bar))

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        x, variance = self.posterior(self.predict(model_output, timestep, sample)[0], sample, timestep)
        bar, prev = self.bars(timestep)
        if prev < 1:
            if self.variance_type == "fixed_large":
                variance.fill_(1 - bar / prev)
            x.addcmul_(self.noise(sample, generator, variance_noise), variance.sqrt_())
        return x

    def noise(self, sample, generator, given):
        if given is None:
            given = torch.empty(sample.shape, dtype=sample.dtype, device=sample.device).normal_(generator=generator)
        return given


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError("eta?")
        bar, prev = self.bars(timestep)
        x, eps = self.predict(model_output, timestep, sample)
        variance = eta ** 2 * (1 - bar / prev) * (1 - prev) / (1 - bar)
        x = x.mul(prev ** 0.5).add_(eps, alpha=(1 - prev - variance) ** 0.5)
        return x.add_(self.noise(sample, generator, variance_noise), alpha=variance ** 0.5)
