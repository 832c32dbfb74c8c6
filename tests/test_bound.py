"""The variational bound and progressive coding against answers that are known without them.

The images here have pixels drawn from N(MEAN, SD^2) and rounded to grey levels, and the network is the best possible
one for them. Then every term of the bound is a formula, and the bound must lie a little above the entropy.
"""

import math
import sys

import numpy as np
import pytest
import torch
from handout import reference

from autograder.paths import ROOT

sys.path.insert(0, str(ROOT / "solution"))
import bound

MEAN, SD = 0.1, 0.25  # black and white are 3.6 deviations away
BIN = 2 / 255


def levels(number, seed=0):
    """Images (N, 1, 28, 28) of such pixels."""
    pixels = MEAN + SD * torch.randn(number, 1, 28, 28, generator=torch.Generator().manual_seed(seed))
    return ((pixels + 1) * 127.5).round().clamp(0, 255) / 127.5 - 1


class Best:
    """E[epsilon | x_t], or E[v | x_t], where x_0 is N(MEAN, SD^2): the network, in closed form."""

    def __init__(self, kind):
        betas = np.linspace(1e-4, 0.02, 1000)
        self.kind, self.alpha_bars = kind, np.cumprod(1 - betas)

    def __call__(self, x, t):
        alpha_bar = self.alpha_bars[int(t[0])]
        spread = alpha_bar * SD**2 + 1 - alpha_bar
        x0 = MEAN + alpha_bar**0.5 * SD**2 / spread * (x - alpha_bar**0.5 * MEAN)
        noise = (x - alpha_bar**0.5 * x0) / (1 - alpha_bar) ** 0.5
        return noise if self.kind == "epsilon" else alpha_bar**0.5 * noise - (1 - alpha_bar) ** 0.5 * x0


def expected(variance_type):
    """{"bits": (1001,), "rmse": (1000,), "loss of epsilon": (1000,)}, in numpy and from the papers' formulas alone."""
    betas = np.linspace(1e-4, 0.02, 1000)
    after = np.cumprod(1 - betas)
    before = np.append(1.0, after[:-1])
    error = SD**2 * (1 - after) / (after * SD**2 + 1 - after)  # Var(x_0 | x_t)
    # DDPM equation 8 with mu-tilde's weight of x_0; equation 7 for its variance.
    distance = before * betas**2 / (1 - after) ** 2 * error
    small = (1 - before) / (1 - after) * betas
    chosen = small if variance_type == "fixed_small" else betas
    with np.errstate(divide="ignore", invalid="ignore"):
        nats = np.log(chosen / small) / 2 + (small + distance) / (2 * chosen) - 1 / 2
    # Equation 13: the pixel's bin under N(x0_hat, beta_0), averaged over x_0 - x0_hat ~ N(0, Var(x_0 | x_1)).
    z = np.linspace(-6, 6, 2001)
    weight = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    offset = z * error[0] ** 0.5
    cdf = np.vectorize(lambda value: math.erfc(-value / math.sqrt(2)) / 2)
    sigma = betas[0] ** 0.5
    nats[0] = -(weight * np.log(cdf((offset + BIN / 2) / sigma) - cdf((offset - BIN / 2) / sigma))).sum()
    second_moment = MEAN**2 + SD**2
    prior = (after[-1] * second_moment + 1 - after[-1] - 1 - np.log(1 - after[-1])) / 2
    return {
        "bits": np.append(nats, prior) / math.log(2),
        "rmse": 127.5 * error**0.5,
        "epsilon": after / (1 - after) * error,
        "v_prediction": error / (1 - after),
    }


@pytest.fixture(scope="module")
def digits():
    return levels(64)


@pytest.mark.parametrize(
    ("kind", "variance_type", "gap"), [("epsilon", "fixed_small", 1.1), ("v_prediction", "fixed_large", 1.01)]
)
def test_bound_of_the_best_network_for_a_gaussian(kind, variance_type, gap, digits):
    scheduler = reference.DDPMScheduler(prediction_type=kind, variance_type=variance_type, clip_sample=False)
    code = bound.send(Best(kind), scheduler, digits, torch.Generator().manual_seed(1))
    known = expected(variance_type)
    assert code.bits.shape == (1001, 64)
    bits = code.bits.mean(1).numpy()
    assert bits.sum() == pytest.approx(known["bits"].sum(), rel=0.01)
    for part in (slice(0, 1), slice(1, 10), slice(10, 100), slice(100, 1000), slice(1000, 1001)):
        assert bits[part].sum() == pytest.approx(known["bits"][part].sum(), rel=0.01), part
    np.testing.assert_allclose(code.rmse.mean(1), known["rmse"], rtol=0.03)
    np.testing.assert_allclose(code.loss.mean(1), known[kind], rtol=0.06)
    np.testing.assert_allclose(code.rate[0] + code.bits[0], code.total)
    entropy = math.log2(SD * math.sqrt(2 * math.pi * math.e) / BIN)
    assert entropy < known["bits"].sum() < gap * entropy, "what is compared with is itself a bound"


def test_the_decoder_gives_every_grey_level_its_probability():
    """All 256 levels together have probability 1, however far the mean is; and far away nothing overflows."""
    x = torch.arange(256).double().view(-1, 1, 1, 1) / 127.5 - 1
    for mean, sigma in ((0.0, 0.01), (0.3, 0.2), (-1.2, 0.05), (1.0, 0.01)):
        bits = bound.decoder_bits(x, torch.full_like(x, mean), sigma**2)
        assert (2**-bits).sum().item() == pytest.approx(1, abs=1e-9)
    far = bound.decoder_bits(x, -x.sign(), 1e-4)
    assert torch.isfinite(far).all() and far.max() > 1e4


def test_a_wrong_posterior_shows(digits):
    """In bits where it returns a distribution, and as NaN where it does not."""

    class Mistaken(reference.DDPMScheduler):
        def posterior(self, original_samples, sample, timestep):
            mean, variance = super().posterior(original_samples, sample, timestep)
            return 0.99 * mean, variance

    class Broken(reference.DDPMScheduler):
        def posterior(self, original_samples, sample, timestep):
            return original_samples, sample.new_zeros(())

    right = expected("fixed_small")["bits"].sum()
    wrong, nothing = (
        bound.send(Best("epsilon"), kind(clip_sample=False), digits[:8], torch.Generator()).total.mean().item()
        for kind in (Mistaken, Broken)
    )
    assert wrong > 1.1 * right
    assert math.isnan(nothing)
