"""Small wrong versions of the reference, made by machine: every mutation of mutmut's operators, one at a time.

mutmut's own runner tests Python with a test suite; here a mutant is a submission, graded like any other (trials.py).
So only its operators are used: functions from a node of the syntax tree to the nodes that may stand in its place.
"""

import ast
from dataclasses import dataclass

import libcst
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper
from mutmut.mutation.mutators import mutation_operators


@dataclass(frozen=True)
class Mutant:
    """One file with one change.

    file           of the submission
    where          the function, as Class.method; "" outside of all
    before, after  the line, or lines, that the change is in
    source         the whole file
    """

    file: str
    where: str
    before: str
    after: str
    source: str

    @property
    def name(self) -> str:
        """What it is called as long as its own line stays as it is, wherever that moves to. Two have one name where
        different lines of a function become the same."""
        return f"{self.file} {self.where}: {self.after}"


def mutants(file: str, source: str) -> list[Mutant]:
    """Every mutant of a Python file, in the order of its lines; no two are the same program, and each compiles."""
    spans = MetadataWrapper(libcst.parse_module(source), unsafe_skip_copy=True).resolve(ByteSpanPositionProvider)
    original = ast.parse(source)
    raw = source.encode()
    made: dict[str, tuple[int, Mutant] | None] = {ast.dump(original): None}
    for node, span in spans.items():
        start, end = span.start, span.start + span.length
        for kind, operator in mutation_operators:
            for changed in operator(node) if isinstance(node, kind) else ():
                mutated = b"".join([raw[:start], code(changed, within=node), raw[end:]])
                try:
                    tree = ast.parse(mutated)
                    compile(tree, file, "exec")
                except SyntaxError:
                    continue
                last = end + len(mutated) - len(raw)
                before, after = lines(raw, start, end), lines(mutated, start, last)
                mutant = Mutant(file, scope(original, raw[:start].count(b"\n") + 1), before, after, mutated.decode())
                made.setdefault(ast.dump(tree), (start, mutant))
    return [mutant for start, mutant in sorted(filter(None, made.values()), key=lambda found: found[0])]


def code(node: libcst.CSTNode, within: libcst.CSTNode) -> bytes:
    """The text of a node, without the parentheses and spaces around the one that it replaces."""
    if getattr(within, "lpar", None):
        node = node.with_changes(lpar=(), rpar=())
    return libcst.Module([]).code_for_node(node).strip().encode()


def lines(raw: bytes, start: int, end: int) -> str:
    """The whole lines from one place to another, on one line."""
    first, last = raw.rfind(b"\n", 0, start) + 1, raw.find(b"\n", end)
    return " ".join(raw[first : last if last >= 0 else None].decode().split())


def scope(tree: ast.Module, line: int) -> str:
    """The innermost function or class that a line is in, with those around it."""
    found = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    return ".".join(node.name for node in found if node.lineno <= line <= (node.end_lineno or node.lineno))
