"""A student's notebook, read whatever program saved it, in the room of intake/parsing.py. What cannot be read has a
reason, and waits for a person."""

import codecs
import re

import nbformat

MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
MERGE = re.compile(r"(?m)^(<{7}|={7}|>{7})( |$)")


class Unreadable(ValueError):
    """The notebook cannot be marked as it is, for this reason."""


def check(raw: bytes) -> None:
    """Raise Unreadable, or whatever nbformat does, for bytes that are no notebook."""
    read_notebook(raw)


def read_notebook(raw: bytes) -> nbformat.NotebookNode:
    """The notebook in these bytes, as version 4. Raises Unreadable, and whatever nbformat does."""
    try:
        text = decoded(raw)
    except UnicodeDecodeError:
        raise Unreadable("report.ipynb cannot be read as a notebook: it is no text in UTF-8 or UTF-16") from None
    try:
        return nbformat.reads(text, 4)
    except Exception:  # students find ways to break a notebook that no list of exceptions foresees
        if MERGE.search(text):
            raise Unreadable("report.ipynb holds merge markers of git (<<<<<<<), and is no notebook so") from None
        raise


def decoded(raw: bytes) -> str:
    for mark, encoding in MARKS.items():
        if raw.startswith(mark):
            return raw.decode(encoding)
    if b"\0" in raw[:2]:
        return raw.decode("utf-16-be" if raw[0] == 0 else "utf-16-le")
    return raw.decode("utf-8")
