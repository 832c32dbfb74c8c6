"""Reading steps back: right ones in all forms, wrong ones of the field, generated ones; and silence where it is due."""

import ast
import unicodedata
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from students import ATOMS, DDIM, DDPM, DDPM_BY_NOISE, agrees, cases_of, on_noise, read, read_weights, weights_of

from autograder.readback.expression import SYMBOLS, Expression
from autograder.readback.forms import DDPM_FORMS, rewritten
from autograder.readback.reading import clamps
from autograder.readback.typeset import mathml
from autograder.readback.weights import measure


def rng(seed=0):
    return np.random.default_rng(seed)


def sources(step):
    return {term: one and one.expression.python for term, one in step.reads.items()}


# ----- right steps ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("formula", "eta"), [(DDPM, False), (DDPM_BY_NOISE, False), (DDIM, True)])
def test_a_right_step_is_read_back(formula, eta):
    for seed in range(5):
        step = read(formula, cases_of(rng(seed), eta, last=True), rng(seed), formula)
        assert step.complete and all(right.all() for right in step.right.values()), (seed, sources(step))
        assert agrees(step, formula, cases_of(rng(seed + 100), eta)), (seed, sources(step))
        assert all(one.everywhere for one in step.reads.values()), (seed, sources(step))


def test_ddim_is_read_as_the_handout_writes_it():
    step = read(DDIM, cases_of(rng(), eta=True), rng())
    assert step.expression.unicode == ("√ᾱ_prev · x̂0 + √(1−ᾱ_prev−σ²) · ε̂ + η·√(1−ᾱ_prev)·√β/√(1−ᾱ_t) · z")


def test_the_three_forms_are_one_step():
    values = cases_of(rng(), eta=True)
    weights = on_noise(weights_of(DDIM, values), values["abar"])
    forms = rewritten(weights[:, :2], 0 * weights[:, :2], values["abar"])
    x, e = rng().standard_normal((2, len(weights)))
    x0 = (x - np.sqrt(1 - values["abar"]) * e) / np.sqrt(values["abar"])
    terms = {"x_t": x, "epsilon_hat": e, "x0_hat": x0}
    results = [sum(forms[form][0][:, n] * terms[term] for n, term in enumerate(form)) for form in DDPM_FORMS]
    assert np.allclose(results[0], results[1]) and np.allclose(results[0], results[2])


# ----- wrong steps of the field --------------------------------------------------------------------------------------

SIGMA = DDIM["z"]
FIELD = {
    "sigma with the ratio of the previous timestep": (DDIM, {"z": "eta*((1 - abar_prev)/abar_prev)**0.5"}),
    "sigma of the table's beta": (DDIM, {"z": "eta*beta_t**0.5"}),
    "direction times 1 - eta": (DDIM, {"epsilon_hat": "(1 - eta)*(1 - abar_prev)**0.5"}),
    "posterior with the table's beta": (DDIM, {"z": "eta*((1 - abar_prev)/(1 - abar)*beta_t)**0.5"}),
    "all the noise": (DDIM, {"z": "eta*(1 - abar)**0.5", "epsilon_hat": "(1 - abar_prev)**0.5"}),
    "eta ignored": (DDIM, {"z": "0*abar"}),
    "epsilon_hat left out": (DDIM, {"epsilon_hat": "0*abar"}),
    "the root of sigma": (DDIM, {"z": f"({SIGMA})**0.5", "epsilon_hat": f"(1 - abar_prev - ({SIGMA})**2)**0.5"}),
    "sigma of beta": (DDIM, {"z": "eta*beta**0.5", "epsilon_hat": "(1 - abar_prev)**0.5"}),
    "eta under the root": (DDIM, {"z": "(eta*(1 - abar_prev)/(1 - abar)*beta)**0.5"}),
    "sigma not squared": (DDIM, {"z": SIGMA, "epsilon_hat": "(1 - abar_prev)**0.5 - sigma"}),
    "direction without sigma": (DDIM, {"epsilon_hat": "(1 - abar_prev)**0.5"}),
    "direction with sigma at eta 1": (
        DDIM,
        {"epsilon_hat": "(1 - abar_prev - (1 - abar_prev)/(1 - abar)*beta)**0.5"},
    ),
    "direction of this step": (DDIM, {"epsilon_hat": "(1 - abar - sigma**2)**0.5"}),
    "one-step mean": (
        DDPM_BY_NOISE,
        {"x_t": "1/alpha_t**0.5", "epsilon_hat": "-beta_t/(alpha_t*(1 - abar))**0.5", "z": "beta_t**0.5"},
    ),
    "one-step mean, posterior's table": (
        DDPM_BY_NOISE,
        {
            "x_t": "1/alpha_t**0.5",
            "epsilon_hat": "-beta_t/(alpha_t*(1 - abar))**0.5",
            "z": "(beta_t*(1 - abar_lag)/(1 - abar))**0.5",
        },
    ),
    "both alpha-bars one index early": (
        DDPM,
        {"x0_hat": "abar_lag**0.5*beta/(1 - abar_lag)", "x_t": "(abar/abar_lag)**0.5*(1 - abar_prev)/(1 - abar)"},
    ),
    "variance for the deviation": (DDPM, {"z": "(1 - abar_prev)/(1 - abar)*beta"}),
    "root over the product": (DDPM, {"x_t": "(abar/abar_prev*(1 - abar_prev))**0.5/(1 - abar)"}),
    "weights exchanged": (DDPM, {"x0_hat": DDPM["x_t"], "x_t": DDPM["x0_hat"]}),
    "renoised estimate": (DDPM, {"x0_hat": "abar_prev**0.5", "x_t": "0*abar", "z": "(1 - abar_prev)**0.5"}),
    "mean not rescaled": (DDPM_BY_NOISE, {"x_t": "1 + 0*abar", "epsilon_hat": "-beta/(1 - abar)**0.5"}),
    "noise added": (DDPM_BY_NOISE, {"epsilon_hat": "beta/(1 - abar)**0.5*(abar_prev/abar)**0.5"}),
}


@pytest.mark.parametrize("name", FIELD)
def test_wrong_steps_of_the_field(name):
    base, changes = FIELD[name]
    formula = {**base, **changes}
    values = cases_of(rng(3), eta=base is DDIM)
    if not all(np.isfinite(w).all() for w in weights_of(formula, values).values()):
        formula["epsilon_hat"] = "(1 - abar_prev)**0.5"  # more noise than there may be in all: the root would be NaN
    step = read(formula, values, rng(3), base)
    assert step.complete, sources(step)
    assert agrees(step, formula, cases_of(rng(77), eta=base is DDIM)), sources(step)


def test_which_weight_is_wrong_is_known():
    formula = {**DDIM, "z": "eta*beta_t**0.5"}
    step = read(formula, cases_of(rng(), eta=True), rng(), DDIM)
    assert step.terms == ("x0_hat", "epsilon_hat") and step.right["x0_hat"].all() and not step.right["z"].all()


# ----- generated ones ------------------------------------------------------------------------------------------------


def mistaken(seed):
    """(formula, its right base): a random product put into one weight, in its place or beside what stands there."""
    draw = rng(seed)
    base = (DDPM, DDPM_BY_NOISE, DDIM)[seed % 3]
    atoms = ATOMS + (("eta", "1 - eta") if base is DDIM else ())
    chosen = draw.choice(len(atoms), draw.integers(1, 4), replace=False)
    product = " * ".join(f"({atoms[n]})**{draw.choice([-2, -1, -0.5, 0.5, 1, 2])}" for n in chosen)
    term = list(base)[draw.integers(len(base))]
    return {**base, term: product if draw.random() < 0.5 else f"({base[term]}) * {product}"}, base


def outcomes(seeds):
    """(number read back, number of which there was something to read, seeds misread)."""
    readable, back, misread = 0, 0, []
    for seed in seeds:
        formula, base = mistaken(seed)
        values = cases_of(rng(seed), eta=base is DDIM)
        if not all(np.isfinite(weights).all() for weights in weights_of(formula, values).values()):
            continue
        step = read(formula, values, rng(seed), base)
        readable += 1
        if step and step.complete:
            back += 1
            if not agrees(step, formula, cases_of(rng(seed + 10**6), eta=base is DDIM)):
                misread.append((seed, formula, sources(step)))
    return back, readable, misread


def test_generated_mistakes():
    back, readable, misread = outcomes(range(70))
    assert not misread
    assert back >= 0.95 * readable > 50


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_thousand_generated_mistakes():
    back, readable, misread = outcomes(range(1000, 2200))
    assert not misread
    assert back >= 0.95 * readable and readable >= 1000


# ----- silence -------------------------------------------------------------------------------------------------------


def test_a_number_that_is_clamped_is_read():
    quantities = {"abar": np.linspace(0.1, 0.9, 6)}
    weight = np.array([1, 1, 1, 1, 0.5, 0.5])
    assert list(clamps("1", quantities, weight, np.arange(6) < 4)) == ["min(1, 0.5)"]


def test_noise_is_not_read():
    draw = rng(5)
    for _ in range(10):
        values = cases_of(rng(1))
        noise = {term: draw.uniform(0.1, 2, len(values["abar"])) for term in ("x0_hat", "x_t", "z")}
        step = read_weights(noise, values, draw)
        assert not any(one for one in step.reads.values()), sources(step)


def test_what_is_not_linear_is_not_read():
    for change in (np.tanh, np.abs, lambda x: np.clip(x, -1, 1), lambda x: x + 0.01 * x**2, np.sort):
        assert read(DDPM, cases_of(rng()), rng(), change=change) is None


def test_a_formula_beyond_the_library_is_not_read():
    for z in ("(0.7*beta + 0.3*beta_t*abar)**0.5", "beta**0.5 + 0.1", "(beta + 0.001)**0.5/(1 - abar**2)"):
        step = read({**DDPM, "z": z}, cases_of(rng(2)), rng(2), DDPM)
        assert step.reads["z"] is None, sources(step)
        assert step.right["x0_hat"].all() and step.right["x_t"].all() and not step.right["z"].all()


def test_what_the_cases_cannot_tell_apart_is_ambiguous():
    values = cases_of(rng())
    full = {name: array[:6] for name, array in values.items()}  # over the full list beta is beta_t
    step = read({**DDPM, "z": "beta_t**0.5"}, full, rng())
    assert step.reads["z"].ambiguous and agrees(step, {**DDPM, "z": "beta_t**0.5"}, full)
    assert not read({**DDPM, "z": "beta_t**0.5"}, values, rng()).reads["z"].ambiguous


# ----- measuring -----------------------------------------------------------------------------------------------------


def test_weights_are_measured_to_rounding():
    x, e = rng().standard_normal((2, 4, 2, 3, 4)).astype(np.float32)
    found = measure(np.float32(0.3) * x - np.float32(2e-5) * e, [x, e])
    assert np.all(np.abs(found.values - [0.3, -2e-5]) <= found.errors + 1e-8) and found.errors.max() < 1e-6


def test_a_sum_with_a_constant_is_none():
    x, e = rng().standard_normal((2, 4, 2, 3, 4))
    assert measure(0.5 * x + 0.25, [x, e]) is None


def test_collinear_terms_and_few_elements_prove_nothing():
    x = rng().standard_normal((4, 2, 3, 4))
    assert measure(x, [x, 2 * x]) is None
    assert measure(x[:1, :1, :1, :2], [x[:1, :1, :1, :2]]) is None


# ----- expressions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("python", "unicode"),
    [
        ("-beta_t / (alpha_t**0.5 * (1 - abar)**0.5)", "−β_t/(√α_t·√(1−ᾱ_t))"),
        ("(1 - abar_prev - sigma**2)**0.5", "√(1−ᾱ_prev−σ²)"),
        ("eta**0.25 * abar**1.5", "∜η·ᾱ_t^1.5"),
        ("1 - (abar - abar_prev)", "1 − (ᾱ_t−ᾱ_prev)"),
        ("abar / (beta / eta)", "ᾱ_t/(β/η)"),
        ("min(1 - cos(t / T)**2, 0.999)", "min(1 − cos²(t/T), 0.999)"),
        ("beta_start * (beta_end / beta_start)**(t / (T - 1))", "β_start·(β_end/β_start)^(t/(T−1))"),
        ("floor(i * T / S) + T // S", "⌊i·T/S⌋ + ⌊T/S⌋"),
    ],
)
def test_how_expressions_are_written(python, unicode):
    assert Expression(python).unicode == unicode


def written():
    """Sources of whatever can be written."""

    def larger(inner):
        return st.one_of(
            st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "**"]), inner).map(
                "({0[0]} {0[1]} {0[2]})".format
            ),
            inner.map("-({})".format),
            st.tuples(st.sampled_from(["cos", "floor", "exp"]), inner).map("{0[0]}({0[1]})".format),
            st.tuples(inner, inner).map("min({0[0]}, {0[1]})".format),
        )

    return st.recursive(st.sampled_from([*SYMBOLS, "2", "0.5", "1"]), larger, max_leaves=8)


@given(written())
@settings(max_examples=150, deadline=None)
def test_what_is_typeset_is_what_is_written(python):
    """The same letters and digits, but that roots and exponents need none for themselves."""
    drawn = ElementTree.fromstring(mathml(f"x_prev == {python}"))
    names = [node.id for node in ast.walk(ast.parse(python)) if isinstance(node, ast.Name)]
    for name in names:
        letters = {c for c in unicodedata.normalize("NFD", SYMBOLS.get(name, "")) if c.isalpha()}
        assert letters <= set(unicodedata.normalize("NFD", "".join(drawn.itertext())))
    assert Expression(f"x_prev == {python}").unicode.startswith("x_prev = ")


def test_formulas_are_typeset():
    assert mathml("x_prev == beta / (1 - abar)**0.5") == (
        "<math displaystyle='true'><mrow>"
        "<msub><mi>x</mi><mi>prev</mi></msub><mo>=</mo><mfrac><mi>β</mi><msqrt><mspace height='0.85em'/>"
        "<mrow><mn>1</mn><mo>−</mo>"
        "<msub><mover accent='true'><mpadded height='0.56em'><mi>α</mi></mpadded><mo mathsize='150%'>‾</mo></mover>"
        "<mi>t</mi></msub></mrow></msqrt></mfrac></mrow></math>"
    )
    assert mathml("(1 - eta)*z") == (
        "<math displaystyle='true'><mrow><mrow><mo>(</mo><mrow><mn>1</mn><mo>−</mo><mi>η</mi></mrow><mo>)</mo></mrow>"
        "<mspace width='0.25em'/><mi>z</mi></mrow></math>"
    )
    assert "<mtext>[right]</mtext>" in mathml("right * z")


@pytest.mark.parametrize("python", ["__import__('os')", "abar.real", "[abar]", "abar if 1 else 2", "f(x", "'text'"])
def test_only_expressions_are_read(python):
    with pytest.raises(ValueError):
        Expression(python).value({"abar": 1.0})
