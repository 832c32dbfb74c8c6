"""The handout against what it speaks of: the rubric, the skeleton, the reference's signatures, and its own numbers."""

import importlib.util
import inspect
import re

import pytest
import torch

from autograder.paths import ROOT
from autograder.record import VERDICTS
from autograder.rubric import Rubric
from autograder.submission import ACCEPTED

HANDOUT = (ROOT / "handout.md").read_text(encoding="utf-8")
SKELETON = (ROOT / "assignment" / "scheduler.py").read_text(encoding="utf-8")
RUBRIC = Rubric.load()
SECTIONS = re.findall(r"^### (\d+\.\d+) \S", HANDOUT, re.MULTILINE)
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)


def load_reference():
    spec = importlib.util.spec_from_file_location("reference_scheduler", ROOT / "solution" / "scheduler.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = load_reference()


# ----- the rubric -----------------------------------------------------------------------------------------------------


def test_rows_are_those_of_the_rubric():
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| (.+?) \| (\S+) \| (\S+) \|$", HANDOUT, re.MULTILINE)
    assert rows == [(entry.id, entry.title, f"{entry.points:g}", entry.section) for entry in RUBRIC.checks.values()]


def test_rows_stand_in_their_part():
    for number, part in enumerate(RUBRIC.parts, 1):
        text = HANDOUT.split(f"\n## {number} ")[1].split("\n## ")[0]
        assert set(re.findall(r"^\| `([a-z_]+)\.", text, re.MULTILINE)) == {part}


def test_part_headings_and_total():
    points = {part: sum(e.points for e in RUBRIC.checks.values() if e.part == part) for part in RUBRIC.parts}
    headings = re.findall(r"^## (\d+ .*)$", HANDOUT, re.MULTILINE)
    expected = [f"{n} {RUBRIC.parts[part]} ({points[part]:g} points)" for n, part in enumerate(RUBRIC.parts, 1)]
    assert headings == [*expected, "5 Training (no points yet)"]
    assert f"**Parts 1 to {len(points)} give {sum(points.values()):g} points.**" in HANDOUT


def test_limits():
    rows = re.findall(r"^\| `([a-z_]+)` \| (\S+) \| [^|]+ \|$", HANDOUT, re.MULTILINE)
    limits = {name: value for name, value in rows if name in RUBRIC.limits}
    assert {"call_seconds", "import_seconds", "exact_seconds", "memory_mb"} <= limits.keys()
    assert limits == {name: str(RUBRIC.limits[name]) for name in limits}
    assert f"at most {ACCEPTED['scheduler.py'] // 1000} kB" in HANDOUT


def test_every_verdict_has_its_line():
    table = HANDOUT.split("| verdict | what it means |")[1].split("\n\n")[0]
    assert tuple(re.findall(r"^\| ([a-z_]+) \|", table, re.MULTILINE)) == VERDICTS


# ----- sections and signatures ----------------------------------------------------------------------------------------


def test_sections():
    assert len(SECTIONS) == len(set(SECTIONS))
    assert sorted(SECTIONS) == SECTIONS
    assert {entry.section for entry in RUBRIC.checks.values()} <= set(SECTIONS)
    todos = {number for line in re.findall(r"# TODO (.*)", SKELETON) for number in re.findall(r"(\d\.\d):", line)}
    assert todos == set(SECTIONS)


def test_contract_signatures():
    (block,) = re.findall(r"```python\n(.*?)```", HANDOUT, re.DOTALL)
    stated = {}
    exec(block, stated)
    for name in ("DDPMScheduler", "DDIMScheduler"):
        assert signatures(stated[name]) == signatures(getattr(reference, name))
    assert issubclass(stated["DDIMScheduler"], stated["DDPMScheduler"])
    for choices in (reference.BETA_SCHEDULES, reference.PREDICTION_TYPES, reference.VARIANCE_TYPES):
        assert all(f'`"{choice}"`' in HANDOUT for choice in choices)


def signatures(cls):
    """{name: signature} of a class's own public methods; names, order and defaults."""
    return {
        name: str(inspect.signature(method))
        for name, method in vars(cls).items()
        if inspect.isfunction(method) and (name == "__init__" or not name.startswith("_"))
    }


# ----- mathematics as GitHub reads it ---------------------------------------------------------------------------------


def test_math_survives_markdown():
    text = CODE.sub("", HANDOUT)
    displays = re.findall(r"^\$\$\n(.*)\n\$\$$", text, re.MULTILINE)
    assert text.count("$$") == 2 * len(displays), "a display is one line between two lines of $$"
    text = re.sub(r"^\$\$\n.*\n\$\$$", "", text, flags=re.MULTILINE)
    assert all(line.count("$") % 2 == 0 for line in text.splitlines())
    inlines, after = zip(*re.findall(r"\$([^$\n]+)\$(.?)", text), strict=True)
    assert set(after) <= set(" .,;:)") | {""}, "GitHub needs a space or a stop after a formula"
    for formula in (*displays, *inlines):
        assert formula == formula.strip() and "*" not in formula and "<" not in formula, formula
        assert not re.search(r"\\[^a-zA-Z]", formula), f"Markdown eats this backslash: {formula}"
        assert not re.search(r"(^|[^A-Za-z0-9])_", formula), f"Markdown may read this _ as emphasis: {formula}"
        assert formula.count("{") == formula.count("}") and formula.count("\\left") == formula.count("\\right")


# ----- the numbers it quotes ------------------------------------------------------------------------------------------


def ddpm(**settings):
    return reference.DDPMScheduler(**{"clip_sample": False, **settings})


def listed(S, **settings):
    scheduler = ddpm(**settings)
    scheduler.set_timesteps(S)
    return scheduler


def strided_variances():
    """(beta-tilde, the same with the table's beta) at t = 499 with S = 50."""
    scheduler = listed(50)
    alpha_bar, previous = scheduler._alpha_bars(499)
    wrong = (1 - previous) / (1 - alpha_bar) * scheduler.betas[499]
    return scheduler.posterior(torch.zeros(1), torch.zeros(1), 499)[1].item(), wrong.item()


@pytest.mark.parametrize(
    ("sentence", "values"),
    [
        ("It is one file with about {} lines", [round(sum(map(int, re.findall(r"\((\d+) lines?\)", SKELETON))), -1)]),
        (r"With the default arguments, $\bar\alpha$ ends at {:.1e}.", [ddpm().alphas_cumprod[-1]]),
        ("with T = 100 leave it at {:.3f}:", [ddpm(num_train_timesteps=100).alphas_cumprod[-1]]),
        ("the clip touches {} entry", [int((ddpm(beta_schedule="cosine").betas >= 0.999).sum())]),
        (
            r"at t = 499, this schedule has $\bar\alpha$ = {:.3f} where the linear one has {:.3f}:",
            [ddpm(beta_schedule="cosine").alphas_cumprod[499], ddpm().alphas_cumprod[499]],
        ),
        ("S = 7 gives {}, {}, {}, {}, {}, {}, {};", listed(7).timesteps.tolist()),
        ("S = 10 gives {}, {}, ..., {};", [listed(10).timesteps.tolist()[i] for i in (0, 1, -1)]),
        ("has {} entries for S = 7", [len(range(999, -1, -(1000 // 7)))]),
        ("gives {} for t = 999, and the list says {}", [999 - 1000 // 7, listed(7).previous_timestep(999)]),
        ("multiplies every error of the network by {:.0f}", [ddpm().alphas_cumprod[999] ** -0.5]),
        (r"$\tilde\beta$ is {:.3f}; with `betas[t]` it would be {:.4f}", strided_variances()),
        ("(at {} for S = 10)", [listed(10).timesteps[-1]]),
        (r"by a factor of {:.0f} at $\eta = 0.25$", [0.25**0.5 / 0.25]),
    ],
)
def test_quoted_number(sentence, values):
    values = [value.item() if isinstance(value, torch.Tensor) else value for value in values]
    assert sentence.format(*values).replace("e-0", "e-") in HANDOUT


# ----- the formulas it prints, in the reference -----------------------------------------------------------------------

TIMES = (0, 1, 40, 500, 999)


def images(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 1, 3, 3, generator=generator, dtype=torch.float64) for _ in range(count)]


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_schedules():
    T, low, high = 50, 1e-3, 0.1
    t = torch.arange(T, dtype=torch.float64)
    close(reference.linear_betas(T, low, high), low + t / (T - 1) * (high - low))
    close(reference.scaled_linear_betas(T, low, high).sqrt(), low**0.5 + t / (T - 1) * (high**0.5 - low**0.5))

    def f(u):
        return torch.cos((u + 0.008) / 1.008 * torch.pi / 2) ** 2

    close(reference.cosine_betas(T), (1 - f((t + 1) / T) / f(t / T)).clamp(max=0.999))


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


@pytest.mark.parametrize("S", [1000, 7])
def test_both_forms_of_the_mean_agree(S):
    for clip_sample in (False, True):
        scheduler = listed(S, clip_sample=clip_sample)
        for t in scheduler.timesteps[[0, S // 2, -1]].tolist():
            x_t, output = images(2, t)
            x0, epsilon = scheduler.predict(output, t, x_t)
            alpha_bar, previous = scheduler._alpha_bars(t)
            alpha = alpha_bar / previous
            mean, _ = scheduler.posterior(x0, x_t, t)
            close(mean, (x_t - (1 - alpha) / (1 - alpha_bar).sqrt() * epsilon) / alpha.sqrt())


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


@pytest.mark.parametrize("clip_sample", [False, True])
@pytest.mark.parametrize("S", [1000, 10])
def test_ddim_lies_between_add_noise_and_ddpm(S, clip_sample):
    """eta = 0 is add_noise of the pair at the previous timestep, eta = 1 is DDPM with fixed_small (4.1, 4.2)."""
    scheduler, ddim = listed(S, clip_sample=clip_sample), reference.DDIMScheduler(clip_sample=clip_sample)
    ddim.set_timesteps(S)
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
