"""Noise schedulers for diffusion models: DDPM and DDIM, epsilon- and v-prediction.

DDPM   Ho, Jain, Abbeel: Denoising Diffusion Probabilistic Models, arXiv 2006.11239
DDIM   Song, Meng, Ermon: Denoising Diffusion Implicit Models, arXiv 2010.02502
iDDPM  Nichol, Dhariwal: Improved Denoising Diffusion Probabilistic Models, arXiv 2102.09672
v      Salimans, Ho: Progressive Distillation for Fast Sampling, arXiv 2202.00512

Samples are tensors of shape (B, C, H, W) with values in [-1, 1].
A timestep t is an index 0 ... T-1 and stands for t+1 noising steps, so
`alphas_cumprod[t]` is what the DDPM paper calls alpha-bar at step t+1 (the DDIM paper
calls it alpha, the v paper writes alpha and sigma for its root and that of 1 minus it).
Names and argument order are those of the diffusers library.
"""

import math

import torch

BETA_SCHEDULES = ("linear", "scaled_linear", "cosine")
PREDICTION_TYPES = ("epsilon", "v_prediction")
VARIANCE_TYPES = ("fixed_small", "fixed_large")


def linear_betas(num_train_timesteps, beta_start, beta_end):
    """The schedule of the DDPM paper, section 4: T values from beta_start to beta_end, evenly spaced.

    Returns a float64 tensor of shape (T,). Handout 1.1.
    """
    ### BEGIN SOLUTION
    # TODO 1.1: T betas, evenly spaced from beta_start to beta_end (1 line)
    return torch.linspace(beta_start, beta_end, num_train_timesteps, dtype=torch.float64)
    ### END SOLUTION


def scaled_linear_betas(num_train_timesteps, beta_start, beta_end):
    """The schedule of Stable Diffusion: the square roots of beta are evenly spaced.

    Returns a float64 tensor of shape (T,). Handout 1.2.
    """
    ### BEGIN SOLUTION
    # TODO 1.2: like 1.1, with the square roots evenly spaced (2 lines)
    roots = torch.linspace(beta_start**0.5, beta_end**0.5, num_train_timesteps, dtype=torch.float64)
    return roots**2
    ### END SOLUTION


def cosine_betas(num_train_timesteps):
    """The schedule of the iDDPM paper, equation 17: alpha-bar first, betas from it, clipped at 0.999.

    Returns a float64 tensor of shape (T,). Handout 1.3.
    """
    ### BEGIN SOLUTION
    # TODO 1.3: iDDPM equation 17 for alpha-bar, the betas that give it, the clip (3 lines)
    u = torch.arange(num_train_timesteps + 1, dtype=torch.float64) / num_train_timesteps
    f = torch.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2
    return (1 - f[1:] / f[:-1]).clamp(max=0.999)
    ### END SOLUTION


def extract(table, timesteps, sample):
    """Pick one table entry per image, ready to be multiplied with the images.

    table      (T,) float32, on the CPU
    timesteps  (B,) int64, on the sample's device, which may be a GPU
    sample     (B, C, H, W)
    Returns (B, 1, 1, 1) with the sample's device and dtype. Handout 2.1.
    """
    ### BEGIN SOLUTION
    # TODO 2.1: one entry per image, shaped so that it multiplies whole images (2 lines)
    values = table.to(timesteps.device)[timesteps].to(sample)
    return values.view(-1, 1, 1, 1)
    ### END SOLUTION


class DDPMScheduler:
    """Ancestral sampling of the DDPM paper (Algorithm 2), with strides.

    betas, alphas, alphas_cumprod  float32 tensors of shape (T,)
    timesteps                      int64, descending: T-1 ... 0 until `set_timesteps` is called
    """

    def __init__(
        self,
        num_train_timesteps=1000,
        beta_schedule="linear",
        beta_start=1e-4,
        beta_end=0.02,
        prediction_type="epsilon",
        variance_type="fixed_small",
        clip_sample=True,
    ):
        """Build the tables. An unknown schedule, prediction or variance type raises ValueError."""
        require("beta_schedule", beta_schedule, BETA_SCHEDULES)
        require("prediction_type", prediction_type, PREDICTION_TYPES)
        require("variance_type", variance_type, VARIANCE_TYPES)
        self.num_train_timesteps = num_train_timesteps
        self.prediction_type = prediction_type
        self.variance_type = variance_type
        self.clip_sample = clip_sample
        self.timesteps = torch.arange(num_train_timesteps - 1, -1, -1)

        if beta_schedule == "linear":
            betas = linear_betas(num_train_timesteps, beta_start, beta_end)
        elif beta_schedule == "scaled_linear":
            betas = scaled_linear_betas(num_train_timesteps, beta_start, beta_end)
        else:
            betas = cosine_betas(num_train_timesteps)

        # Handout 1.4: alphas and alphas_cumprod from betas, all three stored as float32.
        ### BEGIN SOLUTION
        # TODO 1.4: self.betas, self.alphas and self.alphas_cumprod, DDPM section 2 (4 lines)
        alphas = 1 - betas
        self.betas = betas.float()
        self.alphas = alphas.float()
        self.alphas_cumprod = alphas.cumprod(0).float()
        ### END SOLUTION

    # ----- the forward process ---------------------------------------------------------------

    def add_noise(self, original_samples, noise, timesteps):
        """Sample x_t from q(x_t | x_0) in one step (DDPM paper, equation 4). Handout 2.2.

        original_samples  (B, C, H, W), x_0
        noise             (B, C, H, W), epsilon ~ N(0, I)
        timesteps         (B,) int64; every image has its own
        Returns x_t, (B, C, H, W), with the device and dtype of x_0; the inputs stay as they are.
        """
        ### BEGIN SOLUTION
        # TODO 2.2: DDPM equation 4, as a formula for x_t given x_0 and epsilon (2 lines)
        alpha_bar = extract(self.alphas_cumprod, timesteps, original_samples)
        return alpha_bar.sqrt() * original_samples + (1 - alpha_bar).sqrt() * noise
        ### END SOLUTION

    def get_velocity(self, sample, noise, timesteps):
        """The target v of v-prediction (Progressive Distillation, appendix D). Handout 2.3.

        sample     (B, C, H, W), x_0 (the clean image, not x_t)
        noise      (B, C, H, W), the epsilon that x_t was made with
        timesteps  (B,) int64
        Returns v, (B, C, H, W), with the device and dtype of x_0.
        """
        ### BEGIN SOLUTION
        # TODO 2.3: v from x_0 and epsilon, Progressive Distillation appendix D (2 lines)
        alpha_bar = extract(self.alphas_cumprod, timesteps, sample)
        return alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * sample
        ### END SOLUTION

    # ----- the list of timesteps -------------------------------------------------------------

    def set_timesteps(self, num_inference_steps, device=None):
        """Choose S timesteps for sampling, descending from T-1 ("trailing" spacing). Handout 3.1.

        Sets `self.timesteps`, int64 of shape (S,), on `device`. S < 1 or S > T raises ValueError.
        """
        T, S = self.num_train_timesteps, num_inference_steps
        if not 1 <= S <= T:
            raise ValueError(f"num_inference_steps must be between 1 and {T}, got {S}")
        ### BEGIN SOLUTION
        # TODO 3.1: self.timesteps, trailing spacing (2 lines)
        steps = [round((S - i) * T / S) - 1 for i in range(S)]
        self.timesteps = torch.tensor(steps, dtype=torch.int64, device=device)
        ### END SOLUTION

    def previous_timestep(self, timestep):
        """The entry after `timestep` in `self.timesteps`, one step nearer to the image; -1 past the end. Handout 3.2.

        timestep  int or 0-d tensor; one that is not in the list raises ValueError.
        Returns an int.
        """
        index = self._index(timestep)
        ### BEGIN SOLUTION
        # TODO 3.2: the next entry of the list, or -1 (3 lines)
        if index + 1 == len(self.timesteps):
            return -1
        return int(self.timesteps[index + 1])
        ### END SOLUTION

    def _index(self, timestep):
        """Position of `timestep` in the list of timesteps."""
        steps = self.timesteps.tolist()
        if int(timestep) not in steps:
            raise ValueError(f"timestep must be one of scheduler.timesteps, got {int(timestep)}")
        return steps.index(int(timestep))

    def _alpha_bars(self, timestep):
        """alpha-bar at `timestep` and at the previous timestep, as 0-d float64 tensors. Handout 3.3.

        Past the end of the list the image is clean; the second value there is that of a clean image.
        (0-d float64 tensors leave the dtype of the samples that they are multiplied with as it is.)
        """
        ### BEGIN SOLUTION
        # TODO 3.3: the two values of alpha-bar, the second also past the end (3 lines)
        table = self.alphas_cumprod.double()
        previous = self.previous_timestep(timestep)
        return table[int(timestep)], table[previous] if previous >= 0 else torch.ones_like(table[0])
        ### END SOLUTION

    # ----- the reverse process ---------------------------------------------------------------

    def predict(self, model_output, timestep, sample):
        """What the model's output says about x_0 and epsilon. Handout 3.4 and 3.5.

        model_output  (B, C, H, W), epsilon or v as `prediction_type` says
        timestep      int or 0-d tensor
        sample        (B, C, H, W), x_t
        Returns (x0_hat, epsilon_hat), each (B, C, H, W).
        With `clip_sample`, x0_hat is clipped to [-1, 1] and epsilon_hat is derived again from the
        clipped x0_hat, so that the pair still explains x_t.
        """
        alpha_bar, _ = self._alpha_bars(timestep)
        ### BEGIN SOLUTION
        # TODO 3.4: x_0 and epsilon from either kind of output; 3.5: the clip (10 lines)
        a, b = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        if self.prediction_type == "epsilon":
            epsilon = model_output
            x0 = (sample - b * epsilon) / a
        else:
            x0 = a * sample - b * model_output
            epsilon = a * model_output + b * sample
        if self.clip_sample:
            x0 = x0.clamp(-1, 1)
            epsilon = (sample - a * x0) / b
        return x0, epsilon
        ### END SOLUTION

    def posterior(self, original_samples, sample, timestep):
        """Mean and variance of q(x_prev | x_t, x_0) (DDPM paper, equations 6 and 7). Handout 3.6.

        original_samples  (B, C, H, W), x_0 or an estimate of it
        sample            (B, C, H, W), x_t
        timestep          int or 0-d tensor; x_prev lives at `previous_timestep(timestep)`
        Returns (mean, variance): mean (B, C, H, W); variance 0-d with the sample's dtype and device,
        the paper's beta-tilde whatever `variance_type` says.
        """
        alpha_bar, alpha_bar_prev = self._alpha_bars(timestep)
        ### BEGIN SOLUTION
        # TODO 3.6: DDPM equations 6 and 7, right for strides too (7 lines)
        alpha = alpha_bar / alpha_bar_prev
        beta = 1 - alpha
        x0_weight = alpha_bar_prev.sqrt() * beta / (1 - alpha_bar)
        sample_weight = alpha.sqrt() * (1 - alpha_bar_prev) / (1 - alpha_bar)
        mean = x0_weight * original_samples + sample_weight * sample
        variance = (1 - alpha_bar_prev) / (1 - alpha_bar) * beta
        return mean, variance.to(sample)
        ### END SOLUTION

    def step(self, model_output, timestep, sample, generator=None, variance_noise=None):
        """One step of ancestral sampling, x_t -> x_prev (DDPM paper, Algorithm 2). Handout 3.7.

        model_output    (B, C, H, W), the model's output for `sample` at `timestep`
        timestep        int or 0-d tensor
        sample          (B, C, H, W), x_t
        generator       torch.Generator that the noise is drawn from, where it is drawn
        variance_noise  (B, C, H, W), the noise of this step, instead of a draw
        Returns x_prev, (B, C, H, W). The last step, to no previous timestep, adds no noise.
        """
        alpha_bar, alpha_bar_prev = self._alpha_bars(timestep)
        ### BEGIN SOLUTION
        # TODO 3.7: DDPM Algorithm 2, line 4, with the variance that variance_type names; draw_noise below draws z (8 lines)
        x0, _ = self.predict(model_output, timestep, sample)
        mean, variance = self.posterior(x0, sample, timestep)
        if self.previous_timestep(timestep) < 0:
            return mean
        if self.variance_type == "fixed_large":
            variance = 1 - alpha_bar / alpha_bar_prev
        z = draw_noise(sample, generator) if variance_noise is None else variance_noise
        return mean + variance.sqrt() * z
        ### END SOLUTION


class DDIMScheduler(DDPMScheduler):
    """The sampler of the DDIM paper; `variance_type` plays no part in it."""

    def step(self, model_output, timestep, sample, eta=0.0, generator=None, variance_noise=None):
        """One step of the DDIM sampler, x_t -> x_prev (DDIM paper, equations 12 and 16). Handout 4.1 and 4.2.

        Arguments as in `DDPMScheduler.step`, and
        eta  0 for the deterministic sampler ... 1 for as much noise as DDPM with "fixed_small";
             outside [0, 1] raises ValueError
        Returns x_prev, (B, C, H, W).
        """
        if not 0 <= eta <= 1:
            raise ValueError(f"eta must be between 0 and 1, got {eta}")
        alpha_bar, alpha_bar_prev = self._alpha_bars(timestep)
        ### BEGIN SOLUTION
        # TODO 4.1: DDIM equation 12 with eta = 0; 4.2: sigma from equation 16 (9 lines)
        x0, epsilon = self.predict(model_output, timestep, sample)
        _, variance = self.posterior(x0, sample, timestep)
        sigma = eta * variance.sqrt()
        direction = (1 - alpha_bar_prev - sigma**2).sqrt()
        x_prev = alpha_bar_prev.sqrt() * x0 + direction * epsilon
        if eta > 0:
            z = draw_noise(sample, generator) if variance_noise is None else variance_noise
            x_prev = x_prev + sigma * z
        return x_prev
        ### END SOLUTION


def draw_noise(sample, generator=None):
    """Standard normal noise for one step, shaped like `sample`, drawn from `generator` if there is one."""
    device = sample.device if generator is None else generator.device
    noise = torch.randn(sample.shape, generator=generator, dtype=sample.dtype, device=device)
    return noise.to(sample.device)


def require(name, value, accepted):
    """Raise ValueError unless `value` is one of the `accepted` strings."""
    if value not in accepted:
        raise ValueError(f"{name} must be one of {', '.join(accepted)}; got {value!r}")
