"""An expression as MathML, which browsers draw by themselves. It says what Expression.unicode says."""

from __future__ import annotations

import ast
import unicodedata
from typing import TYPE_CHECKING

from .expression import BRACKETS, POWER, PRODUCT, SIGN, SUM, TERMS, Expression, written
from .expression import symbol as written_symbol

if TYPE_CHECKING:
    from collections.abc import Sequence

# Letters of which a symbol is made; what is not here stands as in SYMBOLS.
LETTER = {
    "abar": ("ᾱ", "t"),
    "abar_prev": ("ᾱ", "prev"),
    "abar_lag": ("ᾱ", "t−1"),
    "alpha_t": ("α", "t"),
    "beta_t": ("β", "t"),
    "beta_start": ("β", "start"),
    "beta_end": ("β", "end"),
    "s_prev": ("s", "prev"),
    "x_t": ("x", "t"),
    "x_0": ("x", "0"),
    "x_prev": ("x", "prev"),
    "x0_hat": ("x̂", "0"),
    "epsilon_hat": ("ε̂", ""),
    "alphas_cumprod": ("ᾱ", ""),
}
# Combining marks, as MathML puts them over a letter. Without room below it and at its own size, a bar cannot be seen.
MARKS = {"\u0304": "<mo mathsize='150%'>‾</mo>", "\u0302": "<mo>^</mo>"}
HEIGHT = {"\u0304": "0.56em"}


def mathml(python: str) -> str:
    """The MathML of an expression, or of an equation. Raises ValueError for what is not in the language."""
    return f"<math displaystyle='true'>{drawn(Expression(python).tree)}</math>"


def drawn(node: ast.expr) -> str:
    """The elements of one piece."""
    match node:
        case ast.Constant(value=number):
            return f"<mn>{number:.10g}</mn>"
        case ast.Name(id=name):
            return symbol(name)
        case ast.UnaryOp(operand=inner):
            return row("<mo>−</mo>", held(inner, PRODUCT))
        case ast.Compare(left=left, comparators=[right]):
            return row(drawn(left), "<mo>=</mo>", drawn(right))
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            sign = "+" if isinstance(op, ast.Add) else "−"
            return row(held(left, SUM), f"<mo>{sign}</mo>", held(right, PRODUCT))
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            apart = "<mspace width='0.25em'/>" if isinstance(right, ast.Name) and right.id in TERMS else ""
            return row(held(left, PRODUCT), apart or "<mo>⋅</mo>", held(right, SIGN))
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return f"<mfrac>{drawn(left)}{drawn(right)}</mfrac>"
        case ast.BinOp(left=left, op=ast.FloorDiv(), right=right):
            return row("<mo>⌊</mo>", f"<mfrac>{drawn(left)}{drawn(right)}</mfrac>", "<mo>⌋</mo>")
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=0.5)):
            return f"<msqrt><mspace height='0.85em'/>{drawn(left)}</msqrt>"
        case ast.BinOp(left=ast.Call(func=ast.Name(id=name), args=args), op=ast.Pow(), right=right):  # cos²(x)
            return called(f"<msup><mi>{name}</mi>{drawn(right)}</msup>", args)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return f"<msup>{held(left, POWER + 1)}{drawn(right)}</msup>"
        case ast.Call(func=ast.Name(id="floor" | "ceil" as name), args=[inner]):
            opening, closing = BRACKETS[name].split("{}")
            return row(f"<mo>{opening}</mo>", drawn(inner), f"<mo>{closing}</mo>")
        case ast.Call(func=ast.Name(id=name), args=args):
            return called(f"<mi>{name}</mi>", args)
    raise ValueError(f"cannot be typeset: {ast.unparse(node)}")


def symbol(name: str) -> str:
    """A quantity, with its index and its mark."""
    letter, index = LETTER.get(name) or (written_symbol(name), "")
    if letter.startswith("["):
        return f"<mtext>{letter}</mtext>"
    base, *mark = unicodedata.normalize("NFD", letter)
    if mark and mark[0] in MARKS:
        letter = f"<mi>{base}</mi>"
        if mark[0] in HEIGHT:
            letter = f"<mpadded height='{HEIGHT[mark[0]]}'>{letter}</mpadded>"
        element = f"<mover accent='true'>{letter}{MARKS[mark[0]]}</mover>"
    else:
        element = f"<mi>{letter}</mi>"
    return f"<msub>{element}<mi>{index}</mi></msub>" if index else element


def held(node: ast.expr, least: int) -> str:
    """A piece, in parentheses where it holds together less than that. A fraction and a root need none."""
    kept = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and least < POWER
    if kept or written(node)[1] >= least:
        return drawn(node)
    return row("<mo>(</mo>", drawn(node), "<mo>)</mo>")


def called(function: str, args: Sequence[ast.expr]) -> str:
    parts = "<mo>,</mo>".join(drawn(arg) for arg in args)
    return row(function, "<mo>&#x2061;</mo><mo>(</mo>", parts, "<mo>)</mo>")


def row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"
