"""Every formula of the handout in the reference, and every step of its derivations."""

import math
import sys

import pytest
import torch
from handout import MEAN, SD, close, coefficients, ddpm, end_of_run, images, listed, reference

from autograder.paths import ROOT

sys.path.insert(0, str(ROOT / "solution"))
import bound

DDIM = reference.DDIMScheduler
TIMES = (0, 1, 40, 500, 999)


# ----- the formulas, in the reference ---------------------------------------------------------------------------------


def test_schedules():
    T, low, high = 50, 1e-3, 0.1
    t = torch.arange(T, dtype=torch.float64)
    close(reference.linear_betas(T, low, high), low + t / (T - 1) * (high - low))
    close(reference.scaled_linear_betas(T, low, high).sqrt(), low**0.5 + t / (T - 1) * (high**0.5 - low**0.5))

    def f(u):
        return torch.cos((u + 0.008) / 1.008 * torch.pi / 2) ** 2

    close(reference.cosine_betas(T), (1 - f((t + 1) / T) / f(t / T)).clamp(max=0.999))


def test_alpha_bar_first():
    """beta from alpha-bar gives the table back; with alpha-bar = 1 at index 0 the posterior divides by 0."""
    for name in reference.BETA_SCHEDULES:
        table = ddpm(beta_schedule=name).alphas_cumprod.double()
        close(1 - table[1:] / table[:-1], ddpm(beta_schedule=name).betas.double()[1:])
    scheduler = ddpm()
    scheduler.alphas_cumprod = torch.cat([torch.ones(1), scheduler.alphas_cumprod[:-1]])
    x0, x_t = images(2)
    assert scheduler.posterior(x0, x_t, 0)[0].isnan().any()


@pytest.mark.parametrize("t", TIMES)
def test_the_three_languages_of_predict(t):
    """epsilon and v give the same pair, and the pair gives x_t and v back (2.2, 2.3, 3.4)."""
    x0, noise = images(2)
    times = torch.full((2,), t)
    x_t, v = ddpm().add_noise(x0, noise, times), ddpm().get_velocity(x0, noise, times)
    for scheduler, output in ((ddpm(), noise), (ddpm(prediction_type="v_prediction"), v)):
        pair = scheduler.predict(output, t, x_t)
        close(pair[0], x0)
        close(scheduler.add_noise(*pair, times), x_t)
        close(scheduler.get_velocity(*pair, times), v)


def test_v_is_the_derivative_along_the_circle():
    x0, noise = images(2)
    angle = torch.arccos(ddpm().alphas_cumprod.double()[300].sqrt())
    _, derivative = torch.autograd.functional.jvp(
        lambda a: a.cos() * x0 + a.sin() * noise, angle, torch.ones_like(angle)
    )
    close(ddpm().get_velocity(x0, noise, torch.full((2,), 300)), derivative)


@pytest.mark.parametrize("t", TIMES)
def test_one_error_three_units(t):
    x0, noise, error = images(3)
    times = torch.full((2,), t)
    scheduler = ddpm(prediction_type="v_prediction")
    x_t, v = scheduler.add_noise(x0, noise, times), scheduler.get_velocity(x0, noise, times)
    x0_hat, epsilon_hat = scheduler.predict(v + error, t, x_t)
    alpha_bar = scheduler.alphas_cumprod[t].double()
    close((epsilon_hat - noise).square().sum(), alpha_bar * error.square().sum())
    close((x0_hat - x0).square().sum(), (1 - alpha_bar) * error.square().sum(), atol=1e-7)


@pytest.mark.parametrize("S", [1000, 7])
def test_both_forms_of_the_mean_agree(S):
    for clip_sample in (False, True):
        scheduler = listed(S, clip_sample=clip_sample)
        for t in scheduler.timesteps[[0, S // 2, -1]].tolist():
            x_t, output = images(2, t)
            x0, epsilon = scheduler.predict(output, t, x_t)
            alpha_bar, _, alpha, beta, _ = coefficients(scheduler, t)
            mean, _ = scheduler.posterior(x0, x_t, t)
            close(mean, (x_t - beta / (1 - alpha_bar) ** 0.5 * epsilon) / alpha**0.5)


@pytest.mark.parametrize("S", [1000, 10])
def test_the_last_step(S):
    """x_prev is x0_hat there, and beta-tilde is 0."""
    for variance_type in reference.VARIANCE_TYPES:
        scheduler = listed(S, variance_type=variance_type)
        t = scheduler.timesteps[-1]
        x_t, output, z = images(3)
        x0, _ = scheduler.predict(output, t, x_t)
        mean, variance = scheduler.posterior(x0, x_t, t)
        assert variance == 0
        close(mean, x0)
        close(scheduler.step(output, t, x_t, variance_noise=z), x0)


@pytest.mark.parametrize("S", [1000, 10])
def test_for_which_images_each_variance_is_right(S):
    """Var(x_prev | x_t) is beta-tilde where x_0 is one image, beta where it is standard normal (3.7)."""
    scheduler = listed(S)
    for t in scheduler.timesteps[[0, S // 2, -2]].tolist():
        alpha_bar, previous, alpha, beta, variance = coefficients(scheduler, t)
        for of_x0, expected in ((0.0, variance), (1.0, beta)):
            of_prev = previous * of_x0 + 1 - previous
            of_t = alpha_bar * of_x0 + 1 - alpha_bar
            assert math.isclose(of_prev - alpha * of_prev**2 / of_t, expected, rel_tol=1e-6)


@pytest.mark.parametrize("clip_sample", [False, True])
@pytest.mark.parametrize("S", [1000, 10])
def test_ddim_lies_between_add_noise_and_ddpm(S, clip_sample):
    """eta = 0 is add_noise of the pair at the previous timestep, eta = 1 is DDPM with fixed_small (4.1, 4.2)."""
    scheduler, ddim = listed(S, clip_sample=clip_sample), listed(S, DDIM, clip_sample=clip_sample)
    for t in ddim.timesteps[[0, S // 2, -2]].tolist():
        x_t, output, z = images(3, t)
        times = torch.full((2,), ddim.previous_timestep(t))
        close(ddim.step(output, t, x_t), ddim.add_noise(*ddim.predict(output, t, x_t), times))
        ancestral = scheduler.step(output, t, x_t, variance_noise=z)
        close(ddim.step(output, t, x_t, eta=1.0, variance_noise=z), ancestral)


def test_the_number_under_the_root_is_never_negative():
    for beta_schedule in reference.BETA_SCHEDULES:
        for S in (1000, 50, 7, 1):
            scheduler = listed(S, beta_schedule=beta_schedule)
            table = scheduler.alphas_cumprod.double()[scheduler.timesteps]
            previous = torch.cat([table[1:], torch.ones(1)])
            variance = (1 - previous) / (1 - table) * (1 - table / previous)
            assert torch.all(1 - previous - variance >= 0)


def test_a_0d_table_entry_adapts():
    entry = torch.tensor(0.5, dtype=torch.float64)
    assert (entry * torch.ones(2, 2)).dtype == torch.float32


# ----- the derivations ------------------------------------------------------------------------------------------------


def test_the_chain_in_one_step():
    """Variances add up step by step to 1 - alpha-bar, and signals multiply to its root."""
    signal, variance = 1.0, 0.0
    scheduler = ddpm()
    for t in range(1000):
        _, previous, alpha, beta, _ = coefficients(scheduler, t)
        assert math.isclose(alpha * (1 - previous) + beta, 1 - alpha * previous, rel_tol=1e-9)
        signal, variance = signal * alpha**0.5, alpha * variance + beta
        if t in TIMES:
            alpha_bar = scheduler.alphas_cumprod[t].item()
            assert math.isclose(signal, alpha_bar**0.5, rel_tol=1e-6)
            assert math.isclose(variance, 1 - alpha_bar, rel_tol=1e-6)


@pytest.mark.parametrize("S", [1000, 7])
def test_the_posterior_is_the_product_of_two_gaussians(S):
    """Mean and variance from the product's logarithm alone: where its slope is 0, and how it bends."""
    scheduler = listed(S)
    for t in scheduler.timesteps[[0, S // 2, -2]].tolist():
        alpha_bar, previous, alpha, beta, variance = coefficients(scheduler, t)
        x_t, x0 = 0.7, -0.4

        def log_product(x, values=(x_t, x0, previous, alpha, beta)):
            x_t, x0, previous, alpha, beta = values
            return -((x_t - alpha**0.5 * x) ** 2 / beta + (x - previous**0.5 * x0) ** 2 / (1 - previous)) / 2

        low, middle, high = (log_product(x) for x in (-1.0, 0.0, 1.0))
        bend, slope = low - 2 * middle + high, (high - low) / 2  # exact, as it is quadratic
        assert math.isclose(-1 / bend, variance, rel_tol=1e-6)
        assert math.isclose(1 / variance, (1 - alpha_bar) / (beta * (1 - previous)), rel_tol=1e-6)
        mean, _ = scheduler.posterior(*(torch.full((1, 1, 1, 1), value, dtype=torch.float64) for value in (x0, x_t)), t)
        assert math.isclose(-slope / bend, mean.item(), rel_tol=1e-6, abs_tol=1e-7)


@pytest.mark.parametrize("t", [1, 40, 500, 999])
def test_a_middle_term_of_the_bound_is_an_error_of_the_noise(t):
    x0, x_t, error = images(3)
    scheduler, normal = ddpm(), torch.distributions.Normal
    alpha_bar, _, alpha, beta, variance = coefficients(scheduler, t)
    epsilon = (x_t - alpha_bar**0.5 * x0) / (1 - alpha_bar) ** 0.5
    x0_hat, _ = scheduler.predict(epsilon + error, t, x_t)
    means = [scheduler.posterior(image, x_t, t)[0] for image in (x0, x0_hat)]
    divergence = torch.distributions.kl_divergence(*(normal(mean, variance**0.5) for mean in means))
    factor = beta**2 / (2 * variance * alpha * (1 - alpha_bar))
    close(divergence, factor * error.square(), rtol=2e-3)
    close(divergence, (means[0] - means[1]).square() / (2 * variance))


def test_the_loss_is_each_image_s_mean_squared_error():
    x0, noise = images(2)
    t = torch.tensor([3, 700])
    for kind in reference.PREDICTION_TYPES:
        scheduler = ddpm(prediction_type=kind)
        x_t, v = scheduler.add_noise(x0, noise, t), scheduler.get_velocity(x0, noise, t)
        got = scheduler.loss(lambda x, times: x * times.view(-1, 1, 1, 1), x0, noise, t)
        for i in range(2):
            target = (noise if kind == "epsilon" else v)[i]
            close(got[i], ((x_t[i] * t[i] - target) ** 2).sum() / target.numel())


def test_the_bound_bounds():
    """For one pixel and its best network all terms are known: they sum to more than -log p(x_0), and to little more."""
    scheduler = listed(50, variance_type="fixed_large", num_train_timesteps=50, beta_end=0.4)
    total = 0.0
    for t in scheduler.timesteps.tolist():
        alpha_bar, previous, _, beta, variance = coefficients(scheduler, t)
        if t == 49:  # KL(q(x_T | x_0), N(0, 1)), averaged over x_0
            total += (alpha_bar * (MEAN**2 + SD**2) - alpha_bar - math.log(1 - alpha_bar)) / 2
        spread = SD**2 * (1 - alpha_bar) / (alpha_bar * SD**2 + 1 - alpha_bar)  # of x_0 given x_t
        if t:
            error = (previous**0.5 * beta / (1 - alpha_bar)) ** 2 * spread
            total += (error + variance) / (2 * beta) - 0.5 - math.log(variance / beta) / 2
        else:  # -log p(x_0 | x_1), with beta for its variance
            total += spread / (2 * beta) + math.log(2 * math.pi * beta) / 2
    mean, deviation = end_of_run(scheduler)
    likely = (deviation**2 + coefficients(scheduler, 0)[3]) ** 0.5  # the model's last step adds that variance
    true = ((MEAN - mean) ** 2 + SD**2) / (2 * likely**2) + math.log(2 * math.pi * likely**2) / 2
    assert true < total < true + 0.1


@pytest.mark.parametrize("t", [1, 40, 500, 999])
def test_four_draws_become_three(t):
    alpha_bar, previous, alpha, beta, _ = coefficients(ddpm(), t)
    turn = torch.tensor([[(alpha * (1 - previous)) ** 0.5, beta**0.5], [beta**0.5, -((alpha * (1 - previous)) ** 0.5)]])
    turn = turn.double() / (1 - alpha_bar) ** 0.5  # (epsilon-bar, epsilon_t) -> (epsilon, omega)
    close(turn @ turn.T, torch.eye(2, dtype=torch.float64))
    in_x_t = torch.tensor([(alpha * (1 - previous)) ** 0.5, beta**0.5], dtype=torch.float64)
    close(turn @ in_x_t, torch.tensor([(1 - alpha_bar) ** 0.5, 0.0], dtype=torch.float64))  # x_t has no omega
    of_epsilon, of_omega = turn.T[1].tolist()  # what epsilon_t consists of
    assert math.isclose(of_epsilon**2, beta / (1 - alpha_bar), rel_tol=1e-6)
    assert math.isclose(of_omega**2, alpha * (1 - previous) / (1 - alpha_bar), rel_tol=1e-6)
    # Both sides for g = k x_t, from second moments alone.
    k, of_x_t = 0.3, alpha_bar * (MEAN**2 + SD**2) + 1 - alpha_bar
    left = 1 - 2 * k * beta**0.5 + k**2 * of_x_t
    merged = of_epsilon**2 - 2 * k * of_epsilon * (1 - alpha_bar) ** 0.5 + k**2 * of_x_t
    assert math.isclose(left, merged + of_omega**2, rel_tol=1e-6)


def test_a_network_for_the_step_goes_with_its_own_rule():
    """The best g is a known multiple of the best epsilon_hat, and both rules then take the same step."""
    for t in TIMES[1:]:
        alpha_bar, _, alpha, beta, _ = coefficients(ddpm(), t)
        x_t, epsilon = 0.7, -0.2
        g = (beta / (1 - alpha_bar)) ** 0.5 * epsilon
        of_total = (x_t - beta / (1 - alpha_bar) ** 0.5 * epsilon) / alpha**0.5
        assert math.isclose((x_t - beta**0.5 * g) / alpha**0.5, of_total, rel_tol=1e-9)


@pytest.mark.parametrize("variance", [0.02, 0.05])
def test_what_a_step_costs(variance):
    """Against torch's divergence of two normal distributions, and against what the receiver would lose by sampling."""
    x0, guess, t, x_t = 0.4, 0.3, 500, 0.7
    mean, other = (ddpm().posterior(image(x), image(x_t), t)[0].item() for x in (x0, guess))
    tilde = ddpm().posterior(image(x0), image(x_t), t)[1].item()
    nats = (tilde / variance - 1 - math.log(tilde / variance) + (mean - other) ** 2 / variance) / 2
    normal = torch.distributions.Normal
    pair = normal(mean, tilde**0.5), normal(other, variance**0.5)
    assert nats == pytest.approx(torch.distributions.kl_divergence(*pair).item(), rel=1e-4)
    assert bound.divergence_bits(image(mean), tilde, image(other), variance).item() * math.log(2) == pytest.approx(nats)


@pytest.mark.parametrize("guess", [0.2, 0.207, 0.15])
def test_what_the_last_step_costs(guess):
    """The integral of equation 13, by adding up 10,000 narrow strips; and black takes all that lies below."""
    level = round(0.2 * 127.5 + 127.5) / 127.5 - 1
    x = torch.linspace(level - 1 / 255, level + 1 / 255, 10_001, dtype=torch.float64)
    density = (
        torch.distributions.Normal(torch.tensor(guess).double(), ddpm().betas[0].double().sqrt()).log_prob(x).exp()
    )
    bits = bound.decoder_bits(image(level), image(guess), ddpm().betas[0].item()).item()
    assert bits == pytest.approx(-torch.log2(torch.trapezoid(density, x)).item(), rel=1e-5)
    assert bound.decoder_bits(image(-1.0), image(-5.0), 1e-4).item() == pytest.approx(0, abs=1e-9)


def image(value):
    return torch.full((1, 1, 1, 1), value, dtype=torch.float64)
