"""Every number that the handout prints, computed, and what it says about its figures."""

import re
import sys

import pytest
import torch
from handout import HANDOUT, MEAN, SD, SKELETON, coefficients, ddpm, end_of_run, listed, reference

from autograder.instructor.authoring import figures
from autograder.paths import ROOT

DDIM = reference.DDIMScheduler
CHECKPOINTS = ROOT / "solution" / "checkpoints"


def schedule(name):
    return ddpm(beta_schedule=name)


def signal_to_noise(name):
    table = schedule(name).alphas_cumprod.double()
    return table / (1 - table)


def below_a_hundredth(name):
    return int((signal_to_noise(name) < 0.01).nonzero()[0])


def strided_variances():
    """(beta-tilde, the same with the table's beta) at t = 499 with S = 50."""
    alpha_bar, previous, _, _, variance = coefficients(scheduler := listed(50), 499)
    return variance, (1 - previous) / (1 - alpha_bar) * scheduler.betas[499].item()


def dropped_factor(t):
    """What the bound has before the squared error of epsilon, with sigma^2 = beta."""
    alpha_bar, _, alpha, _, _ = coefficients(ddpm(), t)
    return (1 - alpha) / (2 * alpha * (1 - alpha_bar))


def prior_nats():
    """KL(q(x_T | x_0), N(0, 1)) of one pixel with x_0 = 1."""
    alpha_bar = ddpm().alphas_cumprod[-1].double()
    normal = torch.distributions.Normal
    return torch.distributions.kl_divergence(normal(alpha_bar.sqrt(), (1 - alpha_bar).sqrt()), normal(0.0, 1.0)).item()


def knowable_share(t):
    alpha_bar, _, _, beta, _ = coefficients(ddpm(), t)
    return beta / (1 - alpha_bar)


def changed(scheduler, change):
    """The deviation that a run ends with when `change` is made to the DDPM step in its form with epsilon.

    change(alpha_bar, previous, alpha, beta, variance) -> (alpha, factor of epsilon in the bracket, factor of z)
    """

    def step(t, x, epsilon, z):
        alpha, of_epsilon, of_z = change(t, *coefficients(scheduler, t))
        return (x - of_epsilon * epsilon) / alpha**0.5 + of_z * z

    return end_of_run(scheduler, step)[1]


def right(t, alpha_bar, previous, alpha, beta, variance):
    return alpha, beta / (1 - alpha_bar) ** 0.5, variance**0.5


def variance_as_deviation(t, alpha_bar, previous, alpha, beta, variance):
    return alpha, beta / (1 - alpha_bar) ** 0.5, variance


def no_noise(t, alpha_bar, previous, alpha, beta, variance):
    return alpha, beta / (1 - alpha_bar) ** 0.5, 0.0


def noise_of_the_step(t, alpha_bar, previous, alpha, beta, variance):
    """The rule for a network that predicts the last step's noise, used with one that predicts all of it."""
    return alpha, beta**0.5, variance**0.5


def step_noise_for_all_of_it(t, alpha_bar, previous, alpha, beta, variance):
    """The rule for a network that predicts all the noise, used with the best one for the last step's."""
    return alpha, beta / (1 - alpha_bar) ** 0.5 * (beta / (1 - alpha_bar)) ** 0.5, variance**0.5


def table_alpha(t, alpha_bar, previous, alpha, beta, variance):
    beta = ddpm().betas[t].item()
    return 1 - beta, beta / (1 - alpha_bar) ** 0.5, ((1 - previous) / (1 - alpha_bar) * beta) ** 0.5


def table_alpha_with_x0():
    """The same slip in the mean of 3.6, which is written with x_0."""
    scheduler = listed(50)

    def step(t, x, epsilon, z):
        alpha_bar, previous, *_ = coefficients(scheduler, t)
        beta = ddpm().betas[t].item()
        x0 = (x - (1 - alpha_bar) ** 0.5 * epsilon) / alpha_bar**0.5
        mean = previous**0.5 * beta * x0 + (1 - beta) ** 0.5 * (1 - previous) * x
        return mean / (1 - alpha_bar) + ((1 - previous) / (1 - alpha_bar) * beta) ** 0.5 * z

    return end_of_run(scheduler, step)[1]


def ten_steps(name):
    return end_of_run(listed(10, DDIM, beta_schedule=name))[1]


def spread_on_straight_paths(S):
    """The deviation that the pixel ends with in S steps along the best velocity for it, which is linear in x_t."""
    scheduler, deviation = listed(S, reference.FlowMatchScheduler), 1.0
    for t in scheduler.timesteps.tolist():
        s = (t + 1) / 1000
        ends = []
        for x in (0.0, 1.0):
            of_noise = s * (x - (1 - s) * MEAN) / ((1 - s) ** 2 * SD**2 + s**2)  # E[epsilon | x_t]
            of_image = MEAN + (1 - s) * SD**2 * (x - (1 - s) * MEAN) / ((1 - s) ** 2 * SD**2 + s**2)
            output, sample = (torch.full((1, 1, 1, 1), value) for value in (of_noise - of_image, x))
            ends.append(scheduler.step(output, t, sample).item())
        deviation *= ends[1] - ends[0]
    return deviation


def off_the_spiral():
    """What the figure's two titles say, of DDIM and of the straight path."""
    return [float(re.search(r"0\.\d+", axes.get_title())[0]) for axes in figures.straight().axes[1:]]


def parameters():
    sys.path.insert(0, str(ROOT / "solution"))
    from unet import UNet

    return sum(parameter.numel() for parameter in UNet().parameters())


def training_steps():
    text = (ROOT / "solution" / "train.py").read_text(encoding="utf-8")
    return int(re.search(r'SIZES = \{"cpu": \(([\d_]+), 32\)', text)[1])


def seconds_a_step():
    """As printed: a measurement, which no test can repeat."""
    return float(re.search(r"^\| CPU: .* \| (\S+) s \| \d+ minutes \|$", HANDOUT, re.MULTILINE)[1])


# ----- the numbers ----------------------------------------------------------------------------------------------------


LINES = re.compile(r"\((\d+) lines?\)")
SENTENCES = [
    ("It is one file with about {} lines", [round(sum(map(int, LINES.findall(SKELETON.split("# TODO 8")[0]))), -1)]),
    ("A network of {} thousand parameters", [round(parameters() / 1000)]),
    ("| {:,} steps, the default |", [training_steps()]),
    ("| {:.0f} minutes |", [training_steps() * seconds_a_step() / 60]),
    (r"{:.0f} % of them have $\log(", [100 * (torch.logit(ddpm().alphas_cumprod.double()) < -4).double().mean()]),
    (r"With the default arguments, $\bar\alpha$ ends at {:.1e}.", [ddpm().alphas_cumprod[-1]]),
    ("with T = 100 leave it at {:.3f}:", [ddpm(num_train_timesteps=100).alphas_cumprod[-1]]),
    ("the clip touches {} entry", [int((schedule("cosine").betas >= 0.999).sum())]),
    ("with the clip it is {:.1f}", [schedule("cosine").alphas[-1] ** -0.5]),
    (
        "at t = {} for linear, at {} for scaled_linear, at {} for cosine",
        [below_a_hundredth(name) for name in reference.BETA_SCHEDULES],
    ),
    (
        r"Half-way, at t = 499, cosine has $\bar\alpha$ = {:.3f} where linear has {:.3f}.",
        [schedule("cosine").alphas_cumprod[499], ddpm().alphas_cumprod[499]],
    ),
    ("S = 7 gives {}, {}, {}, {}, {}, {}, {};", listed(7).timesteps.tolist()),
    ("S = 10 gives {}, {}, ..., {};", [listed(10).timesteps.tolist()[i] for i in (0, 1, -1)]),
    ("has {} entries for S = 7", [len(range(999, -1, -(1000 // 7)))]),
    ("gives {} for t = 999, and the list says {}", [999 - 1000 // 7, listed(7).previous_timestep(999)]),
    ("multiplies every error of the network by {:.0f}", [ddpm().alphas_cumprod[999] ** -0.5]),
    (r"$\tilde\beta$ is {:.3f}; with `betas[t]` it would be {:.4f}", strided_variances()),
    ("(at {} for S = 10)", [listed(10).timesteps[-1]]),
    (r"at $\eta = 0.25$ its standard deviation is too large by a factor of {:.0f}", [0.25**0.5 / 0.25]),
    ("It should be {:.3f}:", [SD]),
    ("ten steps end {1:.3f} away from it, ten of DDIM {0:.3f}.", off_the_spiral()),
    (
        "a spread of {:.3f} in ten steps and of {:.3f} in five, where DDIM has {:.3f} and {:.3f}.",
        [*map(spread_on_straight_paths, (10, 5)), *(end_of_run(listed(S, DDIM))[1] for S in (10, 5))],
    ),
    (
        "ends at {:.3f} with linear, {:.3f} with scaled_linear and {:.3f} with cosine",
        [ten_steps(name) for name in reference.BETA_SCHEDULES],
    ),
    ("in 1000 steps the spread ends at {:.3f}, one grey image", [changed(ddpm(), no_noise)]),
    (
        "({:.3f} or {:.3f} for {:.3f})",
        [changed(ddpm(), change) for change in (variance_as_deviation, no_noise, right)],
    ),
    ("gives one grey ({:.3f} for {:.3f} in", [table_alpha_with_x0(), changed(listed(50), right)]),
    ("or noise ({:.3f}) where", [changed(listed(50), table_alpha)]),
    ("it is {:.1e} nats for a white pixel", [prior_nats()]),
    ("the factor is {:.2f} in the last step", [dropped_factor(0)]),
    ("and {:.4f} half-way", [dropped_factor(499)]),
    ("half-way, only {:.1f} % of the variance", [100 * knowable_share(499)]),
    (
        r"ends at a spread of {:.3f} instead of {:.3f}; the step for $\hat\varepsilon$ with $g$ in it ends at {:.1f}.",
        [changed(ddpm(), each) for each in (noise_of_the_step, right, step_noise_for_all_of_it)],
    ),
]


@pytest.mark.parametrize(("sentence", "values"), SENTENCES)
def test_quoted_number(sentence, values):
    assert spoken(sentence, values) in HANDOUT


def spoken(sentence, values):
    values = [value.item() if isinstance(value, torch.Tensor) else value for value in values]
    return sentence.format(*values).replace("e-0", "e-")


def test_no_fraction_is_left_out():
    """Whatever has a decimal point stands in a sentence above, in a table or formula with a test, or is a choice."""
    rest = re.sub(
        r"\$\$\n.*?\n\$\$|```.*?```|\(https.*?\)|arXiv [\d.]+|^> .*?$", "", HANDOUT, flags=re.DOTALL | re.MULTILINE
    )
    for table in ("| machine |", "| steps S, linear schedule |", "| often printed |"):
        before, after = rest.split(table)
        rest = before + after.partition("\n\n")[2]
    for sentence in SENTENCES:
        rest = rest.replace(spoken(*sentence), "")
    sections = re.findall(r"^### (\d\.\d) ", HANDOUT, re.MULTILINE)
    chosen = {
        "0.1",
        "0.3",
        "0.4",
        "0.5",
        "0.01",
        "3.11",
    }  # where a loss counts less, one pixel's mean and deviation, an eta, a threshold, Python
    assert {number for number in re.findall(r"\d+\.\d+", rest) if number not in sections} <= chosen


def test_table_of_spreads():
    table = HANDOUT.split("| steps S, linear schedule | ")[1].split("\n\n")[0].splitlines()
    steps = [int(S) for S in re.findall(r"\d+", table[0])]
    rows = {name: numbers for name, *numbers in (line.strip("| ").split(" | ") for line in table[2:])}
    runs = {
        "DDPM, fixed_large": [[(listed(S, variance_type="fixed_large"), {})] for S in steps],
        r"DDIM, $\eta$ = 0": [[(listed(S, DDIM), {"eta": 0.0})] for S in steps],
        r"DDIM, $\eta$ = 1, and DDPM, fixed_small": [[(listed(S, DDIM), {"eta": 1.0}), (listed(S), {})] for S in steps],
    }
    assert rows.keys() == runs.keys()
    for name, columns in runs.items():
        for printed, both in zip(rows[name], columns, strict=True):
            for scheduler, options in both:
                mean, deviation = end_of_run(scheduler, **options)
                assert f"{deviation:.3f}" == printed and abs(mean - MEAN) < 0.005


def test_time_of_a_step_is_of_the_order_that_was_measured_in_training():
    readme = (CHECKPOINTS / "README.md").read_text(encoding="utf-8")
    measured = float(re.search(r"\((\d\.\d+) CPU seconds a step", readme)[1])
    assert 0.5 < seconds_a_step() / measured < 2


# ----- the figures ----------------------------------------------------------------------------------------------------


@torch.inference_mode()
def test_losses_of_the_checkpoints():
    sys.path.insert(0, str(ROOT / "solution"))
    import data
    from autograder.networks import load

    x0 = data.digits(data.DIGITS5K)[0][::20].float() / 127.5 - 1
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
    loss, image = {}, {}
    for kind in reference.PREDICTION_TYPES:
        model, config = load(CHECKPOINTS / f"{kind}.safetensors")
        settings = {name: config[name] for name in ("prediction_type", "beta_schedule")}
        scheduler = ddpm(clip_sample=False, **settings)
        for t in (0, 19, 199, 599, 799, 999):
            times = torch.full((len(x0),), t)
            x_t = scheduler.add_noise(x0, noise, times)
            target = noise if kind == "epsilon" else scheduler.get_velocity(x0, noise, times)
            output = model(x_t, times)
            loss[kind, t] = (output - target).square().mean().item()
            image[kind, t] = (scheduler.predict(output, t, x_t)[0] - x0).square().mean().item()
    assert loss["epsilon", 999] < loss["epsilon", 19] / 2000
    assert max(loss["v_prediction", t] for t in (0, 19, 199, 599, 999)) < 14 * loss["v_prediction", 199]
    assert all(0.9 < image["epsilon", t] / image["v_prediction", t] < 1.1 for t in (199, 599, 799))
    assert image["v_prediction", 999] < 1.35 * image["v_prediction", 599]
    assert 1.5 < image["epsilon", 999] / image["v_prediction", 999] < 1.7


def test_the_first_figure_shows_what_its_words_say():
    """Where the digit is said to be lost, the three schedules have about the same signal left."""
    left = [signal_to_noise(name)[t] for name, t in (("linear", 500), ("scaled_linear", 700), ("cosine", 800))]
    assert max(left) < 0.11 and max(left) / min(left) < 1.6
