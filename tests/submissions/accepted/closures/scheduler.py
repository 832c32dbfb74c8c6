"""Methods made in __init__: functions that close over the tables, bound by partial. The class itself is nearly empty."""
from functools import partial
from types import SimpleNamespace

import torch


def make_betas(name, T, lo, hi):
    as_double = partial(torch.tensor, dtype=torch.float64)
    if name == "cosine":
        f = lambda i: torch.cos(as_double((i / T + 0.008) / 1.008 * torch.pi / 2)).square()
        return torch.stack([torch.clamp(1 - f(i + 1) / f(i), max=0.999) for i in range(T)])
    if name == "linear":
        return as_double([lo + i / (T - 1) * (hi - lo) for i in range(T)])
    if name == "scaled_linear":
        return make_betas("linear", T, lo ** 0.5, hi ** 0.5) ** 2
    raise ValueError(f"cannot make {name} betas")


def per_image(weigh_x0, weigh_noise):
    """A function of a batch from two functions of abar."""
    def combine(abars, x0, noise, timesteps):
        abar = abars.to(x0.device)[timesteps].reshape(-1, *[1] * (x0.ndim - 1))
        return weigh_x0(abar).to(x0.dtype) * x0 + weigh_noise(abar).to(x0.dtype) * noise
    return combine


signal, spread = lambda abar: abar.sqrt(), lambda abar: (1 - abar).sqrt()
minus = lambda f: lambda abar: -f(abar)


def translator(prediction_type, clip):
    if prediction_type == "epsilon":
        pair = lambda abar, out, x: ((x - spread(abar) * out) / signal(abar), out)
    elif prediction_type == "v_prediction":
        pair = lambda abar, out, x: (signal(abar) * x - spread(abar) * out, spread(abar) * x + signal(abar) * out)
    else:
        raise ValueError(f"cannot translate {prediction_type}")
    if not clip:
        return pair

    def clipped(abar, out, x):
        x0 = pair(abar, out, x)[0].clamp(-1, 1)
        return x0, (x - signal(abar) * x0) / spread(abar)
    return clipped


def normal(x, generator, given):
    return given if given is not None else torch.randn(x.shape, generator=generator, device=x.device).to(x.dtype)


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        T = num_train_timesteps
        betas = make_betas(beta_schedule, T, beta_start, beta_end)
        abars = (1 - betas).cumprod(0)
        translate = translator(prediction_type, clip_sample)
        if variance_type not in ("fixed_small", "fixed_large"):
            raise ValueError(f"cannot take {variance_type}")
        self.betas, self.alphas, self.alphas_cumprod = betas.float(), (1 - betas).float(), abars.float()
        state = SimpleNamespace(follows={})

        def set_timesteps(num_inference_steps, device=None):
            if not 1 <= num_inference_steps <= T:
                raise ValueError(f"cannot take {num_inference_steps} steps")
            steps = [round(T / num_inference_steps * k) - 1 for k in range(num_inference_steps, 0, -1)]
            state.follows = dict(zip(steps, steps[1:] + [-1]))
            self.timesteps = torch.tensor(steps, device=device)

        def previous_timestep(timestep):
            if int(timestep) in state.follows:
                return state.follows[int(timestep)]
            raise ValueError(f"cannot be at {int(timestep)}")

        def numbers(timestep, x):
            previous = previous_timestep(timestep)
            now, before = abars[int(timestep)], abars[previous] if previous >= 0 else abars.new_ones(())
            beta = 1 - now / before
            tilde = beta * (1 - before) / (1 - now)
            return SimpleNamespace(now=now.to(x.device), before=before.to(x.device), beta=beta.to(x.device),
                                   tilde=tilde.to(x.device), last=previous < 0)

        def predict(model_output, timestep, sample):
            return translate(numbers(timestep, sample).now, model_output, sample)

        def posterior(original_samples, sample, timestep):
            n = numbers(timestep, sample)
            mean = signal(n.before) * n.beta / (1 - n.now) * original_samples
            mean = mean + (1 - n.beta).sqrt() * (1 - n.before) / (1 - n.now) * sample
            return mean, n.tilde.to(sample.dtype)

        def ancestral(model_output, timestep, sample, generator=None, variance_noise=None):
            n = numbers(timestep, sample)
            mean, _ = posterior(predict(model_output, timestep, sample)[0], sample, timestep)
            variance = n.tilde if variance_type == "fixed_small" else n.beta
            return mean if n.last else mean + variance.sqrt() * normal(sample, generator, variance_noise)

        def implicit(model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
            if eta < 0 or eta > 1:
                raise ValueError(f"cannot take eta = {eta}")
            n = numbers(timestep, sample)
            x0, eps = predict(model_output, timestep, sample)
            x = signal(n.before) * x0 + (1 - n.before - eta * eta * n.tilde).sqrt() * eps
            return x + eta * n.tilde.sqrt() * normal(sample, generator, variance_noise)

        def loss(model, original_samples, noise, timesteps):
            of_v = prediction_type == "v_prediction"
            target = self.get_velocity(original_samples, noise, timesteps) if of_v else noise
            output = model(self.add_noise(original_samples, noise, timesteps), timesteps)
            return torch.stack([error.square().mean() for error in output - target])

        set_timesteps(T)
        self.add_noise = self.keywords(per_image(signal, spread), abars, "original_samples")
        self.get_velocity = self.keywords(per_image(minus(spread), signal), abars, "sample")
        self.set_timesteps, self.previous_timestep = set_timesteps, previous_timestep
        self.predict, self.posterior, self.loss = predict, posterior, loss
        self.step = {"DDPMScheduler": ancestral, "DDIMScheduler": implicit}[type(self).__name__]

    @staticmethod
    def keywords(function, abars, name):
        """Under the contract's name for the first argument."""
        bound = partial(function, abars)
        def method(*args, **kwargs):
            if name in kwargs:
                args = (kwargs.pop(name), *args)
            return bound(*args, **kwargs)
        return method


class DDIMScheduler(DDPMScheduler):
    pass


class FlowMatchScheduler:
    def __init__(self, num_train_timesteps=1000, prediction_type="flow", clip_sample=True):
        if prediction_type != "flow":
            raise ValueError(f"cannot translate {prediction_type}")
        inner = DDPMScheduler(num_train_timesteps, prediction_type="v_prediction")  # for its list and its loss
        share = lambda t: (t + 1) / num_train_timesteps
        along = lambda s: lambda near, far: near + s * (far - near)

        def add_noise(original_samples, noise, timesteps):
            s = share(timesteps.to(noise.device)).to(noise.dtype).reshape(-1, *[1] * (noise.ndim - 1))
            return along(s)(original_samples, noise)

        def get_velocity(sample, noise, timesteps):
            return noise - sample

        def loss(model, original_samples, noise, timesteps):
            return inner.loss(model, original_samples, noise, timesteps)

        def predict(model_output, timestep, sample):
            s = share(int(timestep))
            image = along(-s)(sample, sample + model_output)
            image = image.clamp(-1, 1) if clip_sample else image
            return image, along(1 / s)(image, sample)

        def step(model_output, timestep, sample, generator=None, variance_noise=None):
            return along(share(inner.previous_timestep(timestep)))(*predict(model_output, timestep, sample))

        def set_timesteps(num_inference_steps, device=None):
            inner.set_timesteps(num_inference_steps, device)
            self.timesteps = inner.timesteps

        inner.add_noise, inner.get_velocity = self.add_noise, self.get_velocity = add_noise, get_velocity
        self.set_timesteps, self.previous_timestep = set_timesteps, inner.previous_timestep
        self.predict, self.step, self.loss, self.timesteps = predict, step, loss, inner.timesteps


def inpaint(model, scheduler, known, mask, noise):
    put_back = lambda x, kept: torch.where(mask, kept, x)
    every = lambda t: torch.full((len(noise),), t, device=noise.device)
    going_on = lambda t: (lambda previous: previous >= 0 and every(previous))(scheduler.previous_timestep(t))
    x = noise
    for t in map(int, scheduler.timesteps):
        x, then = scheduler.step(model(x, every(t)), t, x), going_on(t)
        x = put_back(x, known if then is False else scheduler.add_noise(known, noise, then))
    return x


def guided(conditional, unconditional, scale):
    return (lambda near, far: near + scale * (far - near))(unconditional, conditional)
