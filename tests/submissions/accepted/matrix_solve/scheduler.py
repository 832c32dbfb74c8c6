"""What the network says is a system of two equations for x_0 and epsilon, and torch.linalg solves it. The posterior comes
from the joint covariance of (x_prev, x_t), by a Schur complement."""
import math

import torch

f64 = dict(dtype=torch.float64)


class DDPMScheduler:
    SCHEDULES = ("linear", "scaled_linear", "cosine")

    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        if beta_schedule not in self.SCHEDULES:
            raise ValueError(f"beta_schedule is one of {self.SCHEDULES}")
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError("prediction_type is one of epsilon, v_prediction")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError("variance_type is one of fixed_small, fixed_large")
        self.prediction_type, self.variance_type, self.clip_sample = prediction_type, variance_type, clip_sample
        T = num_train_timesteps
        if beta_schedule == "cosine":
            u = torch.arange(T + 1, **f64) / T
            f = ((u + 0.008) / 1.008 * math.pi / 2).cos() ** 2
            betas = (1 - f[1:] / f[:-1]).clamp(max=0.999)
        else:
            # a straight line through two points, by least squares
            exponent = {"linear": 1.0, "scaled_linear": 0.5}[beta_schedule]
            A = torch.tensor([[0.0, 1.0], [T - 1.0, 1.0]], **f64)
            line = torch.linalg.solve(A, torch.tensor([beta_start ** exponent, beta_end ** exponent], **f64))
            betas = (line[0] * torch.arange(T, **f64) + line[1]) ** (1 / exponent)
        # alpha-bar is what is left of log alphas under a lower triangle of ones
        log_abar = torch.ones(T, T, **f64).tril() @ torch.log1p(-betas)
        self.abar = log_abar.exp()
        self.betas, self.alphas, self.alphas_cumprod = betas.float(), (1 - betas).float(), self.abar.float()
        self.timesteps = torch.arange(T - 1, -1, -1)

    def mixed(self, row, x0, noise, timesteps):
        """One row of the rotation matrices of all images."""
        abar = self.abar.to(x0.device)[timesteps]
        a, b = abar.sqrt(), (1 - abar).sqrt()
        rotation = torch.stack([torch.stack([a, b], -1), torch.stack([-b, a], -1)], -2).to(x0.dtype)  # (B, 2, 2)
        both = torch.stack([x0.flatten(1), noise.flatten(1)], dim=1)  # (B, 2, CHW)
        return torch.bmm(rotation, both)[:, row].reshape(x0.shape)

    def add_noise(self, original_samples, noise, timesteps):
        return self.mixed(0, original_samples, noise, timesteps)

    def get_velocity(self, sample, noise, timesteps):
        return self.mixed(1, sample, noise, timesteps)

    def loss(self, model, original_samples, noise, timesteps):
        off = model(self.add_noise(original_samples, noise, timesteps), timesteps)
        off = off - (self.get_velocity(original_samples, noise, timesteps) if self.prediction_type == "v_prediction" else noise)
        return torch.linalg.vector_norm(off.flatten(start_dim=1), dim=1) ** 2 / off[0].numel()

    def set_timesteps(self, num_inference_steps, device=None):
        T = len(self.abar)
        if not 1 <= num_inference_steps <= T:
            raise ValueError(f"num_inference_steps is one of 1 ... {T}")
        steps = [round((num_inference_steps - i) * T / num_inference_steps) - 1 for i in range(num_inference_steps)]
        # a table of (timestep, the next one down); the list is its first column
        self.moves = torch.tensor([*zip(steps, steps[1:] + [-1])], device=device)
        self.timesteps = self.moves[:, 0]

    def previous_timestep(self, timestep):
        if not hasattr(self, "moves"):
            self.set_timesteps(len(self.abar))
        row = self.moves[self.moves[:, 0] == int(timestep)]
        if len(row) == 0:
            raise ValueError(f"timestep is one of {self.timesteps.tolist()}")
        return row[0, 1].item()

    def pair(self, timestep):
        previous = self.previous_timestep(timestep)
        return self.abar[int(timestep)].item(), self.abar[previous].item() if previous >= 0 else 1.0

    def predict(self, model_output, timestep, sample):
        now, _ = self.pair(timestep)
        a, b = math.sqrt(now), math.sqrt(1 - now)
        # x_t and the output, as rows of (x_0, epsilon)
        rows = [[a, b], [0.0, 1.0] if self.prediction_type == "epsilon" else [-b, a]]
        known = torch.stack([sample.flatten(), model_output.flatten()]).double()
        x0, eps = torch.linalg.solve(torch.tensor(rows, **f64).to(sample.device), known)
        if self.clip_sample:
            x0 = x0.clamp(-1, 1)
            eps = (known[0] - a * x0) / b
        return tuple(found.reshape(sample.shape).to(sample.dtype) for found in (x0, eps))

    def gaussian(self, x0, x, timestep):
        """Mean and variance of x_prev given x_t; all of it given x_0."""
        now, before = self.pair(timestep)
        root = math.sqrt(now / before)
        covariance = torch.tensor([[1 - before, root * (1 - before)], [root * (1 - before), 1 - now]], **f64)
        gain = covariance[0, 1] / covariance[1, 1]
        mean = math.sqrt(before) * x0 + gain.item() * (x - math.sqrt(now) * x0)
        determinant = torch.linalg.det(covariance) if before < 1 else torch.zeros((), **f64)
        return mean, determinant / covariance[1, 1]

    def posterior(self, original_samples, sample, timestep):
        mean, variance = self.gaussian(original_samples, sample, timestep)
        return mean, variance.to(sample)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        x0, _ = self.predict(model_output, timestep, sample)
        mean, variance = self.gaussian(x0, sample, timestep)
        now, before = self.pair(timestep)
        if before == 1:
            return mean
        std = math.sqrt(1 - now / before) if self.variance_type == "fixed_large" else math.sqrt(variance)
        return mean + std * self.z(sample, generator, variance_noise)

    def z(self, x, generator, z):
        return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) if z is None else z


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if eta < 0 or eta > 1:
            raise ValueError("eta is 0 ... 1")
        x0, eps = self.predict(model_output, timestep, sample)
        _, before = self.pair(timestep)
        variance = eta ** 2 * self.gaussian(x0, sample, timestep)[1].item()
        weights = torch.tensor([before, 1 - before - variance, variance], **f64).clamp(min=0).sqrt().to(sample)
        stack = torch.stack([x0, eps, self.z(sample, generator, variance_noise)], dim=-1)
        return stack @ weights
