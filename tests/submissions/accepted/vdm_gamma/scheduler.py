"""In the manner of variational diffusion models: gamma = -log SNR is all there is. abar = sigmoid(-gamma), its complement
sigmoid(gamma), and 1 - alpha between two times is -expm1 of a difference of softplus: nothing is ever 1 - something."""
import torch
import torch.nn.functional as F
from torch import sigmoid
from torch.nn.functional import softplus


def beta_tables(name, T, start, end):
    i = torch.arange(T, dtype=torch.float64)
    if name == "linear":
        return torch.linspace(start, end, T, dtype=torch.float64)
    if name == "scaled_linear":
        return torch.linspace(start ** 0.5, end ** 0.5, T, dtype=torch.float64).pow(2)
    if name == "cosine":
        # cos^2 = 1 / (1 + tan^2), so that beta is a ratio of differences of tangents
        tan2 = torch.tan((torch.cat([i, i[-1:] + 1]) / T + 0.008) / 1.008 * torch.pi / 2) ** 2
        return ((tan2[1:] - tan2[:-1]) / (1 + tan2[1:])).clamp(max=0.999)
    raise ValueError(f"beta_schedule {name}")


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        betas = beta_tables(beta_schedule, num_train_timesteps, beta_start, beta_end)
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError(f"prediction_type {prediction_type}")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError(f"variance_type {variance_type}")
        self.options = prediction_type, variance_type, clip_sample
        log_abar = torch.log1p(-betas).cumsum(0)
        self.gamma = torch.log(torch.expm1(-log_abar))
        self.betas = betas.float()
        self.alphas = torch.exp(log_abar.diff(prepend=log_abar.new_zeros(1))).float()
        self.alphas_cumprod = sigmoid(-self.gamma).float()
        self.T = num_train_timesteps
        self.timesteps = torch.arange(self.T).flip(0)

    def _gamma_of(self, timesteps, x):
        return self.gamma.to(x.device)[timesteps].view(-1, *(1,) * (x.ndim - 1)).to(x.dtype)

    def add_noise(self, original_samples, noise, timesteps):
        g = self._gamma_of(timesteps, original_samples)
        return sigmoid(-g).sqrt() * original_samples + sigmoid(g).sqrt() * noise

    def get_velocity(self, sample, noise, timesteps):
        g = self._gamma_of(timesteps, sample)
        return sigmoid(-g).sqrt() * noise - sigmoid(g).sqrt() * sample

    def loss(self, model, original_samples, noise, timesteps):
        # a mean square is a variance plus the square of a mean
        target = self.get_velocity(original_samples, noise, timesteps) if self.options[0] == "v_prediction" else noise
        variance, bias = torch.var_mean(
            model(self.add_noise(original_samples, noise, timesteps), timesteps) - target, dim=(1, 2, 3), correction=0
        )
        return variance + bias ** 2

    def set_timesteps(self, num_inference_steps, device=None):
        if num_inference_steps < 1 or num_inference_steps > self.T:
            raise ValueError(f"num_inference_steps {num_inference_steps}")
        i = torch.arange(num_inference_steps, 0, -1, dtype=torch.float64)
        self.timesteps = torch.round(i * self.T / num_inference_steps).long().add(-1).to(device)

    def previous_timestep(self, timestep):
        ascending = self.timesteps.flip(0).contiguous().cpu()
        place = int(torch.searchsorted(ascending, int(timestep)))
        if place == len(ascending) or ascending[place] != int(timestep):
            raise ValueError(f"timestep {int(timestep)}")
        return int(ascending[place - 1]) if place else -1

    def _gammas(self, timestep):
        s = self.previous_timestep(timestep)
        return self.gamma[int(timestep)], self.gamma[s] if s >= 0 else torch.tensor(-torch.inf, dtype=torch.float64)

    def predict(self, model_output, timestep, sample):
        kind, _, clip = self.options
        g_t, _ = self._gammas(timestep)
        signal, spread = torch.exp(F.logsigmoid(-g_t) / 2), torch.exp(F.logsigmoid(g_t) / 2)
        if kind == "epsilon":
            eps = model_output
            x0 = torch.exp(softplus(g_t) / 2) * sample - torch.exp(g_t / 2) * eps
        else:
            eps = spread * sample + signal * model_output
            x0 = signal * sample - spread * model_output
        if clip:
            x0 = torch.clip(x0, -1, 1)
            eps = torch.exp(softplus(-g_t) / 2) * sample - torch.exp(-g_t / 2) * x0
        return x0, eps

    def _step_variances(self, timestep):
        """beta and beta-tilde of the step from t to s; log alpha_t|s^2 = softplus(g_s) - softplus(g_t)"""
        g_t, g_s = self._gammas(timestep)
        beta = -torch.expm1(softplus(g_s) - softplus(g_t))
        return beta, sigmoid(g_s) * -torch.expm1(g_s - g_t)

    def posterior(self, original_samples, sample, timestep):
        g_t, g_s = self._gammas(timestep)
        c = -torch.expm1(g_s - g_t)
        x0_weight = sigmoid(-g_s).sqrt() * c
        x_weight = (sigmoid(-g_s) / sigmoid(-g_t)).sqrt() * torch.exp(g_s - g_t)
        return x_weight * sample + x0_weight * original_samples, self._step_variances(timestep)[1].to(sample)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        mean, small = self.posterior(self.predict(model_output, timestep, sample)[0], sample, timestep)
        if self.previous_timestep(timestep) < 0:
            return mean
        variance = self._step_variances(timestep)[self.options[1] == "fixed_small"]
        return mean + variance.sqrt() * self.draw(sample, generator, variance_noise)

    @staticmethod
    def draw(x, generator, z):
        return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) if z is None else z


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if eta > 1 or eta < 0:
            raise ValueError(f"eta {eta}")
        g_t, g_s = self._gammas(timestep)
        x0, eps = self.predict(model_output, timestep, sample)
        old = sigmoid(g_s) * (1 + eta ** 2 * torch.expm1(g_s - g_t))
        x = sigmoid(-g_s).sqrt() * x0 + old.sqrt() * eps
        return x + eta * self._step_variances(timestep)[1].sqrt() * self.draw(sample, generator, variance_noise)
