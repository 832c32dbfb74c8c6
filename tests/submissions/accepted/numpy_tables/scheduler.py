import numpy as np
import torch


class DDPMScheduler(object):
    """Tables in numpy; tensors are made only where they are shown or multiplied with images."""

    _choices = dict(
        beta_schedule=("linear", "scaled_linear", "cosine"),
        prediction_type=("epsilon", "v_prediction"),
        variance_type=("fixed_small", "fixed_large"),
    )

    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        given = dict(beta_schedule=beta_schedule, prediction_type=prediction_type, variance_type=variance_type)
        for key, value in given.items():
            if value not in self._choices[key]:
                raise ValueError("%s=%r, but accepted are only %s" % (key, value, self._choices[key]))
        self.num_train_timesteps = num_train_timesteps
        self.prediction_type = prediction_type
        self.variance_type = variance_type
        self.clip_sample = bool(clip_sample)

        n = num_train_timesteps
        if beta_schedule == "linear":
            b = np.linspace(beta_start, beta_end, n)
        elif beta_schedule == "scaled_linear":
            b = np.linspace(np.sqrt(beta_start), np.sqrt(beta_end), n) ** 2
        else:
            grid = np.arange(n + 1) / n
            alpha_bar = np.cos(0.5 * np.pi * (grid + 0.008) / 1.008) ** 2
            alpha_bar /= alpha_bar[0]
            b = np.minimum(1.0 - alpha_bar[1:] / alpha_bar[:-1], 0.999)
        self.np_alphas_cumprod = np.cumprod(1.0 - b)
        self.betas = torch.from_numpy(b.astype(np.float32))
        self.alphas = torch.from_numpy((1.0 - b).astype(np.float32))
        self.alphas_cumprod = torch.from_numpy(self.np_alphas_cumprod.astype(np.float32))
        self.timesteps = torch.from_numpy(np.arange(n, dtype=np.int64)[::-1].copy())

    @staticmethod
    def _gather(array, timesteps, images):
        picked = torch.from_numpy(array[timesteps.cpu().numpy()])
        return picked.to(device=images.device, dtype=images.dtype).reshape(len(picked), 1, 1, 1)

    def add_noise(self, original_samples, noise, timesteps):
        signal = self._gather(np.sqrt(self.np_alphas_cumprod), timesteps, original_samples)
        spread = self._gather(np.sqrt(1 - self.np_alphas_cumprod), timesteps, original_samples)
        return original_samples * signal + noise * spread

    def get_velocity(self, sample, noise, timesteps):
        signal = self._gather(np.sqrt(self.np_alphas_cumprod), timesteps, sample)
        spread = self._gather(np.sqrt(1 - self.np_alphas_cumprod), timesteps, sample)
        return noise * signal - sample * spread

    def loss(self, model, original_samples, noise, timesteps):
        target = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise
        output = model(self.add_noise(original_samples, noise, timesteps), timesteps)
        return (output.double() - target.double()).square().mean((-1, -2, -3)).to(output.dtype)

    def set_timesteps(self, num_inference_steps, device=None):
        n, s = self.num_train_timesteps, num_inference_steps
        if s < 1 or n < s:
            raise ValueError("between 1 and %d inference steps are possible, not %d" % (n, s))
        chosen = np.rint(np.linspace(n, 0, s, endpoint=False)).astype(np.int64) - 1
        self.timesteps = torch.from_numpy(chosen)
        if device is not None:
            self.timesteps = self.timesteps.to(device)

    def previous_timestep(self, timestep):
        steps = self.timesteps.cpu().numpy()
        position = np.flatnonzero(steps == int(timestep))
        if position.size == 0:
            raise ValueError("timestep %d is not one of the %d timesteps set" % (int(timestep), steps.size))
        following = np.append(steps, -1)[position[0] + 1]
        return int(following)

    def _abar(self, index):
        return 1.0 if index < 0 else float(self.np_alphas_cumprod[index])

    def predict(self, model_output, timestep, sample):
        self.previous_timestep(timestep)  # complains about a foreign timestep
        abar = self._abar(int(timestep))
        signal, spread = np.sqrt(abar), np.sqrt(1 - abar)
        if self.prediction_type == "v_prediction":
            x0 = float(signal) * sample - float(spread) * model_output
        else:
            x0 = sample / float(signal) - float(spread / signal) * model_output
        if self.clip_sample:
            x0 = torch.clamp(x0, min=-1, max=1)
        # one line serves both prediction types, clipped or not
        epsilon = (sample - float(signal) * x0) / float(spread)
        return x0, epsilon

    def posterior(self, original_samples, sample, timestep):
        now, before = self._abar(int(timestep)), self._abar(self.previous_timestep(timestep))
        alpha = now / before
        c0 = np.sqrt(before) * (1 - alpha) / (1 - now)
        ct = np.sqrt(alpha) * (1 - before) / (1 - now)
        variance = sample.new_tensor((1 - before) / (1 - now) * (1 - alpha))
        return float(c0) * original_samples + float(ct) * sample, variance

    def _normal(self, sample, generator):
        return torch.empty_like(sample).normal_(generator=generator)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        previous = self.previous_timestep(timestep)
        x_prev, variance = self.posterior(self.predict(model_output, timestep, sample)[0], sample, timestep)
        if previous >= 0:
            if self.variance_type == "fixed_large":
                variance = torch.as_tensor(1 - self._abar(int(timestep)) / self._abar(previous)).to(sample)
            z = self._normal(sample, generator) if variance_noise is None else variance_noise
            x_prev = x_prev + variance.sqrt() * z
        return x_prev


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if eta < 0.0 or 1.0 < eta:
            raise ValueError("eta is a number from 0 to 1, not %r" % eta)
        now, before = self._abar(int(timestep)), self._abar(self.previous_timestep(timestep))
        x0, epsilon = self.predict(model_output, timestep, sample)
        var = eta ** 2 * (1 - before) / (1 - now) * (1 - now / before)
        result = float(np.sqrt(before)) * x0 + float(np.sqrt(max(1 - before - var, 0.0))) * epsilon
        if var > 0:
            z = self._normal(sample, generator) if variance_noise is None else variance_noise
            result = result + float(np.sqrt(var)) * z
        return result
