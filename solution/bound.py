"""Bits per dimension: how short a checkpoint, as a program that compresses, could make a digit. Handout 7.3.

The digits are sent as in Algorithm 3 of the DDPM paper (arXiv 2006.11239, section 4.3) and received as in Algorithm 4:
first x_T, which is almost noise, then every x_prev given x_t, then the digit itself. The sender draws x_prev from your
`posterior` at the true x_0; the receiver expects it where your `posterior` puts it at the x0_hat of your `predict`.
What the difference of the two costs is a term of the variational bound (equation 5), and what the receiver could show
after each step, x0_hat, is progressive decoding. One pass over all T timesteps measures both.
"""

import math
from dataclasses import dataclass

import torch

LEVELS = 255  # pixels are k / 127.5 - 1 with k = 0 ... 255, so two neighbours are 2 / LEVELS apart


@dataclass
class Code:
    """What sending N digits took. T timesteps; float64.

    bits  (T+1, N), bits per dimension. [T] is the prior term L_T: x_T, with the code's index T-1. [t] for t = 1 ... T-1
          sends the sample at t-1 to someone who holds that at t. [0] sends the digit to someone who holds that at 0.
    rmse  (T, N), the root mean squared error of x0_hat at t, in grey levels 0 ... 255
    loss  (T, N), the mean squared error of the network's output at t: the loss it was trained with
    """

    bits: torch.Tensor
    rmse: torch.Tensor
    loss: torch.Tensor

    @property
    def rate(self):
        """(T, N), bits per dimension that have been sent when the receiver holds x_t."""
        return self.bits.flip(0).cumsum(0).flip(0)[1:]

    @property
    def total(self):
        """(N,), the bound: bits per dimension of each digit, sent without loss."""
        return self.bits.sum(0)


@torch.inference_mode()
def send(model, scheduler, digits, generator, tick=lambda images: None):
    """The Code of digits (N, 1, 28, 28) in [-1, 1].

    scheduler  a DDPMScheduler; all of its T timesteps are visited. Its `clip_sample` holds for x0_hat, and its
               `variance_type` for the receiver's variance; in the last step, where beta-tilde is 0, that is beta_0
    generator  draws the sender's noise, on the device of the digits
    tick       is told after every call of the network how many images it saw
    """
    T, device = scheduler.num_train_timesteps, digits.device
    scheduler.set_timesteps(T)
    noise = torch.randn(digits.shape, generator=generator, device=device)
    x = scheduler.add_noise(digits, noise, torch.full((len(digits),), T - 1, device=device))
    bits, rmse, loss = [prior_bits(scheduler, digits)], [], []
    for t in scheduler.timesteps.tolist():
        times = torch.full((len(digits),), t, device=device)
        output = model(x, times)
        loss.append(per_image((output - target(scheduler, digits, x, times)) ** 2))
        x0, _ = scheduler.predict(output, t, x)
        rmse.append(per_image((x0 - digits) ** 2).sqrt() * LEVELS / 2)
        mean, _ = scheduler.posterior(x0, x, t)
        true_mean, variance = scheduler.posterior(digits, x, t)
        if scheduler.previous_timestep(t) < 0:
            bits.append(decoder_bits(digits, mean, scheduler.betas[t].item()))
        else:
            expected = scheduler.betas[t].item() if scheduler.variance_type == "fixed_large" else variance.item()
            bits.append(divergence_bits(true_mean, variance.item(), mean, expected))
            noise = torch.randn(digits.shape, generator=generator, device=device)
            x = true_mean + variance.sqrt() * noise
        tick(len(digits))
    return Code(*(torch.stack(values[::-1]).double().cpu() for values in (bits, rmse, loss)))


def summary(code):
    """One line: the bound with its standard error, and its terms, in bits per dimension."""
    terms = code.bits.mean(1)
    error = code.total.std().item() / code.total.shape[0] ** 0.5
    said = f"at most {code.total.mean().item():.3f} bits per dimension (standard error {error:.3f})"
    return f"{said}: prior {terms[-1]:.5f}, steps {terms[1:-1].sum():.3f}, decoder {terms[0]:.3f}"


def target(scheduler, x0, x_t, times):
    """What the network should have said about x_t: the noise that is in it<!-- IF v_prediction
    -->, or its velocity<!-- END IF -->."""
    alpha_bar = scheduler.alphas_cumprod.to(x0.device)[times].view(-1, 1, 1, 1)
    noise = (x_t - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()
    ### IF v_prediction
    return noise if scheduler.prediction_type == "epsilon" else scheduler.get_velocity(x0, noise, times)
    ### ELSE return noise
    ### END IF


def prior_bits(scheduler, x0):
    """L_T: the divergence of q(x_T | x_0) from standard normal noise, with which sampling starts."""
    alpha_bar = scheduler.alphas_cumprod[-1].double().item()
    return divergence_bits(math.sqrt(alpha_bar) * x0, 1 - alpha_bar, torch.zeros_like(x0), 1.0)


def divergence_bits(mean, variance, other_mean, other_variance):
    """KL divergence of two normal distributions with these means, (N, 1, 28, 28), in bits per dimension, (N,)."""
    distance = (mean.double() - other_mean.double()) ** 2
    if variance <= 0 or other_variance <= 0:  # no distribution at all: a posterior that is not right yet
        return per_image(torch.full_like(distance, math.nan))
    ratio = variance / other_variance
    return per_image((ratio - 1 - math.log(ratio) + distance / other_variance) / (2 * math.log(2)))


def decoder_bits(x0, mean, variance):
    """L_0: -log2 of the probability that N(mean, variance) gives to the grey level of each pixel (equation 13).

    That is its integral from half a level below to half a level above; the darkest and the brightest level take all
    that lies beyond them. Returns bits per dimension, (N,).
    """
    x0, mean, sigma = x0.double(), mean.double(), math.sqrt(variance)
    lower = ((x0 - 1 / LEVELS - mean) / sigma).masked_fill(x0 < -1 + 1 / LEVELS, -math.inf)
    upper = ((x0 + 1 / LEVELS - mean) / sigma).masked_fill(x0 > 1 - 1 / LEVELS, math.inf)
    # In the upper tail both distribution functions round to 1, so it is turned over into the lower one.
    turned = lower + upper > 0
    lower, upper = torch.where(turned, -upper, lower), torch.where(turned, -lower, upper)
    log = torch.special.log_ndtr
    return per_image(-(log(upper) + torch.log1p(-torch.exp(log(lower) - log(upper)))) / math.log(2))


def per_image(values):
    """The mean over each image's pixels: (N, C, H, W) to (N,)."""
    return values.flatten(1).mean(1)
