"""A calculator for the LaTeX of the handout, so that its formulas are tested as they are printed.

It knows what the handout uses: numbers, letters with accents and subscripts, fractions, roots, powers, norms of one
number, a few functions, and products without a sign. Anything else is a SyntaxError.
"""

import math
import re

NAME = (
    r"(?:\\(?:bar|hat|tilde) ?)?(?:\\(?:alpha|beta|varepsilon|mu|sigma|eta|omega|pi)|[a-zA-Z])"
    r"(?:_(?:\{[^}]*\}|\\mathrm\{\w+\}|\w))?"
)
TOKEN = re.compile(rf"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>{NAME})|(?P<command>\\[a-z]+[A-Z]?[a-z]*)|(?P<sign>.))")
ROUND = r"\mathrm{round}"
FUNCTIONS = {r"\cos": math.cos, r"\min": min, r"\round": round}
CLOSING = {"(": ")", "[": "]", "{": "}", r"\lVert": r"\rVert"}


def evaluate(text, values):
    """The number that a formula stands for, with {name: number or function} for its letters."""
    text = re.sub(r"\\(?:left|right|big)(?![a-z])", "", text.replace(ROUND, r"\round"))
    tokens = [(match.lastgroup, match[match.lastgroup]) for match in TOKEN.finditer(text.strip())]
    parser = Parser([*tokens, ("end", "")], values)
    number = parser.sum()
    if parser.kind != "end":
        raise SyntaxError(f"cannot read {parser.token!r} in {text}")
    return number


class Parser:
    """Reads from the front of a list of tokens; each method reads what it is named after, and returns its number."""

    def __init__(self, tokens, values):
        self.tokens, self.values = tokens, values

    @property
    def kind(self):
        return self.tokens[0][0]

    @property
    def token(self):
        return self.tokens[0][1]

    def take(self, expected=None):
        if expected not in (None, self.token):
            raise SyntaxError(f"expected {expected!r}, found {self.token!r}")
        return self.tokens.pop(0)[1]

    def sum(self):
        number = 0.0
        sign = self.take() if self.token == "-" else "+"
        while True:
            number += self.product() if sign == "+" else -self.product()
            if self.token not in ("+", "-"):
                return number
            sign = self.take()

    def product(self):
        number = self.power()
        while self.kind != "end" and self.token not in ("+", "-", ",", *CLOSING.values()):
            if self.token == "/":
                self.take()
                number /= self.power()
            else:
                if self.token == r"\cdot":
                    self.take()
                number *= self.power()
        return number

    def power(self):
        number = self.factor()
        return number ** self.exponent() if self.token == "^" else number

    def exponent(self):
        self.take("^")
        return self.factor()

    def factor(self):
        kind, token = self.kind, self.take()
        if kind == "number":
            return float(token)
        if kind == "name":
            value = math.pi if token == r"\pi" else self.values[token]
            return value(*self.arguments()) if callable(value) and self.token == "(" else value
        if token == r"\frac":
            above = self.within(self.take("{"))
            return above / self.within(self.take("{"))
        if token == r"\sqrt":
            return math.sqrt(self.within(self.take("{")))
        if token in FUNCTIONS:
            exponent = self.exponent() if self.token == "^" else 1
            return FUNCTIONS[token](*self.arguments()) ** exponent
        if token in CLOSING:
            return abs(self.within(token)) if token == r"\lVert" else self.within(token)
        raise SyntaxError(f"cannot read {token!r}")

    def within(self, opening):
        number = self.sum()
        self.take(CLOSING[opening])
        return number

    def arguments(self):
        self.take("(")
        numbers = [self.sum()]
        while self.token == ",":
            self.take()
            numbers.append(self.sum())
        self.take(")")
        return numbers
