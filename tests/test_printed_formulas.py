"""The displayed formulas of the handout, evaluated as they are printed, with numbers from the reference."""

import math
import re

import pytest
import test_formulas
import torch
from handout import HANDOUT, coefficients, ddpm, listed, reference
from latex import evaluate

STATEMENTS = [
    statement.strip(" .,")
    for display in re.findall(r"^\$\$\n(.*)\n\$\$$", HANDOUT, re.MULTILINE)
    for statement in display.split(r", \qquad ")
]
# What no calculator can evaluate: a fragment of it, and the test that covers it (None: it only says what a letter is).
IN_WORDS = {
    r"q(x_t \mid x_{t-1}) = \mathcal N\big(\sqrt{1 - \beta_t} x_{t-1}, \beta_t I\big)": "the_chain_in_one_step",
    r"t = 0, \ldots, T-1": None,
    r"i = 0, \ldots, S-1": None,
    r"\bar\alpha_t = \prod_{s=0}^{t} \alpha_s": "the_chain_in_one_step",
    r"z \sim \mathcal N(0, I)": None,
    r"q(x \mid x_t, x_0) \propto q(x_t \mid x) q(x \mid x_0) \propto "
    r"\exp\left(-\frac{1}{2}\left[\frac{(x_t - \sqrt{\alpha} x)^2}{\beta} + "
    r"\frac{(x - \sqrt{\bar\alpha_\mathrm{prev}} x_0)^2}{1 - \bar\alpha_\mathrm{prev}}\right]\right)": (
        "the_posterior_is_the_product_of_two_gaussians"
    ),
    r"\mathbb E[-\log p(x_0)] \leq \mathbb E_q \left[D\big(q(x_T \mid x_0), p(x_T)\big) + "
    r"\sum_{t=2}^{T} D\big(q(x_{t-1} \mid x_t, x_0), p(x_{t-1} \mid x_t)\big) - "
    r"\log p(x_0 \mid x_1)\right]": "the_bound_bounds",
    r"L_\mathrm{simple} = \mathbb E \lVert \varepsilon - \hat\varepsilon(\sqrt{\bar\alpha_t} x_0 + "
    r"\sqrt{1 - \bar\alpha_t} \varepsilon, t) \rVert^2": None,
    r"\ell = \frac{1}{CHW} \lVert m(x_t, t) - y \rVert^2": "the_loss_is_each_image_s_mean_squared_error",
    r"D = \frac{1}{2}\left[\frac{\tilde\beta}{\sigma^2} - 1 - \ln\frac{\tilde\beta}{\sigma^2} + "
    r"\frac{\big(\tilde\mu(x_0, x_t) - \tilde\mu(\hat x_0, x_t)\big)^2}{\sigma^2}\right]": "what_a_step_costs",
    r"p(x_0 \mid x_t) = \int_{x_0 - 1/255}^{x_0 + 1/255} \mathcal N(x; \hat x_0, \beta_0) dx": (
        "what_the_last_step_costs"
    ),
    r"\mathbb E(\varepsilon_t - g)^2 = "
    r"\mathbb E\left(\sqrt{\frac{\beta_t}{1 - \bar\alpha_t}} \varepsilon - g\right)^2 + "
    r"\frac{\alpha_t (1 - \bar\alpha_{t-1})}{1 - \bar\alpha_t}": "four_draws_become_three",
}
TODAY = re.compile(r"(?<![a-zA-Z\\])[suwg](?![a-zA-Z])")  # letters that only part 8 has
EQUATIONS = [statement for statement in STATEMENTS if statement not in IN_WORDS]


def test_the_rest_is_tested_in_words():
    assert set(IN_WORDS) <= set(STATEMENTS)
    assert all(hasattr(test_formulas, f"test_{name}") for name in IN_WORDS.values() if name)


def image(value):
    return torch.full((1, 1, 1, 1), value, dtype=torch.float64)


class Mean(float):
    """The posterior's mean at the true x_0; called, the mean at any."""

    def __new__(cls, scheduler, t, x0, x_t):
        mean = super().__new__(cls, cls.at(scheduler, t, x0, x_t))
        mean.of = scheduler, t
        return mean

    def __call__(self, x0, x_t):
        return self.at(*self.of, x0, x_t)

    @staticmethod
    def at(scheduler, t, x0, x_t):
        return scheduler.posterior(image(x0), image(x_t), t)[0].item()


def schedule_values(statement):
    """Letters of part 1 and of 3.1, from the schedule that the statement is about."""
    T, t, low, high = 50, 7, 1e-3, 0.1
    values = {"T": T, "t": t, r"\beta_\mathrm{start}": low, r"\beta_\mathrm{end}": high, "S": 7, "i": 2}
    printed = next(text for text in STATEMENTS if text.startswith("f(u) = "))
    values["f"] = lambda u: evaluate(printed.split(" = ", 1)[1], {"u": u})
    name = "cosine" if r"\min" in statement else "scaled_linear" if r"\sqrt{\beta_t}" in statement else "linear"
    scheduler = ddpm(num_train_timesteps=T, beta_schedule=name, beta_start=low, beta_end=high)
    scheduler.set_timesteps(7)
    values |= {r"\beta_t": scheduler.betas[t].item(), r"\alpha_t": scheduler.alphas[t].item()}
    return values | {"t_i": scheduler.timesteps[2].item()}


def step_values(scheduler, t, statement):
    """All letters of parts 2 to 4 and of the derivations at one timestep, whatever the reference can say of them."""
    alpha_bar, previous, alpha, beta, _ = coefficients(scheduler, t)
    times, before = torch.tensor([t]), torch.tensor([scheduler.previous_timestep(t)])
    x0, earlier, own, guess, z, eta = -0.4, 0.3, -1.1, 0.9, 0.8, 0.6
    noise = (math.sqrt(alpha * (1 - previous)) * earlier + math.sqrt(beta) * own) / math.sqrt(1 - alpha_bar)
    x_t = scheduler.add_noise(image(x0), image(noise), times).item()
    pair = [value.item() for value in scheduler.predict(image(guess), t, image(x_t))]
    variance = scheduler.posterior(image(x0), image(x_t), t)[1].item()
    kind, options = reference.DDIMScheduler, {"eta": eta if r"\sigma" in statement else 0.0}
    if r"\tilde\mu(\hat x_0, x_t) + " in statement:
        kind, options = reference.DDPMScheduler, {}
    sampler = listed(len(scheduler.timesteps), kind)

    def step(z):
        return sampler.step(image(guess), t, image(x_t), variance_noise=image(z), **options).item()

    mean_of_x0 = pair[0] if r"\hat\varepsilon\right)" in statement else x0
    return {
        **{r"\bar\alpha_t": alpha_bar, r"\bar\alpha_\mathrm{prev}": previous, r"\bar\alpha_{t-1}": previous},
        **{r"\alpha": alpha, r"\alpha_t": alpha, r"\beta": beta, r"\beta_t": beta, r"\tilde\beta": variance},
        **{"x_0": x0, "x_t": x_t, r"\varepsilon": noise, r"\bar\varepsilon": earlier, r"\varepsilon_t": own},
        "x_{t-1}": scheduler.add_noise(image(x0), image(earlier), before).item(),
        r"\omega": (math.sqrt(beta) * earlier - math.sqrt(alpha * (1 - previous)) * own) / math.sqrt(1 - alpha_bar),
        "v": scheduler.get_velocity(image(x0), image(noise), times).item(),
        **{r"\hat x_0": pair[0], r"\hat\varepsilon": pair[1]},
        r"\hat v": scheduler.get_velocity(*map(image, pair), times).item(),
        r"\tilde\mu": Mean(scheduler, t, mean_of_x0, x_t),
        **{r"\eta": eta, "z": z, r"\sigma": step(1.0) - step(0.0), "x_\\mathrm{prev}": step(z)},
    }


def straight_values(scheduler, t):
    """Letters of part 8 at one timestep of a straight path, and those of guidance."""
    x0, noise, guess, times = -0.4, 1.1, 0.9, torch.tensor([t])
    x_t = scheduler.add_noise(image(x0), image(noise), times)
    pair = [value.item() for value in scheduler.predict(image(guess), t, x_t)]
    a, b, w = 0.7, -0.3, 2.5
    return {
        **{"t": t, "T": 1000, "s": scheduler.level(t), r"s_\mathrm{prev}": scheduler._levels(t)[1]},
        **{"x_0": x0, r"\varepsilon": noise, "x_t": x_t.item(), r"\hat u": guess},
        "u": scheduler.get_velocity(image(x0), image(noise), times).item(),
        **{r"\hat x_0": pair[0], r"\hat\varepsilon": pair[1]},
        r"x_\mathrm{prev}": scheduler.step(image(guess), t, x_t).item(),
        **{"a": a, "b": b, "w": w, "g": reference.guided(image(a), image(b), w).item()},
    }


def holds(equation, values):
    sides = [evaluate(side, values) for side in equation.split(" = ")]
    assert len(sides) > 1
    assert all(math.isclose(side, sides[0], rel_tol=1e-3, abs_tol=1e-6) for side in sides), (equation, sides)


@pytest.mark.parametrize("equation", EQUATIONS)
def test_equation(equation):
    if equation.startswith("f(u)"):
        assert evaluate(equation.split(" = ", 1)[1], {"u": 1.0}) < 1e-12  # and as part of the beta that follows it
    elif re.search(r"^t_i|mathrm\{start\}|f\\big|^\\alpha_t = 1", equation):
        holds(equation, schedule_values(equation))
    elif TODAY.search(equation):
        for scheduler in (listed(1000, reference.FlowMatchScheduler), listed(7, reference.FlowMatchScheduler)):
            for t in scheduler.timesteps[[0, 2, -1]].tolist():
                holds(equation, straight_values(scheduler, t))
    else:
        for t in (40, 500, 998):
            holds(equation, step_values(listed(1000), t, equation))
        if r"\mathrm{prev}" in equation or r"\alpha}" in equation:
            short = listed(7)
            for t in short.timesteps[[0, 3, 5]].tolist():
                holds(equation, step_values(short, t, equation))


@pytest.mark.parametrize("equation", EQUATIONS)
def test_a_slip_in_an_equation_is_noticed(equation):
    """Each root dropped and each sign turned, one at a time: what is printed is read, not what is meant."""
    slips = [equation[: m.start()] + equation[m.end() :] for m in re.finditer(r"\\sqrt(?=\{)", equation)]
    slips += [equation[: m.start()] + " + " + equation[m.end() :] for m in re.finditer(r" - (?!.* = )", equation)]
    for slip in slips:
        if not slip.startswith("f(u)"):
            with pytest.raises((AssertionError, ValueError)):
                test_equation(slip)
