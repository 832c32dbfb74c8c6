"""An expression as data. It is Python, of a small part of the language: what is written and what is computed come from
the one syntax tree, so that they cannot disagree. `a == b` is an equation, which can only be written.

The symbols are those of the handout, spelled as in Python: see SYMBOLS.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..language import N_, _

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# {name: as the handout writes it}
SYMBOLS = {
    "abar": "ᾱ_t",
    "abar_prev": "ᾱ_prev",
    "abar_lag": "ᾱ_{t−1}",
    "alpha_t": "α_t",
    "beta_t": "β_t",
    "beta": "β",
    "s": "s",
    "s_prev": "s_prev",
    "w": "w",
    "eta": "η",
    "sigma": "σ",
    "beta_start": "β_start",
    "beta_end": "β_end",
    "t": "t",
    "i": "i",
    "T": "T",
    "S": "S",
    "pi": "π",
    "x_t": "x_t",
    "x0_hat": "x̂0",
    "epsilon_hat": "ε̂",
    "output": "output",
    "z": "z",
    "x_0": "x_0",
    "epsilon": "ε",
    "conditional": "conditional",
    "unconditional": "unconditional",
    "guided": "guided",
    "x_prev": "x_prev",
    "v": "v",
    "mean": "mean",
    "variance": "variance",
    "target": "target",
    "alphas": "α",
    "alphas_cumprod": "ᾱ",
    "betas": "β",
    "timestep_i": "timesteps[i]",
    # Of infer.py.
    "t_net": "t_net",
    "noise": "noise",
    "x_T": "x_T",
    "x": "x",
    "samples": "samples",
    # What stands for a weight that is not written out.
    "right": N_("[right]"),
    "right_for_z": N_("[right for this weight of z]"),
    "right_but_last": N_("[right but in the last step]"),
    "right_in_some": N_("[right in some cases]"),
    "unread": N_("[not read]"),
}
WORDS = ("right", "unread")  # how those begin that are words
# Samples: a space keeps them apart from their weights.
TERMS = ("x_t", "x0_hat", "epsilon_hat", "output", "z", "x_0", "epsilon", "conditional", "unconditional")
FUNCTIONS: dict[str, Callable[..., float | np.ndarray]] = {
    "min": lambda *values: np.minimum.reduce(np.broadcast_arrays(*values)),
    "max": lambda *values: np.maximum.reduce(np.broadcast_arrays(*values)),
    "cos": np.cos,
    "exp": np.exp,
    "log": np.log,
    "round": np.round,
    "floor": np.floor,
    "ceil": np.ceil,
    "cumprod": np.cumprod,
    "cumsum": np.cumsum,
}
BRACKETS = {"floor": "⌊{}⌋", "ceil": "⌈{}⌉"}
OPERATORS: dict[type[ast.operator], np.ufunc] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Pow: np.power,
}
SUM, PRODUCT, SIGN, POWER, ATOM = range(5)  # how strongly a piece holds together


@dataclass(frozen=True)
class Expression:
    """A formula.

    python  its source. Raises ValueError when it is used and is not an expression of the small language.
    """

    python: str

    @cached_property
    def tree(self) -> ast.expr:
        try:
            return ast.parse(self.python, mode="eval").body
        except SyntaxError:
            raise ValueError(f"no expression: {self.python}") from None

    @property
    def symbols(self) -> set[str]:
        """Names of the quantities that occur in it."""
        # pyrefly: ignore[missing-attribute]  # only names are called
        called = {node.func.id for node in ast.walk(self.tree) if isinstance(node, ast.Call)}
        return {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)} - called - {"pi"}

    def value(self, quantities: Mapping[str, float | np.ndarray]) -> float | np.ndarray:
        """Its value for these values of its symbols. What has no value is NaN or infinite."""
        with np.errstate(all="ignore"):
            return value(self.tree, quantities)

    @property
    def unicode(self) -> str:
        """As the handout writes it."""
        return written(self.tree)[0]

    def __str__(self) -> str:
        return self.unicode


def value(node: ast.expr, quantities: Mapping[str, float | np.ndarray]) -> float | np.ndarray:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id="pi"):
            return np.pi
        case ast.Name(id=name):
            return np.float64(quantities[name])
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -value(inner, quantities)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return OPERATORS[type(op)](value(left, quantities), value(right, quantities))
        case ast.Call(func=ast.Name(id=name), args=args) if name in FUNCTIONS:
            return FUNCTIONS[name](*(value(arg, quantities) for arg in args))
    raise ValueError(f"not in the language of expressions: {ast.unparse(node)}")


def combination(weights: Mapping[str, Expression]) -> Expression:
    """The sum of terms with these weights; terms with weight 0 are left out."""
    text = ""
    for term, weight in weights.items():
        sign, size = ("-", weight.python[1:]) if weight.python.startswith("-") else ("+", weight.python)
        if size == "0":
            continue
        part = term if size == "1" else f"({size})*{term}"
        text += f" {sign} {part}" if text else ("-" if sign == "-" else "") + part
    return Expression(text or "0")


# ----- writing -------------------------------------------------------------------------------------------------------


def written(node: ast.expr) -> tuple[str, int]:
    """(how the handout writes a tree, how strongly the piece holds together)"""
    match node:
        case ast.Constant(value=number):
            return f"{number:.10g}", ATOM
        case ast.Name(id=name):
            return symbol(name), ATOM
        case ast.UnaryOp(operand=inner):
            return f"−{held(inner, PRODUCT)}", SIGN
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            return f"{held(left, SUM)} {'+' if isinstance(op, ast.Add) else '−'} {held(right, PRODUCT)}", SUM
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            times = " · " if isinstance(right, ast.Name) and right.id in TERMS else "·"
            return held(left, PRODUCT) + times + held(right, SIGN), PRODUCT
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return f"{held(left, PRODUCT)}/{held(right, SIGN)}", PRODUCT
        case ast.BinOp(left=left, op=ast.FloorDiv(), right=right):
            return f"⌊{held(left, PRODUCT)}/{held(right, SIGN)}⌋", ATOM
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=0.5 | 0.25 as exponent)):
            # pyrefly: ignore[bad-index]  # it is one of the two
            return {0.5: "√", 0.25: "∜"}[exponent] + held(left, ATOM), POWER
        case ast.BinOp(left=ast.Call(func=ast.Name(id=name), args=args), op=ast.Pow(), right=right):  # cos²(x)
            return called(raised(name, right), args), ATOM
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return raised(held(left, ATOM), right), POWER
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            return f"{written(left)[0]} = {written(right)[0]}", SUM
        case ast.Call(func=ast.Name(id="floor" | "ceil" as name), args=[inner]):
            return BRACKETS[name].format(written(inner)[0]), ATOM
        case ast.Call(func=ast.Name(id=name), args=args):
            return called(name, args), ATOM
    raise ValueError(f"cannot be written: {ast.unparse(node)}")


def symbol(name: str) -> str:
    """As the handout writes it; what stands for a weight, in words."""
    return _(SYMBOLS[name]) if name.startswith(WORDS) else SYMBOLS[name]


def held(node: ast.expr, least: int) -> str:
    """The text of a node that must hold at least so strongly, in parentheses where it does not."""
    text, strength = written(node)
    return text if strength >= least else f"({text.replace(' − ', '−').replace(' + ', '+')})"


def raised(base: str, exponent: ast.expr) -> str:
    text = held(exponent, ATOM)
    return base + ({"2": "²", "3": "³", "4": "⁴"}.get(text) or f"^{text}")


def called(function: str, args: Sequence[ast.expr]) -> str:
    return f"{function}({', '.join(written(arg)[0] for arg in args)})"
