"""The schedulers of the diffusers library in this contract's clothes. The arithmetic is the library's own.

What differs between the two, and is translated here:
- names: "cosine" is "squaredcos_cap_v2"; results come in dataclasses; errors are of other types
- the list: the library spaces "trailing" only when told to, and rounds in numpy; DDPM takes a custom list
- DDPM draws its own noise and asks `t > 0` about the last step; the list decides here
- DDIM goes back by T // S; the list decides here
- clipping re-derives epsilon only in DDIM, and only with use_clipped_model_output
- FlowMatchEulerDiscreteScheduler has a spacing and timesteps of its own, t + 1 as floats, and nothing like predict: it is
  given the s of each step, and steps all the way to the image and to the noise show both
"""
import contextlib

import torch
from diffusers import DDIMScheduler as LibraryDDIM
from diffusers import DDPMScheduler as LibraryDDPM
from diffusers import FlowMatchEulerDiscreteScheduler as LibraryFlow
from diffusers.schedulers import scheduling_ddpm as library

SCHEDULES = {"linear": "linear", "scaled_linear": "scaled_linear", "cosine": "squaredcos_cap_v2"}


@contextlib.contextmanager
def noise_is(value):
    """The library's DDPM step cannot be given its noise: hand it over where it would draw."""
    draw = library.randn_tensor
    if value is not None:
        library.randn_tensor = lambda *args, **kwargs: value
    try:
        yield
    finally:
        library.randn_tensor = draw


class DDPMScheduler:
    def __init__(self, num_train_timesteps=1000, beta_schedule="linear", beta_start=1e-4, beta_end=0.02,
                 prediction_type="epsilon", variance_type="fixed_small", clip_sample=True):
        for value, accepted in ((beta_schedule, SCHEDULES), (prediction_type, ("epsilon", "v_prediction")),
                                (variance_type, ("fixed_small", "fixed_large"))):
            if value not in accepted:
                raise ValueError(f"{value!r} is not one of {', '.join(accepted)}")
        settings = dict(
            num_train_timesteps=num_train_timesteps, beta_schedule=SCHEDULES[beta_schedule], beta_start=beta_start,
            beta_end=beta_end, prediction_type=prediction_type, clip_sample=clip_sample, timestep_spacing="trailing",
        )
        self.ddpm = LibraryDDPM(variance_type=variance_type, **settings)
        self.ddim = LibraryDDIM(**settings)
        # The library's DDIM computes `timestep - T // S`: with a "T" of distance and an "S" of 1 that is our list's.
        self.ddim.num_inference_steps = 1
        # One step to a place where nothing is left of the signal ends in epsilon_hat alone.
        self.all_the_way = LibraryDDIM(**settings)
        self.all_the_way.num_inference_steps = 1
        self.all_the_way.final_alpha_cumprod = torch.tensor(0.0)
        self.all_the_way._get_variance = lambda timestep, prev_timestep: torch.tensor(0.0)

    betas = property(lambda self: self.ddpm.betas)
    alphas = property(lambda self: self.ddpm.alphas)
    alphas_cumprod = property(lambda self: self.ddpm.alphas_cumprod)
    timesteps = property(lambda self: self.ddpm.timesteps)

    def add_noise(self, original_samples, noise, timesteps):
        return self.ddpm.add_noise(original_samples, noise, timesteps)

    def get_velocity(self, sample, noise, timesteps):
        return self.ddpm.get_velocity(sample, noise, timesteps)

    def loss(self, model, original_samples, noise, timesteps):
        # as the library's training scripts do it
        target = noise
        if self.ddpm.config.prediction_type == "v_prediction":
            target = self.get_velocity(original_samples, noise, timesteps)
        output = model(self.add_noise(original_samples, noise, timesteps), timesteps)
        loss = torch.nn.functional.mse_loss(output.float(), target.float(), reduction="none")
        return loss.mean(dim=list(range(1, len(loss.shape))))

    def set_timesteps(self, num_inference_steps, device=None):
        if num_inference_steps < 1:
            raise ValueError("at least one step")
        self.ddpm.set_timesteps(num_inference_steps, device=device)
        # as a custom list, so that the library looks the previous timestep up in it; its own has an entry too many for
        # some numbers of steps, such as 61
        listed = self.ddpm.timesteps.tolist()[:num_inference_steps]
        self.ddpm.set_timesteps(timesteps=listed, device=device)

    def previous_timestep(self, timestep):
        if int(timestep) not in self.timesteps.tolist():
            raise ValueError(f"{int(timestep)} is not in the list of timesteps")
        return int(self.ddpm.previous_timestep(int(timestep)))

    def _ddim_step(self, model_output, timestep, sample, **options):
        t = int(timestep)
        self.ddim.register_to_config(num_train_timesteps=t - self.previous_timestep(t))
        return self.ddim.step(model_output, t, sample, use_clipped_model_output=self.ddim.config.clip_sample, **options)

    def predict(self, model_output, timestep, sample):
        x0 = self._ddim_step(model_output, timestep, sample).pred_original_sample
        clipped = self.all_the_way.config.clip_sample
        epsilon = self.all_the_way.step(model_output, int(timestep), sample, use_clipped_model_output=clipped).prev_sample
        return x0, epsilon

    def posterior(self, original_samples, sample, timestep):
        self.previous_timestep(timestep)
        ddpm = LibraryDDPM.from_config(self.ddpm.config, prediction_type="sample", clip_sample=False)
        ddpm.set_timesteps(timesteps=self.timesteps.tolist())
        with noise_is(torch.zeros_like(sample)):
            mean = ddpm.step(original_samples, int(timestep), sample).prev_sample
        variance = ddpm._get_variance(int(timestep), variance_type="fixed_small")
        return mean, variance.to(sample)

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        if self.previous_timestep(timestep) < 0:
            variance_noise = torch.zeros_like(sample)
        with noise_is(variance_noise):
            return self.ddpm.step(model_output, int(timestep), sample, generator=generator).prev_sample


class DDIMScheduler(DDPMScheduler):
    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        if not 0 <= eta <= 1:
            raise ValueError("eta must be in [0, 1]")
        if variance_noise is not None:
            generator = None
        return self._ddim_step(model_output, timestep, sample, eta=eta, generator=generator,
                               variance_noise=variance_noise).prev_sample


class FlowMatchScheduler(DDPMScheduler):
    def __init__(self, num_train_timesteps=1000, prediction_type="flow", clip_sample=True):
        if prediction_type != "flow":
            raise ValueError(f"{prediction_type!r} is not flow")
        super().__init__(num_train_timesteps, prediction_type="v_prediction", clip_sample=clip_sample)
        self.flow = LibraryFlow(num_train_timesteps)
        self.T = num_train_timesteps

    def add_noise(self, original_samples, noise, timesteps):
        return self.flow.scale_noise(original_samples, self.flow.timesteps[self.T - 1 - timesteps.cpu()], noise)

    def get_velocity(self, sample, noise, timesteps):
        return noise - sample  # as the library's training scripts do it

    def _walk(self, velocity, sample, start, end):
        flow = LibraryFlow(self.T)
        flow.set_timesteps(sigmas=[start, end] if end else [start])
        flow.set_begin_index(0)
        return flow.step(velocity, flow.timesteps[0], sample).prev_sample

    def predict(self, model_output, timestep, sample):
        self.previous_timestep(timestep)
        s = (int(timestep) + 1) / self.T
        x0, epsilon = (self._walk(model_output, sample, s, end) for end in (0, 1))
        if self.ddpm.config.clip_sample:
            x0 = x0.clamp(-1, 1)
            epsilon = (sample - (1 - s) * x0) / s
        return x0, epsilon

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        ends = ((t + 1) / self.T for t in (int(timestep), self.previous_timestep(timestep)))
        x0, epsilon = self.predict(model_output, timestep, sample)
        return self._walk(epsilon - x0, sample, *ends)


def inpaint(model, scheduler, known, mask, noise):
    """As the library's StableDiffusionInpaintPipeline does it for networks that were not trained for it."""
    latents, timesteps = noise, scheduler.timesteps
    for i, t in enumerate(timesteps):
        latents = scheduler.step(model(latents, t.expand(len(latents))), t, latents)
        init_latents_proper = known
        if i < len(timesteps) - 1:
            noise_timestep = timesteps[i + 1]
            init_latents_proper = scheduler.add_noise(known, noise, torch.tensor([noise_timestep] * len(known)))
        init_mask = mask.to(latents.dtype)
        latents = init_mask * init_latents_proper + (1 - init_mask) * latents
    return latents


def guided(conditional, unconditional, scale):
    """As every pipeline of the library has it."""
    noise_pred_uncond, noise_pred_text, guidance_scale = unconditional, conditional, scale
    return noise_pred_uncond + guidance_scale * (noise_pred_text - noise_pred_uncond)
