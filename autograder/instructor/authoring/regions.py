"""Regions of a text that belong to a part of the homework: kept where the part is on, left out where it is off.

    ### IF ddim                          <!-- IF ddim -->These lines, or words, are there where DDIM is on.
    x = 1                                <!-- ELSE These are there where it is off. -->
    ### ELSE x = 2                       <!-- END IF -->
    ### END IF

The first form, on lines of its own, is for programs, settings and docstrings; the second, on lines of its own or within
one, for Markdown, which shows nothing of it. So a text with its regions is the whole homework, and runs. IF ddim infer
stands for both together, IF training|report for either. Regions may lie in each other. An ELSE may hold a value of the
course, such as {data}.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

WORD = r"(?P<{0}>IF|ELSE|END IF)\b"
LINE = rf"^(?P<indent>[ \t]*)### {WORD.format('word')} ?(?P<rest>[^\n]*)(?:\n|\Z)"
COMMENT = rf"(?P<alone>^)?<!--\s{WORD.format('word_')}\s?(?P<rest_>(?:(?!-->|<!--).)*?)\s?-->(?(alone)(?P<end>\n)?)"
MARKER = re.compile(f"{LINE}|{COMMENT}", re.MULTILINE | re.DOTALL)
LEFT = re.compile(r"^.*(?:#|<!--)\s*(?:IF|ELSE|END IF)\b.*$", re.MULTILINE)


def resolve(text: str, on: Mapping[str, bool], values: Mapping[str, object], name: str) -> str:
    """The text without markers, and without the regions of parts that are off.

    on      {part: whether it is on}; others are not known
    values  {name: what an ELSE shows for {name}}
    name    of the file, for messages
    Raises ValueError where markers are not well-formed.
    """
    kept, regions, at, word = [], [], 0, ""  # regions: whether each that is open is kept

    def fail(found: re.Match[str], why: str) -> ValueError:
        return ValueError(f"{name}, line {text.count(chr(10), 0, found.start()) + 1}: {why}: {found[0].strip()}")

    for found in MARKER.finditer(text):
        between, at = text[at : found.start()], found.end()
        kept.append(between if all(regions) else "")
        if word == "ELSE" and between.strip():
            raise fail(found, "ELSE comes last in its region")
        word, rest = found["word"] or found["word_"], found["rest"] or found["rest_"] or ""
        if word == "IF":
            names = rest.replace("|", " ").split()
            if not names or not set(names) <= on.keys():
                raise fail(found, f"one of {', '.join(sorted(on))} belongs after IF")
            regions.append(all(any(on[each] for each in one.split("|")) for one in rest.split()))
        elif not regions:
            raise fail(found, "nothing is open here")
        elif word == "END IF":
            regions.pop()
        elif all(regions[:-1]) and not regions[-1]:
            for key, value in values.items():
                rest = rest.replace(f"{{{key}}}", str(value))
            kept.append(f"{found['indent']}{rest}".rstrip() + "\n" if found["word"] else rest + (found["end"] or ""))
    kept.append(text[at:])
    if regions:
        raise ValueError(f"{name}: an IF has no END IF")
    made = re.sub(r"\n{4,}", "\n\n\n", "".join(kept))  # nowhere more than two empty lines, and none at the end
    if made.endswith("\n\n"):
        made = made.rstrip("\n") + "\n"
    if left := LEFT.search(made):
        raise ValueError(f"{name}: this looks like a marker: {left[0].strip()}")
    return made
