"""In the manner of DPM-Solver: alpha_t, sigma_t and lambda_t = log(alpha_t / sigma_t), a step is h = lambda_s - lambda_t
long, and its weights are exp(-h) and expm1. The clean image has lambda = infinity, which needs no special case."""
import math

import torch


class NoiseScheduleVP:
    def __init__(self, betas):
        self.log_alpha = [0.5 * x for x in torch.log1p(-betas).cumsum(0).tolist()] + [0.0]  # [-1] is the clean image

    def marginal_alpha(self, t):
        return math.exp(self.log_alpha[t])

    def marginal_std(self, t):
        return math.sqrt(-math.expm1(2 * self.log_alpha[t]))

    def marginal_lambda(self, t):
        std = self.marginal_std(t)
        return self.log_alpha[t] - math.log(std) if std > 0 else math.inf

    def tables(self, like):
        log_alpha = torch.tensor(self.log_alpha[:-1], dtype=torch.float64, device=like.device)
        return log_alpha.exp(), (-torch.expm1(2 * log_alpha)).sqrt()


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        T = num_train_timesteps
        index = torch.arange(T, dtype=torch.float64)
        if beta_schedule == "linear":
            betas = beta_start + index * ((beta_end - beta_start) / (T - 1))
        elif beta_schedule == "scaled_linear":
            betas = (beta_start ** 0.5 + index * ((beta_end ** 0.5 - beta_start ** 0.5) / (T - 1))) ** 2
        elif beta_schedule == "cosine":
            log_f = lambda i: 2 * torch.log(torch.cos((i / T + 0.008) / 1.008 * math.pi / 2))
            betas = -torch.expm1((log_f(index + 1) - log_f(index)).clamp(min=math.log(0.001)))
        else:
            raise ValueError(f"unsupported noise schedule {beta_schedule}")
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError(f"unsupported model type {prediction_type}")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError(f"unsupported variance {variance_type}")
        self.model_type, self.variance_type, self.thresholding = prediction_type, variance_type, clip_sample
        self.ns = NoiseScheduleVP(betas)
        self.betas = betas.float()
        self.alphas = (1 - betas).float()
        self.alphas_cumprod = (2 * torch.tensor(self.ns.log_alpha[:-1], dtype=torch.float64)).exp().float()
        self.T = T
        self.timesteps = torch.arange(T - 1, -1, -1)

    def add_noise(self, original_samples, noise, timesteps):
        alpha, sigma = (table[timesteps].view(-1, 1, 1, 1).to(original_samples) for table in self.ns.tables(noise))
        return alpha * original_samples + sigma * noise

    def get_velocity(self, sample, noise, timesteps):
        alpha, sigma = (table[timesteps].view(-1, 1, 1, 1).to(sample) for table in self.ns.tables(noise))
        return alpha * noise - sigma * sample

    def loss(self, model, original_samples, noise, timesteps):
        target = self.get_velocity(original_samples, noise, timesteps) if self.model_type == "v_prediction" else noise
        error = model(self.add_noise(original_samples, noise, timesteps), timesteps) - target
        return (error ** 2).mean(dim=(1, 2, 3))

    def set_timesteps(self, num_inference_steps, device=None):
        if num_inference_steps < 1 or num_inference_steps > self.T:
            raise ValueError(f"unsupported number of steps {num_inference_steps}")
        t = torch.linspace(self.T, 0, num_inference_steps + 1, dtype=torch.float64)
        self.timesteps = t[:-1].round().to(torch.int64).sub(1).to(device)

    def previous_timestep(self, timestep):
        steps = self.timesteps.tolist()
        if steps.count(int(timestep)) == 0:
            raise ValueError(f"unsupported timestep {int(timestep)}")
        rest = steps[steps.index(int(timestep)) + 1:]
        return rest[0] if rest else -1

    def predict(self, model_output, timestep, sample):
        self.previous_timestep(timestep)
        alpha, sigma = self.ns.marginal_alpha(int(timestep)), self.ns.marginal_std(int(timestep))
        noise = model_output if self.model_type == "epsilon" else alpha * model_output + sigma * sample
        if self.model_type == "epsilon":
            x0 = (sample - sigma * noise) / alpha
        else:
            x0 = alpha * sample - sigma * model_output
        if self.thresholding:
            x0 = torch.clamp(x0, -1, 1)
            noise = (sample - alpha * x0) / sigma
        return x0, noise

    def _update(self, timestep):
        """Weights of x_t and x_0 in the SDE's first-order step, exp(-2h), and sigma where it ends."""
        s, t = int(timestep), self.previous_timestep(timestep)
        h = self.ns.marginal_lambda(t) - self.ns.marginal_lambda(s)
        weight_x = self.ns.marginal_std(t) / self.ns.marginal_std(s) * math.exp(-h)
        weight_x0 = -self.ns.marginal_alpha(t) * math.expm1(-2 * h)
        return weight_x, weight_x0, -math.expm1(-2 * h), self.ns.marginal_std(t)

    def posterior(self, original_samples, sample, timestep):
        weight_x, weight_x0, share, std = self._update(timestep)
        variance = torch.tensor(share * std ** 2, dtype=sample.dtype, device=sample.device)
        return weight_x * sample + weight_x0 * original_samples, variance

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        x0, _ = self.predict(model_output, timestep, sample)
        mean, variance = self.posterior(x0, sample, timestep)
        t = self.previous_timestep(timestep)
        if t < 0:
            return mean
        std = math.sqrt(variance.item())
        if self.variance_type == "fixed_large":
            std = math.sqrt(-math.expm1(2 * (self.ns.log_alpha[int(timestep)] - self.ns.log_alpha[t])))
        return mean + std * draw(sample, generator, variance_noise)


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if eta < 0 or eta > 1:
            raise ValueError(f"unsupported eta {eta}")
        x0, noise = self.predict(model_output, timestep, sample)
        _, _, share, std = self._update(timestep)
        # share = 1 - exp(-2h) of sigma^2 is new noise at eta = 1
        x = self.ns.marginal_alpha(self.previous_timestep(timestep)) * x0 + std * math.sqrt(1 - eta ** 2 * share) * noise
        return x + eta * std * math.sqrt(share) * draw(sample, generator, variance_noise)


def draw(x, generator, z):
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) if z is None else z
