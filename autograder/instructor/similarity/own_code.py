"""What stands in a Python file, function by function, as the engine writes it: names become V, comments and spaces are
gone. Runs in the room of intake/parsing.py, where the files of students are read."""

from __future__ import annotations

import ast
import copy
import re
from typing import TYPE_CHECKING

from copydetect.utils import filter_code

from ..handins.notebooks import read_notebook

if TYPE_CHECKING:
    from collections.abc import Iterator

Statement = tuple[str, int, int]  # as the engine writes it, its first line, its last
Function = tuple[str, list[Statement]]  # its name, "" outside of all; what stands in it
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
BEGINS = re.compile(r"^[ \t\f]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)")
APART = ";"
LINE_ENDS = re.compile(r"\r\n|\r|\n")  # what Python takes for one, and no other
MAGIC = re.compile(r"^[ \t]*[%!].*$", re.MULTILINE)


def functions(text: str) -> tuple[list[Function], str]:
    """(the functions of a file, why it is no Python or ""). A class and the file itself count as functions, without
    those that are defined in them. What is no Python is taken line by line."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        found, broken = by_lines(text), f"line {error.lineno}: {error.msg}"
    except ValueError as error:  # of null bytes
        found, broken = by_lines(text), str(error)
    else:
        found, broken = [], ""
        collect(tree, "", [], found)
    written = iter(as_engine([statement for _, own in found for statement, *_ in own]))
    return [(name, [(next(written), first, last) for _, first, last in own]) for name, own in found], broken


def as_engine(statements: list[str]) -> list[str]:
    """Each as the engine writes it, which is slow to start: so all at once, if no semicolon of theirs is left."""
    written = filter_code(f"{APART}\n".join(statements), "", "python")[0].split(APART)
    if len(written) == len(statements):
        return written
    return [filter_code(statement, "", "python")[0] for statement in statements]


def collect(node: ast.AST, name: str, own: list[Statement], found: list[Function]) -> None:
    """Append a function with its statements as Python writes them, after those that are defined in it.

    own  what it begins with
    """
    for statement in statements(node):
        written = ast.unparse(head(statement)), *lines(statement)
        if isinstance(statement, DEFINITIONS):
            collect(statement, f"{name}.{statement.name}".lstrip("."), [written], found)
        else:
            own.append(written)
    found.append((name, own))


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """What stands in a block, and in the blocks in it but for those of definitions; no docstrings."""
    for block in BLOCKS:
        for statement in getattr(node, block, []):
            if not docstring(statement):
                yield statement
            if not isinstance(statement, DEFINITIONS):
                yield from statements(statement)


def docstring(statement: ast.AST) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False


def head(statement: ast.AST) -> ast.AST:
    """A statement without the blocks in it."""
    bare = copy.copy(statement)
    for block in blocks(statement):
        setattr(bare, block, [])
    return bare


def blocks(statement: ast.AST) -> list[str]:
    return [block for block in BLOCKS if isinstance(getattr(statement, block, None), list)]


def lines(statement: ast.AST) -> tuple[int, int]:
    """The first and the last line of a statement, without the blocks in it."""
    first, last = place(statement)
    inside = [place(part)[0] for block in blocks(statement) for part in getattr(statement, block)]
    return (first, max(first, min(inside) - 1)) if inside else (first, last)


def place(node: ast.AST) -> tuple[int, int]:
    node = getattr(node, "pattern", node)  # a case has no line of its own
    # pyrefly: ignore[missing-attribute]  # all statements have lines
    first, last = node.lineno, node.end_lineno
    return min([first, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))]), last


def by_lines(text: str) -> list[Function]:
    found: list[Function] = [("", [])]
    for number, line in enumerate(LINE_ENDS.split(text), 1):
        if begins := BEGINS.match(line):
            found.append((begins[1], []))
        found[-1][1].append((line, number, number))
    return found


def given(text: str) -> list[str]:
    """What of a skeleton may stand in anybody's file, as the engine writes it: its statements, its single lines, and
    the code in its docstrings that is there to be copied."""
    quoted = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    several = [text, *(words for words in quoted if isinstance(words, str))]
    found = [statement for _, own in functions(text)[0] for statement, *_ in own]
    return found + as_engine([line.strip() for words in several for line in words.splitlines()])


def in_notebook(text: str) -> tuple[list[Function], str]:
    """The same of the code in a notebook, without what only notebooks understand (%matplotlib inline, !pip)."""
    cells = read_notebook(text.encode()).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    return functions(MAGIC.sub("", code))
