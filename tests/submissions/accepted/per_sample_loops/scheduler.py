# I find broadcasting confusing, so this goes through the batch image by image with ordinary numbers.
import math
import torch


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        self.num_train_timesteps = num_train_timesteps
        if prediction_type != "epsilon" and prediction_type != "v_prediction":
            raise ValueError("prediction_type has to be epsilon or v_prediction")
        if variance_type != "fixed_small" and variance_type != "fixed_large":
            raise ValueError("variance_type has to be fixed_small or fixed_large")
        self.prediction_type = prediction_type
        self.variance_type = variance_type
        self.clip_sample = clip_sample

        self.betas = torch.zeros(num_train_timesteps)
        self.alphas = torch.zeros(num_train_timesteps)
        self.alphas_cumprod = torch.zeros(num_train_timesteps)
        running = 1.0
        for t in range(num_train_timesteps):
            part = t / (num_train_timesteps - 1)
            if beta_schedule == "linear":
                beta = beta_start + part * (beta_end - beta_start)
            elif beta_schedule == "scaled_linear":
                beta = (math.sqrt(beta_start) + part * (math.sqrt(beta_end) - math.sqrt(beta_start))) ** 2
            elif beta_schedule == "cosine":
                beta = 1 - self.f(t + 1) / self.f(t)
                if beta > 0.999:
                    beta = 0.999
            else:
                raise ValueError("beta_schedule has to be linear, scaled_linear or cosine")
            running = running * (1 - beta)
            self.betas[t] = beta
            self.alphas[t] = 1 - beta
            self.alphas_cumprod[t] = running

        self.timesteps = torch.tensor(list(reversed(range(num_train_timesteps))))

    def f(self, t):
        return math.cos((t / self.num_train_timesteps + 0.008) / 1.008 * math.pi / 2) ** 2

    def abar(self, t):
        if t < 0:
            return 1.0
        return self.alphas_cumprod[t].item()

    def add_noise(self, original_samples, noise, timesteps):
        images = []
        for x0, eps, t in zip(original_samples, noise, timesteps):
            a = self.abar(t.item())
            images.append(math.sqrt(a) * x0 + math.sqrt(1 - a) * eps)
        return torch.stack(images)

    def get_velocity(self, sample, noise, timesteps):
        result = torch.empty_like(sample)
        for i in range(sample.shape[0]):
            a = self.abar(timesteps[i].item())
            result[i] = math.sqrt(a) * noise[i] - math.sqrt(1 - a) * sample[i]
        return result

    def loss(self, model, original_samples, noise, timesteps):
        x_t = self.add_noise(original_samples, noise, timesteps)
        targets = noise
        if self.prediction_type == "v_prediction":
            targets = self.get_velocity(original_samples, noise, timesteps)
        losses = []
        for output, target in zip(model(x_t, timesteps), targets):
            losses.append(((output - target) ** 2).mean())
        return torch.stack(losses)

    def set_timesteps(self, num_inference_steps, device=None):
        if num_inference_steps < 1:
            raise ValueError("at least one step is needed")
        if num_inference_steps > self.num_train_timesteps:
            raise ValueError("not more than %d steps" % self.num_train_timesteps)
        steps = []
        for i in range(num_inference_steps, 0, -1):
            steps.append(round(i * self.num_train_timesteps / num_inference_steps) - 1)
        self.timesteps = torch.tensor(steps, dtype=torch.long)
        if device is not None:
            self.timesteps = self.timesteps.to(device)

    def previous_timestep(self, timestep):
        found = False
        for s in self.timesteps:
            if found:
                return s.item()
            if s.item() == int(timestep):
                found = True
        if not found:
            raise ValueError("this timestep is not used, use one of scheduler.timesteps")
        return -1

    def predict(self, model_output, timestep, sample):
        self.previous_timestep(timestep)
        a = self.abar(int(timestep))
        x0 = torch.empty_like(sample)
        eps = torch.empty_like(sample)
        for i in range(len(sample)):
            if self.prediction_type == "epsilon":
                x0[i] = (sample[i] - math.sqrt(1 - a) * model_output[i]) / math.sqrt(a)
                eps[i] = model_output[i]
            else:
                x0[i] = math.sqrt(a) * sample[i] - math.sqrt(1 - a) * model_output[i]
                eps[i] = math.sqrt(a) * model_output[i] + math.sqrt(1 - a) * sample[i]
            if self.clip_sample:
                x0[i] = x0[i].clamp(-1, 1)
                eps[i] = (sample[i] - math.sqrt(a) * x0[i]) / math.sqrt(1 - a)
        return x0, eps

    def numbers(self, timestep):
        a_prev = self.abar(self.previous_timestep(timestep))
        a = self.abar(int(timestep))
        beta = 1 - a / a_prev
        beta_tilde = (1 - a_prev) / (1 - a) * beta
        return a, a_prev, beta, beta_tilde

    def posterior(self, original_samples, sample, timestep):
        a, a_prev, beta, beta_tilde = self.numbers(timestep)
        mean = torch.empty_like(sample)
        for i in range(len(sample)):
            mean[i] = math.sqrt(a_prev) * beta / (1 - a) * original_samples[i]
            mean[i] += math.sqrt(1 - beta) * (1 - a_prev) / (1 - a) * sample[i]
        return mean, torch.tensor(beta_tilde, dtype=sample.dtype, device=sample.device)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        a, a_prev, beta, beta_tilde = self.numbers(timestep)
        x0, eps = self.predict(model_output, timestep, sample)
        x, _ = self.posterior(x0, sample, timestep)
        if self.previous_timestep(timestep) == -1:
            return x
        if self.variance_type == "fixed_small":
            std = math.sqrt(beta_tilde)
        else:
            std = math.sqrt(beta)
        for i in range(len(sample)):
            if variance_noise is None:
                x[i] += std * torch.randn(sample[i].shape, generator=generator, dtype=sample.dtype).to(sample.device)
            else:
                x[i] += std * variance_noise[i]
        return x


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if eta < 0 or eta > 1:
            raise ValueError("eta has to be between 0 and 1")
        a, a_prev, beta, beta_tilde = self.numbers(timestep)
        x0, eps = self.predict(model_output, timestep, sample)
        sigma = eta * math.sqrt(beta_tilde)
        x = torch.empty_like(sample)
        for i in range(len(sample)):
            x[i] = math.sqrt(a_prev) * x0[i] + math.sqrt(max(0, 1 - a_prev - sigma ** 2)) * eps[i]
            if sigma > 0:
                if variance_noise is None:
                    z = torch.randn(sample[i].shape, generator=generator, dtype=sample.dtype).to(sample.device)
                else:
                    z = variance_noise[i]
                x[i] = x[i] + sigma * z
        return x


class FlowMatchScheduler(DDPMScheduler):
    def __init__(self, num_train_timesteps=1000, prediction_type="flow", clip_sample=True):
        if prediction_type != "flow":
            raise ValueError("prediction_type has to be flow")
        super().__init__(num_train_timesteps, prediction_type="v_prediction", clip_sample=clip_sample)

    def s(self, t):
        return (t + 1) / self.num_train_timesteps

    def add_noise(self, original_samples, noise, timesteps):
        images = []
        for x0, eps, t in zip(original_samples, noise, timesteps):
            s = self.s(t.item())
            images.append((1 - s) * x0 + s * eps)
        return torch.stack(images)

    def get_velocity(self, sample, noise, timesteps):
        result = torch.empty_like(sample)
        for i in range(sample.shape[0]):
            result[i] = noise[i] - sample[i]
        return result

    def predict(self, model_output, timestep, sample):
        self.previous_timestep(timestep)
        s = self.s(int(timestep))
        x0 = torch.empty_like(sample)
        eps = torch.empty_like(sample)
        for i in range(len(sample)):
            x0[i] = sample[i] - s * model_output[i]
            eps[i] = x0[i] + model_output[i]
            if self.clip_sample:
                x0[i] = x0[i].clamp(-1, 1)
                eps[i] = (sample[i] - (1 - s) * x0[i]) / s
        return x0, eps

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        s_prev = self.s(self.previous_timestep(timestep))
        x0, eps = self.predict(model_output, timestep, sample)
        x = torch.empty_like(sample)
        for i in range(len(sample)):
            x[i] = (1 - s_prev) * x0[i] + s_prev * eps[i]
        return x


def inpaint(model, scheduler, known, mask, noise):
    x = noise
    for t in scheduler.timesteps:
        t = t.item()
        x = scheduler.step(model(x, torch.tensor([t] * len(x))), t, x)
        previous = scheduler.previous_timestep(t)
        for i in range(len(x)):
            if previous == -1:
                kept = known[i]
            else:
                kept = scheduler.add_noise(known[i:i + 1], noise[i:i + 1], torch.tensor([previous]))[0]
            x[i][mask[i]] = kept[mask[i]]
    return x


def guided(conditional, unconditional, scale):
    result = torch.empty_like(conditional)
    for i in range(len(conditional)):
        result[i] = unconditional[i] + scale * (conditional[i] - unconditional[i])
    return result
