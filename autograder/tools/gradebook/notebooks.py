"""A student's notebook, read whatever program saved it. What cannot be read has a reason, and waits for a person."""

import codecs
import re

import nbformat

from ... import parsing

MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
MERGE = re.compile(r"(?m)^(<{7}|={7}|>{7})( |$)")
HALF = re.compile("[\ud800-\udfff]")  # of a pair, which no file can be written with


class Unreadable(ValueError):
    """The notebook cannot be marked as it is, for this reason."""


def read(raw):
    """The bytes of a notebook as nbformat's, version 4. Raises Unreadable."""
    try:
        return nbformat.from_dict(parsing.parse(__name__, "parsed", raw))
    except parsing.Unparsable as why:
        told = str(why) if why.type == "Unreadable" else f"report.ipynb cannot be read as a notebook: {why}"
        raise Unreadable(told) from None


def parsed(raw):
    """The same as plain data. Runs in the room of parsing.py."""
    try:
        text = decoded(raw)
    except UnicodeDecodeError:
        raise Unreadable("report.ipynb cannot be read as a notebook: it is no text in UTF-8 or UTF-16") from None
    try:
        return whole(nbformat.reads(text, 4))
    except Exception:  # students find ways to break a notebook that no list of exceptions foresees
        if MERGE.search(text):
            raise Unreadable("report.ipynb holds merge markers of git (<<<<<<<), and is no notebook so") from None
        raise


def decoded(raw):
    for mark, encoding in MARKS.items():
        if raw.startswith(mark):
            return raw.decode(encoding)
    if b"\0" in raw[:2]:
        return raw.decode("utf-16-be" if raw[0] == 0 else "utf-16-le")
    return raw.decode("utf-8")


def whole(value):
    """The same with a replacement character for each half of a pair."""
    if isinstance(value, str):
        return HALF.sub("\ufffd", value)
    if isinstance(value, list):
        return [whole(each) for each in value]
    if isinstance(value, dict):
        return {whole(key): whole(each) for key, each in value.items()}
    return value
