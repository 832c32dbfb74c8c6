"""x_0 + i epsilon is one complex image. Turned back by the angle phi it is x_t + i v, so that everything is a rotation."""
import cmath
import math

import torch


class DDPMScheduler:
    __slots__ = ("betas", "alphas", "alphas_cumprod", "timesteps", "phase", "kind", "large", "clip")

    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        T = num_train_timesteps
        if beta_schedule == "linear":
            betas = torch.linspace(beta_start, beta_end, T, dtype=torch.float64)
        elif beta_schedule == "scaled_linear":
            betas = torch.linspace(math.sqrt(beta_start), math.sqrt(beta_end), T, dtype=torch.float64) ** 2
        elif beta_schedule == "cosine":
            turn = torch.polar(torch.ones(T + 1, dtype=torch.float64),
                               (torch.arange(T + 1).double() / T + 0.008) / 1.008 * (math.pi / 2))
            betas = 1 - (turn.real[1:] / turn.real[:-1]).square()
            betas = betas.clamp(max=0.999)
        else:
            raise ValueError(beta_schedule)
        if {"epsilon": 1, "v_prediction": 1}.get(prediction_type) is None:
            raise ValueError(prediction_type)
        if {"fixed_small": 1, "fixed_large": 1}.get(variance_type) is None:
            raise ValueError(variance_type)
        abar = torch.cumprod(1 - betas, 0)
        self.betas, self.alphas, self.alphas_cumprod = (x.float() for x in (betas, 1 - betas, abar))
        self.phase = torch.complex(abar.sqrt(), (1 - abar).sqrt())  # exp(i phi)
        self.kind, self.large, self.clip = prediction_type, variance_type == "fixed_large", clip_sample
        self.timesteps = torch.arange(T).flip(0)

    def _rotated(self, x0, epsilon, timesteps):
        phase = self.phase.to(x0.device)[timesteps][:, None, None, None].to(x0.dtype.to_complex())
        return (torch.complex(x0, epsilon).conj() * phase).conj()

    def add_noise(self, original_samples, noise, timesteps):
        return self._rotated(original_samples, noise, timesteps).real

    def get_velocity(self, sample, noise, timesteps):
        return self._rotated(sample, noise, timesteps).imag

    def loss(self, model, original_samples, noise, timesteps):
        # add_noise and get_velocity are one rotation: v of (x_0, epsilon) is x_t of (epsilon, -x_0)
        x_t = self.add_noise(original_samples, noise, timesteps)
        target = self.add_noise(noise, -original_samples, timesteps) if self.kind == "v_prediction" else noise
        return torch.square(model(x_t, timesteps) - target).mean(dim=[1, 2, 3])

    def set_timesteps(self, num_inference_steps, device=None):
        T = len(self.betas)
        if num_inference_steps < 1 or num_inference_steps > T:
            raise ValueError(num_inference_steps)
        self.timesteps = torch.tensor(
            [round(T * i / num_inference_steps) - 1 for i in range(num_inference_steps, 0, -1)], device=device)

    def previous_timestep(self, timestep):
        listed = self.timesteps.tolist()
        if int(timestep) not in listed:
            raise ValueError(timestep)
        return max([t for t in listed if t < int(timestep)], default=-1)

    def _phases(self, timestep):
        """exp(i phi) as Python's complex numbers, now and before."""
        previous = self.previous_timestep(timestep)
        return self.phase[int(timestep)].item(), self.phase[previous].item() if previous >= 0 else 1 + 0j

    def predict(self, model_output, timestep, sample):
        now, _ = self._phases(timestep)
        if self.kind == "v_prediction":
            image = torch.complex(sample, model_output) * now
        else:
            image = torch.complex((sample - now.imag * model_output) / now.real, model_output)
        if self.clip:
            x0 = torch.clamp(image.real, -1, 1)
            image = torch.complex(x0, (sample - now.real * x0) / now.imag)
        return image.real, image.imag

    def _spread(self, now, before):
        """(beta, beta-tilde); 1 - alpha = Im(now * conj(before)) Im(now * before) / Re(before)^2"""
        beta = (now * before.conjugate()).imag * (now * before).imag / before.real ** 2
        return beta, beta * (before.imag / now.imag) ** 2

    def posterior(self, original_samples, sample, timestep):
        now, before = self._phases(timestep)
        beta, tilde = self._spread(now, before)
        share = before.real * beta / now.imag ** 2
        mean = share * original_samples + (before.imag / now.imag) ** 2 * (now.real / before.real) * sample
        return mean, torch.tensor(tilde, dtype=sample.dtype, device=sample.device)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        now, before = self._phases(timestep)
        x, _ = self.posterior(self.predict(model_output, timestep, sample)[0], sample, timestep)
        if before == 1:
            return x
        beta, tilde = self._spread(now, before)
        return x + math.sqrt(beta if self.large else tilde) * _z(sample, generator, variance_noise)


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError(eta)
        now, before = self._phases(timestep)
        image = torch.complex(*self.predict(model_output, timestep, sample))
        if eta == 0:
            return (image * before.conjugate()).real
        sigma = eta * math.sqrt(self._spread(now, before)[1])
        noise = before.imag * cmath.exp(1j * math.asin(sigma / before.imag if before.imag else 0.0))  # old + i new
        return before.real * image.real + noise.real * image.imag + noise.imag * _z(sample, generator, variance_noise)


def _z(x, generator, z):
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) if z is None else z
