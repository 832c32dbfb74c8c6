"""In the manner of improved-diffusion: numpy float64 tables of every coefficient, _extract_into_tensor, and a short list
of timesteps is a "respaced" process of its own, with betas that skip to the next kept timestep."""
import enum

import numpy as np
import torch as th


class ModelMeanType(enum.Enum):
    EPSILON = "epsilon"
    VELOCITY = "v_prediction"


class ModelVarType(enum.Enum):
    FIXED_SMALL = "fixed_small"
    FIXED_LARGE = "fixed_large"


def get_named_beta_schedule(name, T, start, end):
    if name == "linear":
        return np.linspace(start, end, T, dtype=np.float64)
    if name == "scaled_linear":
        return np.linspace(start ** 0.5, end ** 0.5, T, dtype=np.float64) ** 2
    if name == "cosine":
        return betas_for_alpha_bar(T, lambda t: np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2)
    raise ValueError(f"no such beta_schedule: {name} (linear, scaled_linear, cosine)")


def betas_for_alpha_bar(T, alpha_bar, max_beta=0.999):
    return np.array([min(1 - alpha_bar((i + 1) / T) / alpha_bar(i / T), max_beta) for i in range(T)])


class _Process:
    """The tables of one chain, short or full."""

    def __init__(self, betas):
        alphas = 1.0 - betas
        self.betas = betas
        self.acp = np.cumprod(alphas, axis=0)
        self.acp_prev = np.append(1.0, self.acp[:-1])
        self.sqrt_acp = np.sqrt(self.acp)
        self.sqrt_one_minus_acp = np.sqrt(1.0 - self.acp)
        self.sqrt_recip_acp = np.sqrt(1.0 / self.acp)
        self.sqrt_recipm1_acp = np.sqrt(1.0 / self.acp - 1)
        self.posterior_variance = betas * (1.0 - self.acp_prev) / (1.0 - self.acp)
        self.posterior_mean_coef1 = betas * np.sqrt(self.acp_prev) / (1.0 - self.acp)
        self.posterior_mean_coef2 = (1.0 - self.acp_prev) * np.sqrt(alphas) / (1.0 - self.acp)


def _extract_into_tensor(arr, timesteps, broadcast_to):
    """(B,) entries of a numpy array, expanded to the images' shape."""
    res = th.from_numpy(arr).to(device=timesteps.device)[timesteps].to(broadcast_to.dtype)
    while res.dim() < broadcast_to.dim():
        res = res[..., None]
    return res.expand(broadcast_to.shape)


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        self.model_mean_type = ModelMeanType(prediction_type)
        self.model_var_type = ModelVarType(variance_type)
        self.clip_denoised = clip_sample
        self.full = _Process(get_named_beta_schedule(beta_schedule, num_train_timesteps, beta_start, beta_end))
        self.betas = th.from_numpy(self.full.betas).float()
        self.alphas = th.from_numpy(1.0 - self.full.betas).float()
        self.alphas_cumprod = th.from_numpy(self.full.acp).float()
        self._respace(range(num_train_timesteps))

    def _respace(self, use_timesteps, device=None):
        self.use_timesteps = sorted(use_timesteps)
        last, betas = 1.0, []
        for t in self.use_timesteps:
            betas.append(1 - self.full.acp[t] / last)
            last = self.full.acp[t]
        self.process = _Process(np.array(betas))
        self.timesteps = th.tensor(self.use_timesteps[::-1], device=device)

    def q_sample(self, x_start, t, noise):
        return (_extract_into_tensor(self.full.sqrt_acp, t, x_start) * x_start
                + _extract_into_tensor(self.full.sqrt_one_minus_acp, t, x_start) * noise)

    add_noise = lambda self, original_samples, noise, timesteps: self.q_sample(original_samples, timesteps, noise)

    def get_velocity(self, sample, noise, timesteps):
        return (_extract_into_tensor(self.full.sqrt_acp, timesteps, sample) * noise
                - _extract_into_tensor(self.full.sqrt_one_minus_acp, timesteps, sample) * sample)

    def loss(self, model, original_samples, noise, timesteps):
        noisy = self.add_noise(original_samples, noise, timesteps)
        truth = self.get_velocity(original_samples, noise, timesteps) if self.model_mean_type is ModelMeanType.VELOCITY else noise
        difference = (model(noisy, timesteps) - truth).reshape(len(noisy), -1)
        return difference.pow(2).sum(-1) / difference.shape[1]

    def set_timesteps(self, num_inference_steps, device=None):
        T, S = len(self.full.betas), num_inference_steps
        if S < 1 or S > T:
            raise ValueError(f"cannot take {S} of {T} steps")
        self._respace([int(round(k * T / S)) - 1 for k in range(1, S + 1)], device)

    def _position(self, timestep):
        """Index in the short chain."""
        if int(timestep) not in self.use_timesteps:
            raise ValueError(f"{int(timestep)} was not kept: {self.use_timesteps}")
        return self.use_timesteps.index(int(timestep))

    def previous_timestep(self, timestep):
        i = self._position(timestep)
        return self.use_timesteps[i - 1] if i > 0 else -1

    def _batch(self, timestep, x):
        return th.full((x.shape[0],), self._position(timestep), dtype=th.long, device=x.device)

    def _predict_xstart_from_eps(self, x_t, t, eps):
        return (_extract_into_tensor(self.process.sqrt_recip_acp, t, x_t) * x_t
                - _extract_into_tensor(self.process.sqrt_recipm1_acp, t, x_t) * eps)

    def _predict_eps_from_xstart(self, x_t, t, pred_xstart):
        return ((_extract_into_tensor(self.process.sqrt_recip_acp, t, x_t) * x_t - pred_xstart)
                / _extract_into_tensor(self.process.sqrt_recipm1_acp, t, x_t))

    def predict(self, model_output, timestep, sample):
        t = self._batch(timestep, sample)
        if self.model_mean_type == ModelMeanType.EPSILON:
            eps = model_output
            pred_xstart = self._predict_xstart_from_eps(sample, t, eps)
        else:
            a = _extract_into_tensor(self.process.sqrt_acp, t, sample)
            b = _extract_into_tensor(self.process.sqrt_one_minus_acp, t, sample)
            pred_xstart, eps = a * sample - b * model_output, a * model_output + b * sample
        if self.clip_denoised:
            pred_xstart = pred_xstart.clamp(-1, 1)
            eps = self._predict_eps_from_xstart(sample, t, pred_xstart)
        return pred_xstart, eps

    def q_posterior_mean_variance(self, x_start, x_t, t):
        mean = (_extract_into_tensor(self.process.posterior_mean_coef1, t, x_t) * x_start
                + _extract_into_tensor(self.process.posterior_mean_coef2, t, x_t) * x_t)
        return mean, _extract_into_tensor(self.process.posterior_variance, t, x_t)

    def posterior(self, original_samples, sample, timestep):
        mean, variance = self.q_posterior_mean_variance(original_samples, sample, self._batch(timestep, sample))
        return mean, variance.flatten()[0]

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        t = self._batch(timestep, sample)
        pred_xstart, _ = self.predict(model_output, timestep, sample)
        mean, _ = self.q_posterior_mean_variance(pred_xstart, sample, t)
        table = {ModelVarType.FIXED_LARGE: self.process.betas,
                 ModelVarType.FIXED_SMALL: np.append(self.process.posterior_variance[1:2],
                                                     self.process.posterior_variance[1:])}[self.model_var_type]
        if len(table) < len(self.process.betas):  # a chain of one step has no variance to clip with
            table = np.ones(1)
        log_variance = _extract_into_tensor(np.log(table), t, sample)
        nonzero_mask = (t != 0).to(sample.dtype).view(-1, *([1] * (sample.dim() - 1)))
        return mean + nonzero_mask * th.exp(0.5 * log_variance) * _noise(sample, generator, variance_noise)


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0.0 <= eta <= 1.0:
            raise ValueError(f"eta = {eta} is not in [0, 1]")
        t = self._batch(timestep, sample)
        pred_xstart, eps = self.predict(model_output, timestep, sample)
        alpha_bar = _extract_into_tensor(self.process.acp, t, sample)
        alpha_bar_prev = _extract_into_tensor(self.process.acp_prev, t, sample)
        sigma = eta * th.sqrt((1 - alpha_bar_prev) / (1 - alpha_bar)) * th.sqrt(1 - alpha_bar / alpha_bar_prev)
        mean = pred_xstart * th.sqrt(alpha_bar_prev) + th.sqrt(1 - alpha_bar_prev - sigma ** 2) * eps
        return mean + sigma * _noise(sample, generator, variance_noise)


def _noise(x, generator, given):
    if given is not None:
        return given
    return th.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
