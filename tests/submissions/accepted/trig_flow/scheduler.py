"""Only v: every output is first turned into the velocity along the circle, and one DDIM step is a rotation by the
difference of two angles, x_prev = cos(d) x_t - sin(d) v. Noise is an angle, too: eta turns old noise towards new."""
from math import acos, asin, cos, pi, sin, sqrt, tan

import torch


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        steps = range(num_train_timesteps)
        if beta_schedule == "linear":
            betas = [beta_end * t / steps[-1] + beta_start * (1 - t / steps[-1]) for t in steps]
        elif beta_schedule == "scaled_linear":
            betas = [(sqrt(beta_end) * t / steps[-1] + sqrt(beta_start) * (1 - t / steps[-1])) ** 2 for t in steps]
        elif beta_schedule == "cosine":
            turn = [(t / num_train_timesteps + 0.008) / 1.008 * pi / 2 for t in range(num_train_timesteps + 1)]
            # 1 - cos^2(q) / cos^2(p) = sin(q - p) sin(q + p) / cos^2(p)
            betas = [min(sin(q - p) * sin(q + p) / cos(p) ** 2, 0.999) for p, q in zip(turn, turn[1:])]
        else:
            raise ValueError("unknown schedule")
        if prediction_type not in ["epsilon", "v_prediction"]:
            raise ValueError("unknown prediction type")
        if variance_type not in ["fixed_small", "fixed_large"]:
            raise ValueError("unknown variance type")
        self.angle, signal2 = [], 1.0
        for beta in betas:
            signal2 *= 1 - beta
            self.angle.append(acos(sqrt(signal2)))
        self.betas = torch.FloatTensor(betas)
        self.alphas = torch.FloatTensor([1 - beta for beta in betas])
        self.alphas_cumprod = torch.FloatTensor([cos(a) ** 2 for a in self.angle])
        self.timesteps = torch.LongTensor(steps[::-1])
        self.prediction_type, self.variance_type, self.clip_sample = prediction_type, variance_type, clip_sample

    def _turned(self, image, noise, timesteps):
        angle = torch.tensor(self.angle, dtype=torch.float64).to(image.device)[timesteps].to(image.dtype)
        angle = angle[:, None, None, None]
        return torch.cos(angle) * image + torch.sin(angle) * noise

    def add_noise(self, original_samples, noise, timesteps):
        return self._turned(original_samples, noise, timesteps)

    def get_velocity(self, sample, noise, timesteps):
        return self._turned(noise, -sample, timesteps)

    def loss(self, model, original_samples, noise, timesteps):
        target = self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise
        output = model(self.add_noise(original_samples, noise, timesteps), timesteps)
        return (output.double() - target.double()).square().mean((-1, -2, -3)).to(output.dtype)

    def set_timesteps(self, num_inference_steps, device=None):
        T = len(self.angle)
        if num_inference_steps > T or num_inference_steps < 1:
            raise ValueError("unknown number of steps")
        stops = [T * (num_inference_steps - i) / num_inference_steps for i in range(num_inference_steps)]
        self.timesteps = torch.tensor([int(stop + 0.5) - 1 for stop in stops], device=device)

    def previous_timestep(self, timestep):
        remaining = self.timesteps.tolist()
        while remaining:
            if remaining.pop(0) == int(timestep):
                return remaining[0] if remaining else -1
        raise ValueError("unknown timestep")

    def _angles(self, timestep):
        previous = self.previous_timestep(timestep)
        return self.angle[int(timestep)], self.angle[previous] if previous >= 0 else 0.0

    def _velocity(self, model_output, timestep, sample):
        angle, _ = self._angles(timestep)
        v = model_output if self.prediction_type == "v_prediction" else (model_output - sin(angle) * sample) / cos(angle)
        if self.clip_sample:
            x0 = (cos(angle) * sample - sin(angle) * v).clamp(-1, 1)
            v = sample / tan(angle) - x0 / sin(angle)
        return v

    def predict(self, model_output, timestep, sample):
        angle, _ = self._angles(timestep)
        v = self._velocity(model_output, timestep, sample)
        x0, epsilon = cos(angle) * sample - sin(angle) * v, sin(angle) * sample + cos(angle) * v
        return (x0.clamp(-1, 1) if self.clip_sample else x0), epsilon

    def _bend(self, timestep):
        """(angle of new noise in the posterior, angle of new noise in the chain itself)."""
        now, before = self._angles(timestep)
        return acos(min(1.0, tan(before) / tan(now))), asin(sqrt(sin(now - before) * sin(now + before)) / cos(before))

    def _land(self, timestep, sample, v, bend):
        """Rotate to the previous angle and take away what the bend makes room for."""
        now, before = self._angles(timestep)
        epsilon = sin(now) * sample + cos(now) * v
        return cos(now - before) * sample - sin(now - before) * v - sin(before) * (2 * sin(bend / 2) ** 2) * epsilon

    def posterior(self, original_samples, sample, timestep):
        now, before = self._angles(timestep)
        v = (cos(now) * sample - original_samples) / sin(now)
        bend, _ = self._bend(timestep)
        variance = torch.tensor((sin(before) * sin(bend)) ** 2, dtype=sample.dtype, device=sample.device)
        return self._land(timestep, sample, v, bend), variance

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        small, large = self._bend(timestep)
        _, before = self._angles(timestep)
        x = self._land(timestep, sample, self._velocity(model_output, timestep, sample), small)
        std = sin(large) if self.variance_type == "fixed_large" else sin(before) * sin(small)
        return x if before == 0 else x + std * randn_like(sample, generator, variance_noise)


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if eta > 1 or eta < 0:
            raise ValueError("unknown eta")
        _, before = self._angles(timestep)
        bend = asin(eta * sin(self._bend(timestep)[0]))
        x = self._land(timestep, sample, self._velocity(model_output, timestep, sample), bend)
        return x + sin(before) * sin(bend) * randn_like(sample, generator, variance_noise) if bend else x


def randn_like(x, generator, z):
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) if z is None else z
