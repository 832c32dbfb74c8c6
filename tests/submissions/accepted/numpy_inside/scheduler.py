"""All arithmetic in numpy float64: tensors become arrays when they come in, and arrays become tensors when they go out."""
import numpy as np
import torch


def arrays(*tensors):
    return [t.detach().cpu().numpy().astype(np.float64) for t in tensors]


def back(array, like):
    return torch.from_numpy(np.asarray(array, dtype=np.float64)).to(dtype=like.dtype, device=like.device)


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        N = num_train_timesteps
        if beta_schedule == "linear":
            betas = np.interp(np.arange(N), [0, N - 1], [beta_start, beta_end])
        elif beta_schedule == "scaled_linear":
            betas = np.square(np.interp(np.arange(N), [0, N - 1], np.sqrt([beta_start, beta_end])))
        elif beta_schedule == "cosine":
            f = np.vectorize(lambda i: np.cos(np.pi / 2 * (i / N + 0.008) / 1.008) ** 2)
            betas = np.where((b := 1 - f(np.arange(1, N + 1)) / f(np.arange(N))) > 0.999, 0.999, b)
        else:
            raise ValueError("invalid beta_schedule")
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError("invalid prediction_type")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError("invalid variance_type")
        self.prediction_type, self.variance_type, self.clip_sample = prediction_type, variance_type, clip_sample
        self._ac = np.multiply.accumulate(1 - betas)
        self._steps = np.arange(N)[::-1]
        self._device = None
        self._betas = betas

    betas = property(lambda self: torch.tensor(self._betas).float())
    alphas = property(lambda self: torch.tensor(1 - self._betas).float())
    alphas_cumprod = property(lambda self: torch.tensor(self._ac).float())
    timesteps = property(lambda self: torch.tensor(self._steps.copy(), dtype=torch.int64, device=self._device))

    def _coefficients(self, timesteps):
        ac = self._ac[timesteps.cpu().numpy()]
        return np.sqrt(ac)[:, None, None, None], np.sqrt(1 - ac)[:, None, None, None]

    def add_noise(self, original_samples, noise, timesteps):
        s, n = self._coefficients(timesteps)
        x0, eps = arrays(original_samples, noise)
        return back(s * x0 + n * eps, original_samples)

    def get_velocity(self, sample, noise, timesteps):
        s, n = self._coefficients(timesteps)
        x0, eps = arrays(sample, noise)
        return back(s * eps - n * x0, sample)

    def loss(self, model, original_samples, noise, timesteps):
        pixels = torch.nn.MSELoss(reduction="none")
        target = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise
        losses = pixels(model(self.add_noise(original_samples, noise, timesteps), timesteps), target)
        for _ in range(3):
            losses = losses.mean(dim=-1)
        return losses

    def set_timesteps(self, num_inference_steps, device=None):
        N = len(self._ac)
        if num_inference_steps <= 0 or num_inference_steps > N:
            raise ValueError("invalid num_inference_steps")
        self._steps = np.around(N * np.linspace(1, 0, num_inference_steps, endpoint=False)).astype(int) - 1
        self._device = device

    def previous_timestep(self, timestep):
        if int(timestep) not in self._steps:
            raise ValueError("invalid timestep")
        below = self._steps[self._steps < int(timestep)]
        return int(below.max(initial=-1))

    def _pair(self, timestep):
        p = self.previous_timestep(timestep)
        return self._ac[int(timestep)], self._ac[p] if p >= 0 else 1.0

    def _predict(self, out, timestep, x):
        ac, _ = self._pair(timestep)
        s, n = np.sqrt(ac), np.sqrt(1 - ac)
        x0, eps = ((x - n * out) / s, out) if self.prediction_type == "epsilon" else (s * x - n * out, s * out + n * x)
        if self.clip_sample:
            x0 = np.clip(x0, -1, 1)
            eps = (x - s * x0) / n
        return x0, eps

    def predict(self, model_output, timestep, sample):
        return tuple(back(a, sample) for a in self._predict(*arrays(model_output), timestep, *arrays(sample)))

    def _posterior(self, x0, x, timestep):
        ac, prev = self._pair(timestep)
        weights = np.array([np.sqrt(prev) * (1 - ac / prev), np.sqrt(ac / prev) * (1 - prev)]) / (1 - ac)
        return np.tensordot(weights, np.stack([x0, x]), axes=1), (1 - prev) * (1 - ac / prev) / (1 - ac)

    def posterior(self, original_samples, sample, timestep):
        mean, variance = self._posterior(*arrays(original_samples, sample), timestep)
        return back(mean, sample), back(variance, sample)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        out, x = arrays(model_output, sample)
        mean, variance = self._posterior(self._predict(out, timestep, x)[0], x, timestep)
        ac, prev = self._pair(timestep)
        if prev != 1:
            if self.variance_type == "fixed_large":
                variance = 1 - ac / prev
            mean += np.sqrt(variance) * self._z(sample, generator, variance_noise)
        return back(mean, sample)

    def _z(self, sample, generator, given):
        if given is None:
            given = torch.randn(sample.shape, generator=generator, dtype=torch.float64)
        return arrays(given)[0]


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError("invalid eta")
        out, x = arrays(model_output, sample)
        x0, eps = self._predict(out, timestep, x)
        ac, prev = self._pair(timestep)
        sigma = eta * np.sqrt((1 - prev) / (1 - ac) * (1 - ac / prev))
        x_prev = np.sqrt(prev) * x0 + np.sqrt(1 - prev - sigma ** 2) * eps
        return back(x_prev + sigma * self._z(sample, generator, variance_noise), sample)


class FlowMatchScheduler(DDPMScheduler):
    def __init__(self, num_train_timesteps=1000, prediction_type="flow", clip_sample=True):
        if prediction_type != "flow":
            raise ValueError("invalid prediction_type")
        super().__init__(num_train_timesteps, prediction_type="v_prediction", clip_sample=clip_sample)
        self._s = np.append(np.linspace(0, 1, num_train_timesteps + 1)[1:], 0)  # so that [-1] is the clean image

    def add_noise(self, original_samples, noise, timesteps):
        s = self._s[timesteps.cpu().numpy()][:, None, None, None]
        x0, eps = arrays(original_samples, noise)
        return back((1 - s) * x0 + s * eps, original_samples)

    def get_velocity(self, sample, noise, timesteps):
        return back(np.subtract(*arrays(noise, sample)), sample)

    def _predict(self, out, timestep, x):
        self.previous_timestep(timestep)
        s = self._s[int(timestep)]
        x0, eps = x - s * out, x + (1 - s) * out
        if self.clip_sample:
            x0 = np.clip(x0, -1, 1)
            eps = (x - (1 - s) * x0) / s
        return x0, eps

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        x0, eps = self._predict(*arrays(model_output), timestep, *arrays(sample))
        s = self._s[self.previous_timestep(timestep)]
        return back(np.average([x0, eps], axis=0, weights=[1 - s, s]), sample)


def inpaint(model, scheduler, known, mask, noise):
    hole, x = 1 - arrays(mask)[0], noise
    for t in scheduler.timesteps.tolist():
        x = scheduler.step(model(x, torch.full((len(x),), t)), t, x)
        p, kept = scheduler.previous_timestep(t), known
        if p >= 0:
            kept = scheduler.add_noise(known, noise, torch.full((len(x),), p))
        there, here = arrays(kept, x)
        x = back(np.where(hole, here, there), noise)
    return x


def guided(conditional, unconditional, scale):
    return back(np.tensordot([scale, 1 - scale], np.stack(arrays(conditional, unconditional)), axes=1), conditional)
