"""The errata: for every line, that what is often printed is wrong, and that what is called right is right.

Each function below is the test of one line, found by its first two cells as they are printed.
"""

import math

import pytest
import torch
from handout import HANDOUT, close, coefficients, ddpm, end_of_run, images, listed, reference

TABLE = HANDOUT.split("| often printed | right | why |\n|---|---|---|\n")[1].split("\n\n")[0]
ROWS = [tuple(line.strip("| ").split(" | ")[:2]) for line in TABLE.splitlines()]
TESTS = {}


def erratum(printed, right):
    """The function below is the test of the line with these two cells."""

    def register(test):
        TESTS[printed, right] = test
        return test

    return register


@pytest.mark.parametrize("row", ROWS)
def test_erratum(row):
    TESTS[row]()


def test_no_test_without_its_line():
    assert set(TESTS) == set(ROWS)


def tables():
    """betas, alphas and alphas_cumprod of the linear schedule in float64; index 0 is the papers' t = 1."""
    betas = reference.linear_betas(1000, 1e-4, 0.02)
    return betas, 1 - betas, (1 - betas).cumprod(0)


@erratum(
    r"$x_t = \sqrt{\bar\alpha_t} x_{t-1} + \sqrt{1 - \bar\alpha_t} \varepsilon$ (E)", "$x_0$ in the place of $x_{t-1}$"
)
def the_jump_from_the_step_before():
    """Followed as a chain, the signal is gone long before it should be."""
    _, _, alpha_bars = tables()
    assert alpha_bars[:200].sqrt().prod() < 0.01 < 0.8 < alpha_bars[199].sqrt()


@erratum(r"$x_t = \sqrt{\alpha_t} x_0 + \sqrt{1 - \alpha_t} \varepsilon$ (A)", r"$\bar\alpha_t$ in both places")
def the_jump_without_bars():
    _, alphas, alpha_bars = tables()
    assert alphas.min() > 0.97 and alpha_bars[-1] < 1e-4
    x0, noise = images(2)
    x_t = ddpm().add_noise(x0, noise, torch.full((2,), 500))
    close(x_t, alpha_bars[500].sqrt() * x0 + (1 - alpha_bars[500]).sqrt() * noise)


@erratum(r"$\bar\alpha_t$ as the product up to T", "up to t")
def the_product_up_to_the_end():
    _, alphas, alpha_bars = tables()
    close(alphas.prod(), alpha_bars[-1])
    close(ddpm().alphas_cumprod.double()[400], alphas[:401].prod())


@erratum(r"$\alpha_t$ goes to 0 (D); $\bar\alpha_t$ is about 0 (B)", r"$\bar\alpha_T$ is about 0")
def what_goes_to_zero():
    _, alphas, alpha_bars = tables()
    assert f"at least {alphas.min():.2f} for linear" in HANDOUT
    assert alpha_bars[-1] < 1e-4 and alpha_bars[100] > 0.8


@erratum(r"a step adds noise times $\beta_t$, or unit noise (E)", r"noise times $\sqrt{\beta_t}$")
def how_much_noise_a_step_adds():
    betas, _, alpha_bars = tables()
    signal, *variances = 1.0, 0.0, 0.0, 0.0
    for beta in betas.tolist():
        signal *= (1 - beta) ** 0.5
        variances = [(1 - beta) * v + added for v, added in zip(variances, (beta, beta**2, 1.0), strict=True)]
    right, times_beta, unit = variances
    assert math.isclose(right, 1 - alpha_bars[-1], rel_tol=1e-6) and math.isclose(signal**2 + right, 1, rel_tol=1e-6)
    assert times_beta < 0.03 and unit > 40


@erratum("t from 0 to T, or T+1 betas (A)", "T steps")
def one_beta_too_many():
    """Every entry moves, by less than anyone sees."""
    shifted = reference.linear_betas(1001, 1e-4, 0.02)
    table, right = (1 - shifted).cumprod(0)[1:], tables()[2]
    assert len(shifted) == 1001 and torch.all(table < right) and (table.sqrt() - right.sqrt()).abs().max() < 2e-3


@erratum(r"$q(x_t \mid x_0) = \mathcal N(\tilde\mu, \tilde\beta I)$ (C)", r"$q(x_{t-1} \mid x_t, x_0)$")
def the_posterior_is_not_the_marginal():
    for t in (40, 500, 999):
        alpha_bar, *_, variance = coefficients(ddpm(), t)
        x0, noise = (torch.ones(1, 1, 1, 1) * value for value in (0.0, 1.0))
        assert math.isclose(ddpm().add_noise(x0, noise, torch.tensor([t])).item() ** 2, 1 - alpha_bar, rel_tol=1e-5)
        assert variance < (1 - alpha_bar) / 10


@erratum(r"$\tilde\beta$ is the variance of $q(x_{t-1} \mid x_t)$ (E)", "it is the smaller of two bounds")
def between_two_bounds():
    """For data of any variance from 0 to 1, Var(x_{t-1} | x_t) lies between beta-tilde and beta, and is neither."""
    for t in (1, 40, 500, 999):
        alpha_bar, previous, alpha, beta, variance = coefficients(ddpm(), t)
        for data in (0.01, 0.16, 0.9):
            of_prev, of_t = previous * data + 1 - previous, alpha_bar * data + 1 - alpha_bar
            assert variance < of_prev - alpha * of_prev**2 / of_t < beta


@erratum(r"$q(x_{t-1} \mid x_t, x_0)$ is assumed to be Gaussian (D)", "it is Gaussian")
def a_product_of_gaussians():
    """Its logarithm bends everywhere alike, as only a Gaussian's does."""
    alpha_bar, previous, alpha, beta, variance = coefficients(ddpm(), 40)
    x = torch.linspace(-3, 3, 61, dtype=torch.float64)
    logs = -((0.7 - alpha**0.5 * x) ** 2 / beta + (x + 0.4 * previous**0.5) ** 2 / (1 - previous)) / 2
    bends = (logs[2:] - 2 * logs[1:-1] + logs[:-2]) / 0.1**2
    close(-1 / bends, torch.full_like(bends, variance))


@erratum(
    r"$\sqrt{\bar\alpha_t - 1} \beta_t$, $\sqrt{\alpha_t (1 - \bar\alpha_{t-1})}$ in $\tilde\mu$ (C)",
    r"$\sqrt{\bar\alpha_{t-1}} \beta_t$, $\sqrt{\alpha_t} (1 - \bar\alpha_{t-1})$",
)
def slips_in_the_mean():
    betas, alphas, alpha_bars = tables()
    assert torch.all(alpha_bars - 1 < 0)
    ratio = 1 / (1 - alpha_bars[0]).sqrt()  # printed over right, at the papers' t = 2
    assert f"too large, {ratio:.0f} times at t = 2" in HANDOUT
    x0, x_t = images(2)
    mean, _ = ddpm().posterior(x0, x_t, 1)
    of_x0 = alpha_bars[0].sqrt() * betas[1] / (1 - alpha_bars[1])
    of_x_t = alphas[1].sqrt() * (1 - alpha_bars[0]) / (1 - alpha_bars[1])
    close(mean, of_x0 * x0 + of_x_t * x_t, atol=1e-3)


@erratum(
    r"$\beta_t / \sqrt{1 - \alpha_t}$ before $\varepsilon$ in the mean (C)", r"$\beta_t / \sqrt{1 - \bar\alpha_t}$"
)
def the_bar_in_the_mean():
    """Without it, the best network's samples end with too little spread."""

    def without(t, x, epsilon, z):
        _, _, alpha, beta, variance = coefficients(scheduler, t)
        return (x - beta / (1 - alpha) ** 0.5 * epsilon) / alpha**0.5 + variance**0.5 * z

    scheduler = ddpm()
    assert end_of_run(scheduler, without)[1] < 0.2 < 0.39 < end_of_run(scheduler)[1] < 0.41


@erratum(r"$\varepsilon$ is the noise added from t-1 to t (D, E)", "all the noise from 0 to t")
def the_noise_of_the_step():
    """The chain adds sqrt(beta) epsilon_t, a part of sqrt(1 - alpha-bar) epsilon: their correlation, which is small."""
    betas, _, alpha_bars = tables()
    share = (betas / (1 - alpha_bars)).sqrt()
    assert math.isclose(share[0], 1, rel_tol=1e-6) and share[100:].max() < 0.15


@erratum(r"the formula with $\varepsilon$ reverses the process exactly (A)", "only if $x_0$ is known")
def exact_only_with_the_image():
    x0, noise, error = images(3)
    x_t = ddpm().add_noise(x0, noise, torch.full((2,), 500))
    alpha_bar, _, alpha, beta, _ = coefficients(ddpm(), 500)
    mean, _ = ddpm().posterior(x0, x_t, 500)
    close(mean, (x_t - beta / (1 - alpha_bar) ** 0.5 * noise) / alpha**0.5)
    assert (mean - (x_t - beta / (1 - alpha_bar) ** 0.5 * (noise + error)) / alpha**0.5).abs().max() > 0.01


@erratum(r"$1 / \sqrt{1 - \alpha_t}$ may blow up (A)", r"$1 / \sqrt{\alpha_t}$ may, and $1 / \sqrt{\bar\alpha_t}$")
def what_may_blow_up():
    for name in reference.BETA_SCHEDULES:
        scheduler = ddpm(beta_schedule=name)
        betas, alpha_bars = scheduler.betas.double(), scheduler.alphas_cumprod.double()
        assert torch.all(betas / (1 - alpha_bars).sqrt() <= betas.sqrt() * (1 + 1e-3))
    numbers = scheduler.alphas[-1] ** -0.5, scheduler.alphas_cumprod[-1] ** -0.5
    assert "At the end of cosine the other two are {:.1f} and {:.1e}.".format(*numbers).replace("e+0", "e") in HANDOUT


@erratum(r"$\sigma_t = \beta_t$ (B)", r"$\sigma_t = \sqrt{\beta_t}$ in the usual letters")
def letters_that_are_roots():
    """B's alpha^2 + beta^2 = 1 holds for the roots of ours, and its products are our bars."""
    betas, alphas, alpha_bars = tables()
    close(alphas.sqrt() ** 2 + betas.sqrt() ** 2, torch.ones_like(betas))
    close(alphas.sqrt().cumprod(0), alpha_bars.sqrt())
    x_t, output, z = images(3)
    large, still = ddpm(variance_type="fixed_large"), torch.zeros_like(z)
    step = large.step(output, 500, x_t, variance_noise=z) - large.step(output, 500, x_t, variance_noise=still)
    close(step, betas[500].sqrt() * z)


@erratum(r"$\sigma_t^2 = \eta \tilde\beta_t$ (E, and a well-known blog)", r"$\sigma_t = \eta \sqrt{\tilde\beta_t}$")
def eta_outside_the_root():
    ddim = listed(50, reference.DDIMScheduler)
    _, _, _, _, variance = coefficients(ddim, 499)
    x_t, output, z = images(3)
    for eta in (0.0, 0.25, 0.5, 1.0):
        step = ddim.step(output, 499, x_t, eta, variance_noise=z) - ddim.step(
            output, 499, x_t, eta, variance_noise=0 * z
        )
        close(step, eta * variance**0.5 * z)
        assert ((eta * variance) ** 0.5 == eta * variance**0.5) == (eta in (0.0, 1.0))


@erratum("to skip steps, write t-k for t-1 (E)", r"and $\bar\alpha_t / \bar\alpha_{t-k}$ for $\alpha_t$")
def one_step_of_a_long_one():
    betas, _, alpha_bars = tables()
    now, before = alpha_bars[499], alpha_bars[479]
    wrong = (1 - before) / (1 - now) * betas[499]
    right = (1 - before) / (1 - now) * (1 - now / before)
    assert f"the variance at t = 500 is {wrong:.4f} and should be {right:.3f} for k = 20" in HANDOUT


@erratum("for $v$, change only the predicted $x_0$ (E)", r"$\hat\varepsilon$ as well")
def v_needs_both():
    """With v left in the second term, the best network's samples end as one grey."""
    ddim = listed(50, reference.DDIMScheduler)

    def only_x0(t, x, epsilon, z):
        alpha_bar, previous, *_ = coefficients(ddim, t)
        x0 = (x - (1 - alpha_bar) ** 0.5 * epsilon) / alpha_bar**0.5
        v = alpha_bar**0.5 * epsilon - (1 - alpha_bar) ** 0.5 * x0
        return previous**0.5 * x0 + (1 - previous) ** 0.5 * v

    assert end_of_run(ddim, only_x0)[1] < 0.01 < 0.36 < end_of_run(ddim)[1]


@erratum(r"$\eta$ = 1 is DDPM (E)", "DDPM with fixed_small")
def which_ddpm():
    """Not with fixed_large, and with clipping only where epsilon_hat follows x0_hat."""
    x_t, output, z = images(3)
    small, large = listed(50, clip_sample=True), listed(50, clip_sample=True, variance_type="fixed_large")
    ddim = listed(50, reference.DDIMScheduler, clip_sample=True)
    step = ddim.step(output, 499, x_t, 1.0, variance_noise=z)
    close(step, small.step(output, 499, x_t, variance_noise=z))
    assert (step - large.step(output, 499, x_t, variance_noise=z)).abs().max() > 1e-3
    ddim.predict = lambda output, t, x: (small.predict(output, t, x)[0], output)  # not derived again
    assert (ddim.step(output, 499, x_t, 1.0, variance_noise=z) - step).abs().max() > 0.05
