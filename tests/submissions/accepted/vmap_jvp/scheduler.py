"""Formulas for one image and one timestep, spread over the batch by torch.func.vmap; and v is not written down at all, but
taken as what it is, the derivative of x_t with respect to the angle, by torch.func.jvp."""
import torch
from torch.func import jvp, vmap


def on_circle(phi, image, noise):
    return phi.cos() * image + phi.sin() * noise


def tangent(phi, image, noise):
    _, derivative = jvp(lambda angle: on_circle(angle, image, noise), (phi,), (torch.ones_like(phi),))
    return derivative


def from_epsilon(abar, x, output):
    return (x - (1 - abar).sqrt() * output) / abar.sqrt(), output.clone()


def from_v(abar, x, output):
    return abar.sqrt() * x - (1 - abar).sqrt() * output, abar.sqrt() * output + (1 - abar).sqrt() * x


def explain(abar, x, x0):
    x0 = x0.clamp(-1, 1)
    return x0, (x - abar.sqrt() * x0) / (1 - abar).sqrt()


def bayes(abar, abar_prev, x0, x):
    beta = 1 - abar / abar_prev
    mean = (abar_prev.sqrt() * beta * x0 + (1 - beta).sqrt() * (1 - abar_prev) * x) / (1 - abar)
    return mean, (1 - abar_prev) / (1 - abar) * beta, beta


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        u = torch.arange(num_train_timesteps, dtype=torch.float64)
        line = lambda a, b: vmap(lambda t: a + (b - a) * t / (num_train_timesteps - 1))(u)
        f = lambda t: torch.cos((t / num_train_timesteps + 0.008) / 1.008 * torch.pi / 2) ** 2
        if beta_schedule == "linear":
            betas = line(beta_start, beta_end)
        elif beta_schedule == "scaled_linear":
            betas = line(beta_start ** 0.5, beta_end ** 0.5) ** 2
        elif beta_schedule == "cosine":
            betas = vmap(lambda t: torch.clamp(1 - f(t + 1) / f(t), max=0.999))(u)
        else:
            raise ValueError(f"beta_schedule: {beta_schedule}")
        if prediction_type not in ("epsilon", "v_prediction"):
            raise ValueError(f"prediction_type: {prediction_type}")
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError(f"variance_type: {variance_type}")
        self.translate = vmap(from_epsilon if prediction_type == "epsilon" else from_v, in_dims=(None, 0, 0))
        self.is_v = prediction_type == "v_prediction"
        self.which = 1 if variance_type == "fixed_small" else 2
        self.clip_sample = clip_sample
        self.betas, self.alphas = betas.float(), (1 - betas).float()
        self.abar = torch.cumprod(1 - betas, 0)
        self.alphas_cumprod = self.abar.float()
        self.timesteps = torch.arange(num_train_timesteps - 1, -1, -1)

    def angle(self, timesteps, x):
        return torch.acos(self.abar.sqrt()).to(x.device)[timesteps].to(x.dtype)

    def add_noise(self, original_samples, noise, timesteps):
        return vmap(on_circle)(self.angle(timesteps, noise), original_samples, noise)

    def get_velocity(self, sample, noise, timesteps):
        return vmap(tangent)(self.angle(timesteps, noise), sample, noise)

    def loss(self, model, original_samples, noise, timesteps):
        target = self.get_velocity(original_samples, noise, timesteps) if self.is_v else noise
        output = model(self.add_noise(original_samples, noise, timesteps), timesteps)
        return torch.vmap(torch.nn.functional.mse_loss)(output, target)

    def set_timesteps(self, num_inference_steps, device=None):
        T = len(self.abar)
        if not 1 <= num_inference_steps <= T:
            raise ValueError(f"num_inference_steps: {num_inference_steps}")
        k = torch.arange(num_inference_steps, 0, -1, device=device)
        # twice the fraction plus one, halved in integers, is the fraction rounded
        self.timesteps = torch.div(2 * k * T + num_inference_steps, 2 * num_inference_steps, rounding_mode="floor") - 1

    def previous_timestep(self, timestep):
        hit = self.timesteps.eq(int(timestep))
        if not hit.any():
            raise ValueError(f"timestep: {int(timestep)}")
        after = int(hit.int().argmax()) + 1
        return self.timesteps[after].item() if after < len(hit) else -1

    def two(self, timestep, x):
        previous = self.previous_timestep(timestep)
        now = self.abar[int(timestep)]
        return now.to(x.device), (self.abar[previous] if previous >= 0 else torch.ones_like(now)).to(x.device)

    def predict(self, model_output, timestep, sample):
        abar, _ = self.two(timestep, sample)
        x0, epsilon = self.translate(abar, sample, model_output)
        return vmap(explain, in_dims=(None, 0, 0))(abar, sample, x0) if self.clip_sample else (x0, epsilon)

    def posterior(self, original_samples, sample, timestep):
        mean, variance, _ = self.three(original_samples, sample, timestep)
        return mean, variance.to(sample)

    def three(self, x0, x, timestep):
        return vmap(bayes, in_dims=(None, None, 0, 0), out_dims=(0, None, None))(*self.two(timestep, x), x0, x)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        x0, _ = self.predict(model_output, timestep, sample)
        moments = self.three(x0, sample, timestep)
        if self.previous_timestep(timestep) < 0:
            return moments[0]
        return moments[0] + moments[self.which].sqrt() * draw(sample, generator, variance_noise)


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError(f"eta: {eta}")
        x0, epsilon = self.predict(model_output, timestep, sample)
        sigma = eta * self.three(x0, sample, timestep)[1].sqrt()
        before = self.two(timestep, sample)[1]
        one = lambda image, noise, z: before.sqrt() * image + (1 - before - sigma ** 2).sqrt() * noise + sigma * z
        return vmap(one)(x0, epsilon, draw(sample, generator, variance_noise))


def draw(x, generator, z):
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device) if z is None else z


def on_line(s, image, noise):
    return image + s * (noise - image)


def along_line(s, image, noise):
    return jvp(lambda place: on_line(place, image, noise), (s,), (torch.ones_like(s),))[1]


def from_velocity(s, x, output):
    return on_line(-s, x, x + output), on_line(1 - s, x, x + output)


class FlowMatchScheduler(DDPMScheduler):
    def __init__(self, num_train_timesteps=1000, prediction_type="flow", clip_sample=True):
        if prediction_type != "flow":
            raise ValueError(f"prediction_type: {prediction_type}")
        super().__init__(num_train_timesteps, prediction_type="v_prediction", clip_sample=clip_sample)
        self.translate = vmap(from_velocity, in_dims=(None, 0, 0))

    def place(self, timesteps, x):
        return vmap(lambda t: (t + 1) / len(self.abar))(timesteps.to(x.device)).to(x.dtype)

    def add_noise(self, original_samples, noise, timesteps):
        return vmap(on_line)(self.place(timesteps, noise), original_samples, noise)

    def get_velocity(self, sample, noise, timesteps):
        return vmap(along_line)(self.place(timesteps, noise), sample, noise)

    def ends(self, timestep, x):
        both = torch.tensor([int(timestep), self.previous_timestep(timestep)], device=x.device)
        return self.place(both, x)

    def predict(self, model_output, timestep, sample):
        s, _ = self.ends(timestep, sample)
        x0, epsilon = self.translate(s, sample, model_output)
        if self.clip_sample:
            x0 = x0.clamp(-1, 1)
            epsilon = x0 + (sample - x0) / s
        return x0, epsilon

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        return vmap(on_line, in_dims=(None, 0, 0))(self.ends(timestep, sample)[1], *self.predict(model_output, timestep, sample))


def inpaint(model, scheduler, known, mask, noise):
    choose = vmap(lambda m, kept, made: torch.where(m, kept, made))
    x = noise
    for t in scheduler.timesteps.tolist():
        x = scheduler.step(model(x, torch.full((len(x),), t, device=x.device)), t, x)
        before = scheduler.previous_timestep(t)
        then = known if before < 0 else scheduler.add_noise(known, noise, torch.full((len(x),), before, device=x.device))
        x = choose(mask, then, x)
    return x


def guided(conditional, unconditional, scale):
    return vmap(on_line, in_dims=(None, 0, 0))(scale, unconditional, conditional)
