"""In the manner of the DDIM authors: compute_alpha with a zero in front of the betas (so that t = -1 is clean), and the
step with the coefficients c1 and c2."""
import numpy as np
import torch


def get_beta_schedule(beta_schedule, *, beta_start, beta_end, num_diffusion_timesteps):
    n = num_diffusion_timesteps
    if beta_schedule == "scaled_linear":
        betas = np.linspace(beta_start ** 0.5, beta_end ** 0.5, n, dtype=np.float64) ** 2
    elif beta_schedule == "linear":
        betas = np.linspace(beta_start, beta_end, n, dtype=np.float64)
    elif beta_schedule == "cosine":
        f = np.cos((np.arange(n + 1) / n + 0.008) / 1.008 * np.pi / 2) ** 2
        betas = np.minimum(1 - f[1:] / f[:-1], 0.999)
    else:
        raise ValueError(beta_schedule + " is not linear, scaled_linear or cosine")
    assert betas.shape == (n,)
    return betas


def compute_alpha(beta, t):
    beta = torch.cat([torch.zeros(1, dtype=beta.dtype, device=beta.device), beta], dim=0)
    return (1 - beta).cumprod(dim=0).index_select(0, t + 1).view(-1, 1, 1, 1)


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        if prediction_type not in ["epsilon", "v_prediction"]:
            raise ValueError("prediction_type: epsilon, v_prediction")
        if variance_type not in ["fixed_small", "fixed_large"]:
            raise ValueError("variance_type: fixed_small, fixed_large")
        self.prediction_type = prediction_type
        self.model_var_type = variance_type
        self.clip_sample = clip_sample
        betas = get_beta_schedule(beta_schedule, beta_start=beta_start, beta_end=beta_end,
                                  num_diffusion_timesteps=num_train_timesteps)
        self.b = torch.from_numpy(betas)
        self.betas = self.b.float()
        self.alphas = (1.0 - self.b).float()
        self.alphas_cumprod = (1.0 - self.b).cumprod(dim=0).float()
        self.num_timesteps = num_train_timesteps
        self.set_timesteps(num_train_timesteps)

    def add_noise(self, original_samples, noise, timesteps):
        x0, e = original_samples, noise
        a = compute_alpha(self.b.to(x0.device), timesteps).to(x0.dtype)
        return x0 * a.sqrt() + e * (1.0 - a).sqrt()

    def get_velocity(self, sample, noise, timesteps):
        a = compute_alpha(self.b.to(sample.device), timesteps).to(sample.dtype)
        return noise * a.sqrt() - sample * (1.0 - a).sqrt()

    def loss(self, model, original_samples, noise, timesteps):
        noisy = self.add_noise(original_samples, noise, timesteps)
        truth = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise
        difference = (model(noisy, timesteps) - truth).reshape(len(noisy), -1)
        return difference.pow(2).sum(-1) / difference.shape[1]

    def set_timesteps(self, num_inference_steps, device=None):
        if num_inference_steps > self.num_timesteps or num_inference_steps <= 0:
            raise ValueError("timesteps: 1 to %d" % self.num_timesteps)
        skip = self.num_timesteps / num_inference_steps
        seq = [round(k * skip) - 1 for k in range(1, num_inference_steps + 1)]
        seq_next = [-1] + seq[:-1]
        self.next_of = dict(zip(seq, seq_next))
        self.timesteps = torch.tensor(seq[::-1], device=device)

    def previous_timestep(self, timestep):
        try:
            return self.next_of[int(timestep)]
        except KeyError:
            raise ValueError("not in the sequence: %d" % timestep) from None

    def _at_and_next(self, timestep, x):
        i, j = int(timestep), self.previous_timestep(timestep)
        n = x.size(0)
        t = (torch.ones(n, device=x.device) * i).long()
        next_t = (torch.ones(n, device=x.device) * j).long()
        b = self.b.to(x.device)
        return compute_alpha(b, t).to(x.dtype), compute_alpha(b, next_t).to(x.dtype)

    def predict(self, model_output, timestep, sample):
        at, _ = self._at_and_next(timestep, sample)
        xt, et = sample, model_output
        if self.prediction_type == "v_prediction":
            et = at.sqrt() * model_output + (1 - at).sqrt() * xt
            x0_t = at.sqrt() * xt - (1 - at).sqrt() * model_output
        else:
            x0_t = (xt - et * (1 - at).sqrt()) / at.sqrt()
        if self.clip_sample:
            x0_t = torch.clamp(x0_t, -1.0, 1.0)
            et = (xt - x0_t * at.sqrt()) / (1 - at).sqrt()
        return x0_t, et

    def posterior(self, original_samples, sample, timestep):
        at, atm1 = self._at_and_next(timestep, sample)
        beta_t = 1 - at / atm1
        mean = (atm1.sqrt() * beta_t * original_samples
                + ((1 - beta_t).sqrt() * (1 - atm1)) * sample) / (1.0 - at)
        return mean, (beta_t * (1 - atm1) / (1 - at))[0, 0, 0, 0]

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        at, atm1 = self._at_and_next(timestep, sample)
        x0_from_e, _ = self.predict(model_output, timestep, sample)
        mean, var = self.posterior(x0_from_e, sample, timestep)
        if self.model_var_type == "fixed_large":
            var = 1 - at / atm1
        mask = float(self.previous_timestep(timestep) >= 0)
        return mean + mask * var ** 0.5 * noise_like(sample, generator, variance_noise)


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if eta > 1 or eta < 0:
            raise ValueError("eta: 0 to 1")
        at, at_next = self._at_and_next(timestep, sample)
        x0_t, et = self.predict(model_output, timestep, sample)
        c1 = eta * ((1 - at / at_next) * (1 - at_next) / (1 - at)).sqrt()
        c2 = ((1 - at_next) - c1 ** 2).sqrt()
        return at_next.sqrt() * x0_t + c1 * noise_like(sample, generator, variance_noise) + c2 * et


def noise_like(x, generator, noise):
    if noise is None:
        noise = torch.randn(x.shape, generator=generator, device=x.device).to(x.dtype)
    return noise
