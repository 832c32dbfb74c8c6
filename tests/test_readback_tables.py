"""Reading tables, lists, predictions and cases back."""

import numpy as np
import pytest
from students import ABAR, TABLES

from autograder.readback.curves import Table, read_alphas, read_alphas_cumprod, read_betas
from autograder.readback.expression import Expression
from autograder.readback.lists import read_list
from autograder.readback.predictions import read_clip, read_derived, read_sum
from autograder.readback.products import quantities
from autograder.readback.reading import Cases
from autograder.readback.weights import measure

SETTINGS = [(1000, 1e-4, 0.02), (37, 5e-4, 0.12), (312, 1e-4, 0.02)]
COSINE = "1 - cos(((t + 1) / T + 0.008) / 1.008 * pi / 2)**2 / cos((t / T + 0.008) / 1.008 * pi / 2)**2"


def tables(made):
    return [Table(np.float32(made(T, start, end)), T, start, end) for T, start, end in SETTINGS]


def wave(u, s=0.008, power=2):
    return np.cos((u + s) / (1 + s) * np.pi / 2) ** power


def cosine(T, s=0.008, power=2, low=None, high=0.999, late=0):
    u = (np.arange(T + 1) + late) / T
    return np.clip(1 - wave(u[1:], s, power) / wave(u[:-1], s, power), low, high)


LINE = "beta_start + (beta_end - beta_start) * "
CURVES = {
    "linear": (lambda T, a, b: np.linspace(a, b, T), LINE + "t / (T - 1)"),
    "end not reached": (lambda T, a, b: a + (b - a) * np.arange(T) / T, LINE + "t / T"),
    "one late": (lambda T, a, b: a + (b - a) * (np.arange(T) + 1) / T, LINE + "(t + 1) / T"),
    "T + 1, first dropped": (lambda T, a, b: np.linspace(a, b, T + 1)[1:], LINE + "(t + 1) / T"),
    "T + 1": (lambda T, a, b: np.linspace(a, b, T + 1), LINE + "t / T"),
    "hard coded": (lambda T, a, b: np.linspace(1e-4, 0.02, T), "0.0001 + (0.02 - 0.0001) * t / (T - 1)"),
    "reversed": (lambda T, a, b: np.linspace(b, a, T), "beta_end + (beta_start - beta_end) * t / (T - 1)"),
    "scaled": (
        lambda T, a, b: np.linspace(a**0.5, b**0.5, T) ** 2,
        "(beta_start**0.5 + (beta_end**0.5 - beta_start**0.5) * t / (T - 1))**2",
    ),
    "roots returned": (
        lambda T, a, b: np.linspace(a**0.5, b**0.5, T),
        "beta_start**0.5 + (beta_end**0.5 - beta_start**0.5) * t / (T - 1)",
    ),
    "squares": (
        lambda T, a, b: np.linspace(a**2, b**2, T) ** 0.5,
        "(beta_start**2 + (beta_end**2 - beta_start**2) * t / (T - 1))**0.5",
    ),
    "geometric": (lambda T, a, b: np.geomspace(a, b, T), "beta_start * (beta_end / beta_start)**(t / (T - 1))"),
    "constant": (lambda T, a, b: np.full(T, b), "beta_end"),
    "cosine": (lambda T, a, b: cosine(T), f"min({COSINE}, 0.999)"),
    "clipped at 0.9999": (lambda T, a, b: cosine(T, high=0.9999), f"min({COSINE}, 0.9999)"),
    "clipped on both sides": (
        lambda T, a, b: cosine(T, low=1e-4, high=0.9999),
        f"min(max({COSINE}, 0.0001), 0.9999)",
    ),
    "clipped at beta_end": (lambda T, a, b: cosine(T, high=b), f"min({COSINE}, beta_end)"),
    "clipped at 0.02": (lambda T, a, b: cosine(T, high=0.02), f"min({COSINE}, 0.02)"),
    "not clipped": (lambda T, a, b: cosine(T, high=None), COSINE),
    "another offset": (
        lambda T, a, b: cosine(T, s=0.013),
        f"min({COSINE}, 0.999)".replace("0.008", "0.013").replace("1.008", "1.013"),
    ),
    "another power": (lambda T, a, b: cosine(T, power=4), f"min({COSINE}, 0.999)".replace(")**2", ")**4")),
    "one early": (
        lambda T, a, b: cosine(T, late=-1, high=None),
        COSINE.replace("t / T", "(t - 1) / T").replace("(t + 1) / T", "t / T"),
    ),
}


@pytest.mark.parametrize("name", CURVES)
def test_curves(name):
    made, written = CURVES[name]
    assert read_betas(tables(made)).python == written


def test_what_is_no_curve_is_not_read():
    draw = np.random.default_rng(0)
    assert read_betas(tables(lambda T, a, b: draw.uniform(a, b, T))) is None
    assert read_betas(tables(lambda T, a, b: np.linspace(a, b, T) * (1 + 0.01 * np.sin(np.arange(T))))) is None
    assert read_betas(tables(lambda T, a, b: np.full(T, np.nan))) is None


def test_one_setting_that_differs_is_not_read():
    mixed = tables(CURVES["linear"][0])
    mixed[1] = tables(CURVES["end not reached"][0])[1]
    assert read_betas(mixed) is None


@pytest.mark.parametrize(
    ("made", "written", "place"),
    [
        (lambda alphas, betas: np.cumprod(alphas), "cumprod(alphas)", ""),
        (lambda alphas, betas: alphas, "alphas", ""),
        (lambda alphas, betas: np.cumsum(alphas), "cumsum(alphas)", ""),
        (lambda alphas, betas: np.cumprod(betas), "cumprod(betas)", ""),
        (lambda alphas, betas: np.append(1, np.cumprod(alphas)[:-1]), "cumprod(alphas)", "one index late"),
        (lambda alphas, betas: np.append(1, np.cumprod(alphas)), "cumprod(alphas)", "one index late"),
        (lambda alphas, betas: np.append(np.cumprod(alphas)[1:], 0), "cumprod(alphas)", "one index early"),
    ],
)
def test_alphas_cumprod(made, written, place):
    betas = tables(CURVES["linear"][0])
    alphas = [Table(1 - table.values, table.T) for table in betas]
    cumprods = [
        Table(np.float32(made(np.float64(a.values), np.float64(b.values))), a.T)
        for a, b in zip(alphas, betas, strict=True)
    ]
    assert read_alphas(alphas, betas).python == "1 - betas"
    expression, word = read_alphas_cumprod(cumprods, alphas, betas)
    assert (expression.python, word) == (written, place)


# ----- lists ---------------------------------------------------------------------------------------------------------

LISTS = {
    "trailing": (lambda S, T: [round((S - i) * T / S) - 1 for i in range(S)], "round((S - i) * T / S) - 1"),
    "rounded down": (lambda S, T: [int((S - i) * T / S) - 1 for i in range(S)], "floor((S - i) * T / S) - 1"),
    "from one": (lambda S, T: [round((S - i) * T / S) for i in range(S)], "round((S - i) * T / S)"),
    "ascending": (lambda S, T: [round((i + 1) * T / S) - 1 for i in range(S)], "round((i + 1) * T / S) - 1"),
    "leading": (lambda S, T: [i * (T // S) for i in range(S)][::-1], "(S - 1 - i) * (T // S)"),
    "leading + 1": (lambda S, T: [i * (T // S) + 1 for i in range(S)][::-1], "(S - 1 - i) * (T // S) + 1"),
    "linspace": (lambda S, T: np.linspace(0, T - 1, S).round()[::-1], "round((S - 1 - i) * (T - 1) / (S - 1))"),
    "linspace, cut": (
        lambda S, T: np.linspace(0, T - 1, S).astype(int)[::-1],
        "floor((S - 1 - i) * (T - 1) / (S - 1))",
    ),
    "linspace from the top": (lambda S, T: np.linspace(T - 1, 0, S).round(), "round((S - 1 - i) * (T - 1) / (S - 1))"),
    "stride from the top": (lambda S, T: [T - 1 - i * (T // S) for i in range(S)], "T - i * (T // S) - 1"),
    "range": (lambda S, T: list(range(T - 1, -1, -(T // S))), "T - i * (T // S) - 1"),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists(name):
    made, written = LISTS[name]
    spacing = read_list([(made(S, T), S, T) for S, T in [(10, 1000), (50, 1000), (1, 1000), (17, 1000), (7, 170)]])
    assert spacing.entry.python == written
    assert bool(spacing.count) == (name == "range")


def test_a_list_of_no_rule_is_not_read():
    draw = np.random.default_rng(0)
    assert read_list([(draw.integers(0, T, S), S, T) for S, T in [(10, 1000), (50, 1000), (17, 1000)]]) is None


# ----- predict -------------------------------------------------------------------------------------------------------


def predictions(seed=0):
    """(cases, x_t, output) at timesteps like those of the checks."""
    draw = np.random.default_rng(seed)
    t = np.array([0, 1, 23, 417, 999, 600])
    samples, outputs = ([draw.standard_normal((4, 2, 3, 4)).astype(np.float32) for _ in t] for _ in range(2))
    return Cases(quantities(*TABLES, t)), np.float32(ABAR[t]), samples, outputs


@pytest.mark.parametrize(
    ("image", "written"),
    [
        (lambda x, o, a: (x - np.sqrt(1 - a) * o) / np.sqrt(a), "1/√ᾱ_t · x_t − √(1−ᾱ_t)/√ᾱ_t · output"),
        (lambda x, o, a: (x - np.sqrt(1 - a) * o) / a, "1/ᾱ_t · x_t − √(1−ᾱ_t)/ᾱ_t · output"),
        (lambda x, o, a: (x - (1 - a) * o) / np.sqrt(a), "1/√ᾱ_t · x_t − (1−ᾱ_t)/√ᾱ_t · output"),
        (lambda x, o, a: np.sqrt(a) * x - np.sqrt(1 - a) * o, "√ᾱ_t · x_t − √(1−ᾱ_t) · output"),
        (lambda x, o, a: o, "output"),
    ],
)
def test_predictions(image, written):
    cases, abars, samples, outputs = predictions()
    found = [measure(image(x, o, a), [x, o]) for a, x, o in zip(abars, samples, outputs, strict=True)]
    weights, errors = (np.array([getattr(one, name) for one in found]) for name in ("values", "errors"))
    assert read_sum(cases, weights, errors, ("x_t", "output")).expression.unicode == written


def test_clips():
    _, abars, samples, outputs = predictions()
    images = [(x - np.sqrt(1 - a) * o) / np.sqrt(a) for a, x, o in zip(abars, samples, outputs, strict=True)]
    for low, high in ((-1, 1), (0, 1), (None, 1), (-0.5, 0.5)):
        clip = read_clip(images, [np.clip(x0, low, high) for x0 in images])
        assert (clip.low, clip.high) == (low, high)
    assert read_clip(images, images).low is None
    assert read_clip(images, [np.tanh(x0) for x0 in images]) is None
    assert read_clip(images, [np.clip(x0, -1, 1) for x0 in images]).expression.unicode == "min(max(x̂0, −1), 1)"


@pytest.mark.parametrize(
    ("noise", "written"),
    [
        (lambda x, x0, o, a: (x - np.sqrt(a) * x0) / np.sqrt(1 - a), "1/√(1−ᾱ_t) · x_t − √ᾱ_t/√(1−ᾱ_t) · x̂0"),
        (lambda x, x0, o, a: (x - x0) / np.sqrt(1 - a), "1/√(1−ᾱ_t) · x_t − 1/√(1−ᾱ_t) · x̂0"),
        (lambda x, x0, o, a: (x - np.sqrt(a) * x0) / (1 - a), "1/(1−ᾱ_t) · x_t − √ᾱ_t/(1−ᾱ_t) · x̂0"),
        (lambda x, x0, o, a: o, "output"),
    ],
)
def test_what_is_derived_after_the_clip(noise, written):
    cases, abars, samples, outputs = predictions()
    images = [
        np.clip((x - np.sqrt(1 - a) * o) / np.sqrt(a), -1, 1) for a, x, o in zip(abars, samples, outputs, strict=True)
    ]
    noises = [noise(x, x0, o, a) for x, x0, o, a in zip(samples, images, outputs, abars, strict=True)]
    assert read_derived(cases, samples, images, outputs, noises).expression.unicode == written


def test_a_deviation_of_the_posterior_and_a_clamp():
    t, previous = np.array([0, 1, 23, 417, 999, 500, 999, 499]), np.array([-1, 0, 22, 416, 998, 499, 899, 399])
    cases = Cases(quantities(*TABLES, t, previous))
    q = cases.quantities
    variance = (1 - q["abar_prev"]) / (1 - q["abar"]) * q["beta"]
    for value, written in (
        (variance, "(1−ᾱ_prev)·β/(1−ᾱ_t)"),
        (variance**0.5, "√(1−ᾱ_prev)·√β/√(1−ᾱ_t)"),
        (np.maximum(variance, 1e-5), "max((1−ᾱ_prev)·β/(1−ᾱ_t), 1e-05)"),
        (q["beta_t"], "β_t"),
    ):
        value = np.float32(value).astype(float)
        assert cases.read(value, 1e-7 * np.abs(value)).expression.unicode == written


def test_an_expression_of_a_table_has_its_value():
    t = np.arange(1000.0)
    assert np.allclose(Expression(f"min({COSINE}, 0.999)").value({"t": t, "T": 1000}), cosine(1000))
