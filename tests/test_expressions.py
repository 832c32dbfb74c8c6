"""No regular expression of ours that sees a student's text takes more time than in proportion to it."""

import ast
import re
import string

import pytest

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
import re, time
found = re.compile(pattern, flags)

def seconds(text):
    begun = time.process_time()
    all(True for _ in found.finditer(text)), found.match(text), found.fullmatch(text)
    return time.process_time() - begun

for piece in pieces:
    for frame in ("{}", "a{}", "{}!", "a_1_1_{}", "\\\\{}\\n"):
        short, long = (frame.format(piece * (each // len(piece))) for each in (size // GROWTH, size))
        if not isinstance(pattern, str):
            short, long = short.encode(), long.encode()
        if (took := seconds(long)) > NOTICED and took > GROWTH**1.5 * min(seconds(short) for _ in range(5)):
            raise ValueError(f"{long[:9]!r}: more than in proportion")
"""
SIZE = 16_000  # characters of the longer text
GROWTH = 16  # times as long as the shorter one; a quadratic expression takes 256 times as long over it
NOTICED = 0.05  # seconds below which it does not matter; a linear one takes about 0.001 over so many characters


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
@pytest.mark.parametrize(("where", "pattern", "flags"), FOUND, ids=[where for where, *_ in FOUND])
def test_its_time_is_in_proportion(where, pattern, flags):
    read(pattern, flags, MAX_NAME if where.startswith(NAMES) else SIZE, PIECES)


@pytest.mark.skipif(not parsing.FORKS, reason="needs limits")
@pytest.mark.parametrize("pattern", [r"!+(?=\[)", r"\n\n+\Z", r"\s+$"])
def test_this_shows_a_quadratic_one(pattern):
    with pytest.raises(parsing.Unparsable, match="more than in proportion"):
        read(pattern, 0, SIZE, ["!", "\n", " "])


def read(pattern, flags, size, pieces):
    """Refuses an expression that takes more than 64 times as long over a text that is 16 times as long."""
    names = {"pattern": pattern, "flags": flags, "pieces": pieces, "size": size}
    names |= {"GROWTH": GROWTH, "NOTICED": NOTICED}
    parsing.parse("builtins", "exec", READ, names, seconds=60)
