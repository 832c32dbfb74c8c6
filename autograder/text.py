"""Text that came out of the box, and names that strangers chose: made fit to be read anywhere.

Whatever of it goes to a terminal, a page, a table, a file or a log goes through `readable`, once where it comes in and
again in a grade record (record.py). What a format itself takes for a sign, such as < in HTML, is for its report to
escape.
"""

import re
import unicodedata
from typing import Any

from rich.cells import cell_len

INSTEAD = "?"
HAN = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")  # Chinese letters and stops
# What a line is not broken within: one of these or a word, with the brackets before it and the stops after it.
PIECE = re.compile(
    r"[（“《]*(?:[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]|[^\s\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]+)"
    r"[，。；：？、）”》]*\s*|\s+"
)
# What nobody sees although Unicode calls it a letter, a mark or a symbol: fillers, joiners, variation selectors.
UNSEEN = {0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0}
UNSEEN |= {*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}


class Characters(dict[int, str]):
    """For str.translate: what stands for each character. Seldom ones are looked up each time: there are a million."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if unicodedata.category(character) == "Zs":
            return " "
        return character if character.isprintable() and code not in UNSEEN else INSTEAD


ONE_LINE = Characters()
ONE_LINE.update({code: ONE_LINE[code] for code in range(0x500)})
LINES = Characters(ONE_LINE | {ord(character): character for character in "\n\t"})


def readable(text: str, limit: int | None = 100, lines: bool = False) -> str:
    """The text without anything that acts on a terminal, hides or reorders what stands beside it, or cannot be encoded:
    control characters and escape sequences, marks of direction, what has no width, separators of lines and paragraphs,
    halves of surrogate pairs. A "?" stands for each.

    limit  characters that are kept, or None for all
    lines  whether line breaks and tabs may stay
    """
    if lines:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not (text.isascii() and text.isprintable()):
        text = text.translate(LINES if lines else ONE_LINE)
    return text if limit is None or len(text) <= limit else f"{text[:limit]}..."


def is_wide(text: str) -> bool:
    """Whether any of its letters takes two columns, as Chinese ones do."""
    return bool(HAN.search(text))


def wrapped(text: str, width: int) -> list[str]:
    """The lines of a text that has wide letters and no line breaks, each of at most so many columns as far as possible.
    A line may end at a space and beside any wide letter, but none begins with a stop."""
    lines, line = [], ""
    for piece in PIECE.findall(text):
        if line and cell_len(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece
    return [*lines, line.rstrip()]


def all_readable(value: Any) -> Any:
    """The same for every text in plain data, as facts for staff are."""
    if isinstance(value, str):
        return readable(value, limit=None, lines=True)
    if isinstance(value, dict):
        return {all_readable(key): all_readable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [all_readable(item) for item in value]
    return value
