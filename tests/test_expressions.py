"""No regular expression of ours that sees a student's text takes more time than in proportion to it."""

import ast
import re
import string

import pytest
from slow import one_in

from autograder.intake import parsing
from autograder.intake.archives import MAX_NAME
from autograder.paths import PACKAGE

# What reads our own files only, or runs in the box, under its limits.
OWN = (
    "instructor/release/",
    "instructor/bench/",
    "instructor/validity/",
    "instructor/authoring/skeleton.py",
    "instructor/authoring/handout_page.py",
    "box/",
)
NAMES = ("instructor/handins/",)  # what sees names only, and archives.py lets no longer one through than MAX_NAME
PIECES = [*string.punctuation, *string.whitespace, "a", "1", "é", "\u0661", "a.", "a_", "_1", "1_", " (1)", "(1", "-1"]
PIECES += [
    "\\(",
    "\\a",
    "](",
    "![",
    "<a",
    "&a",
    "a@",
    ".a",
    ".tar.",
    "_LATE_",
    "anon_a",
    "``a",
    " at a.py line 1",
    "Error",
]
READ = """
found = re.compile(pattern, flags)
for piece in pieces:
    text = piece * (size // len(piece))
    for each in (text, f"a{text}", f"{text}!", f"a_1_1_{text}", f"\\\\{text}\\n"):
        each = each if isinstance(pattern, str) else each.encode()
        all(True for _ in found.finditer(each)), found.match(each), found.fullmatch(each)
"""


def expressions():
    """(where, pattern, flags) of every call of re with a pattern that stands in it."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if not name.startswith(OWN) else ():
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and ast.unparse(node.func.value) == "re"
            ):
                texts = [part.value for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant)]
                rest = [ast.unparse(part) for part in (*node.args[1:], *(key.value for key in node.keywords))]
                flags = sum(eval(part) for text in rest for part in re.findall(r"\bre\.[A-Z]+\b", text))
                if node.func.attr == "escape" or not texts:  # a name: its pattern is found where it is compiled
                    continue
                kind = bytes if isinstance(texts[0], bytes) else str
                yield f"{name}:{node.lineno}", kind().join(texts), int(flags)


FOUND = list(expressions())


def test_they_are_found():
    assert len(FOUND) > 15 and any(where.startswith("instructor/handins/") for where, *_ in FOUND)


@pytest.mark.skipif(not parsing.FORKS, reason="needs limits")
@pytest.mark.parametrize("size", [50_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("where", "pattern", "flags"), FOUND, ids=[where for where, *_ in FOUND])
def test_its_time_is_in_proportion(where, pattern, flags, size):
    """A quadratic one takes a million times as long over a megabyte as over a kilobyte: minutes, and not seconds."""
    size = MAX_NAME if where.startswith(NAMES) else size
    names = {"pattern": pattern, "flags": flags, "pieces": PIECES, "size": size}
    parsing.parse("builtins", "exec", f"import re{READ}", names, seconds=max(5, 15 * size // 100_000))


@pytest.mark.skipif(not parsing.FORKS, reason="needs limits")
@pytest.mark.parametrize("pattern", one_in(3, [r"!+(?=\[)", r"(?m)^\s*(?:\w+\.)*(\w*Error: .*)", r"\s+$"]))
def test_this_would_show_a_quadratic_one(pattern):
    names = {"pattern": pattern, "flags": 0, "pieces": ["!", "\n", " "], "size": 1_000_000}
    with pytest.raises(parsing.Unparsable, match="processor time"):
        parsing.parse("builtins", "exec", f"import re{READ}", names, seconds=2)
