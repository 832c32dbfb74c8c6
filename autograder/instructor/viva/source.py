"""Places in a student's scheduler.py that can be asked about: variables, and changes of one formula.

Runs in the room of intake/parsing.py, where the files of students are read; so it takes and returns plain data.
"""

from __future__ import annotations

import ast
import itertools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

METHODS = ("add_noise", "get_velocity", "predict", "posterior", "step")  # whose variables can be looked at
ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant)
# A variable: class, method, first line of the statement, its last, name. A change: kind, function, first line of the
# statement, its last, what goes and what comes in its place, the whole lines then.
Variable = tuple[str, str, int, int, str]
Change = tuple[str, str, int, int, str, str, list[str]]


def places(text: str, given: Sequence[str]) -> tuple[list[Variable], list[Change]]:
    """(variables, changes) of a file. Raises SyntaxError.

    text   with \\n at the end of each line
    given  lines of the skeleton, without spaces around them: nobody is asked about these
    """
    tree, lines = ast.parse(text), text.split("\n")
    own = [not line.strip() or line.strip() not in given for line in lines]
    return list(variables(tree, lines, own)), list(changes(tree, text.encode(), lines, own))


def variables(tree: ast.Module, lines: Sequence[str], own: Sequence[bool]) -> Iterator[Variable]:
    """Those that a statement of a method's own block, on lines of its own, gives a value."""
    for kind in [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]:
        for method in kind.body:
            if not isinstance(method, ast.FunctionDef) or method.name not in METHODS:
                continue
            for statement in method.body:
                if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and alone(statement, lines):
                    target = statement.targets[0]
                    several = target.elts if isinstance(target, ast.Tuple) else [target]
                    for name in several:
                        if isinstance(name, ast.Name) and name.id != "_" and own[statement.lineno - 1]:
                            yield kind.name, method.name, statement.lineno, last(statement), name.id


def alone(statement: ast.stmt, lines: Sequence[str]) -> bool:
    """Whether no other statement is on its lines."""
    before = lines[statement.lineno - 1].encode()[: statement.col_offset]
    after = lines[last(statement) - 1].encode()[statement.end_col_offset :]
    return not before.strip() and not after.partition(b"#")[0].strip()


def last(node: ast.stmt | ast.expr) -> int:
    return node.end_lineno or node.lineno


# ----- changes --------------------------------------------------------------------------------------------------------


def changes(tree: ast.Module, raw: bytes, lines: Sequence[str], own: Sequence[bool]) -> Iterator[Change]:
    starts = list(itertools.accumulate((len(line.encode()) + 1 for line in lines), initial=0))

    def span(node: ast.AST) -> tuple[int, int]:
        """Where a piece begins and ends, in bytes."""
        # pyrefly: ignore[missing-attribute]  # what is replaced has a place
        return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset

    for name, function in functions(tree):
        for statement in simple(function):
            first, end = statement.lineno, last(statement)
            if not all(own[first - 1 : end]) or not alone(statement, lines):
                continue
            for node in pieces(statement):
                for kind, (start, stop), new in replaced(node, span, raw, together(function)):
                    several = (raw[:start] + new + raw[stop:]).decode().split("\n")
                    changed = several[first - 1 : end + len(several) - len(lines)]
                    old, now = raw[start:stop].decode(), new.decode()
                    if not trivial(kind, now, changed):
                        yield kind, name, first, end, old, now, changed
        if name.endswith("step"):
            for statement in function.body:
                match statement:
                    case ast.If(body=[ast.Return()], orelse=[]) if own[statement.lineno - 1]:
                        yield "gone", name, statement.lineno, last(statement), "", "", []


def trivial(kind: str, name: str, lines: Sequence[str]) -> bool:
    """Whether a variable stands beside itself then: nobody would write that."""
    return kind == "name" and bool(re.search(rf"\b{name}\b\)* ?[-/,] ?\(*{name}\b", " ".join(lines)))


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        if isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{each.name}", each) for each in node.body if isinstance(each, ast.FunctionDef))


def simple(function: ast.FunctionDef) -> Iterator[ast.stmt]:
    """The statements of a function that have no block of their own."""
    for node in ast.walk(function):
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.Return)):
            yield node


def pieces(node: ast.AST) -> Iterator[ast.AST]:
    """All that a statement is made of, but for what stands in f-strings, whose places Python does not know."""
    yield node
    for piece in ast.iter_child_nodes(node):
        if not isinstance(piece, ast.JoinedStr):
            yield from pieces(piece)


def together(function: ast.FunctionDef) -> dict[str, str]:
    """{name: another one that could be taken for it}: variables that one statement gives their values."""
    found: dict[str, str] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            names = [each.id for each in node.targets[0].elts if isinstance(each, ast.Name) and each.id != "_"]
            if len(names) == 2:
                found |= dict([names, names[::-1]])
    return found


def replaced(
    node: ast.AST, span: Callable[[ast.AST], tuple[int, int]], raw: bytes, others: dict[str, str]
) -> Iterator[tuple[str, tuple[int, int], bytes]]:
    """(kind of change, the bytes that go, what comes instead), of all that can be done to a piece of a formula."""

    def text(piece: ast.AST) -> bytes:
        (start, stop), (before, after) = span(piece), span(node)
        held = isinstance(piece, ATOMS) or raw[before - 1 : before] + raw[after : after + 1] == b"()"
        return raw[start:stop] if held else b"(" + raw[start:stop] + b")"

    match node:
        case ast.BinOp(left=inner, op=ast.Pow(), right=ast.Constant(value=0.5)):
            yield "root", span(node), text(inner)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="torch" | "math" | "np"), attr="sqrt"), args=[inner]):
            yield "root", span(node), text(inner)
        case ast.Call(func=ast.Attribute(value=inner, attr="sqrt"), args=[]):
            yield "root", span(node), text(inner)
        case ast.BinOp(left=inner, op=ast.Pow(), right=ast.Constant(value=2)):
            yield "square", span(node), text(inner)
        case ast.Call(func=ast.Attribute(value=inner, attr="square"), args=[]):
            yield "square", span(node), text(inner)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr="clamp" | "clip"), args=[inner, *_]):
            yield "clip", span(node), text(inner)
        case ast.Call(func=ast.Attribute(value=inner, attr="clamp" | "clip")):
            yield "clip", span(node), text(inner)
        case ast.Call(func=ast.Attribute(value=inner, attr="cumprod")) if not is_module(inner):
            yield "product", span(node), text(inner)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr="cumprod"), args=[inner, *_]):
            yield "product", span(node), text(inner)
        case ast.BinOp(left=ast.Constant(value=1), op=ast.Sub(), right=right):
            yield "one minus", span(node), text(right)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            start, stop = span(left)[1], span(right)[0]
            sign, other = (b"+", b"-") if isinstance(op, ast.Add) else (b"-", b"+")
            whole = not any(isinstance(each, ast.Constant) for each in (left, right))
            if whole and raw[start:stop].count(sign) == 1:
                yield "sign", (start, stop), raw[start:stop].replace(sign, other)
        case ast.Name(id=name, ctx=ast.Load()) if name in others:
            yield "name", span(node), others[name].encode()


def is_module(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("torch", "math", "np")
