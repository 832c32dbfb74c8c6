"""Markdown as a page may show it, in formgrader and in feedback: nbconvert renders it, a sanitizer looks at what comes
out.

Students wrote it, graders read it and so do students again, so nothing in it may act: no script, no link but to the web
or to mail, nothing fetched from elsewhere, no frame that reaches beyond its cell.
"""

from __future__ import annotations

import re
import secrets
import signal
import time
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import nh3
from jinja2 import pass_context
from mistune import import_plugin
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.token import STANDARD_TYPES

from ..authoring.handout_page import mathml

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from typing import Any

    from jinja2.runtime import Context
    from nbformat import NotebookNode

PLUGINS = ("strikethrough", "table", "url", "def_list")  # nbconvert's, without check boxes: they stay [x]
TAGS = nh3.ALLOWED_TAGS - {"area", "map", "bdo", "bdi"}
ATTRIBUTES = {tag: set(names) for tag, names in nh3.ALLOWED_ATTRIBUTES.items() if tag in TAGS}
ATTRIBUTES |= {
    tag: ATTRIBUTES.get(tag, set()) | {"class"} for tag in ("div", "pre", "span")
}  # colours of code, our box
ATTRIBUTES |= {tag: ATTRIBUTES[tag] | {"style"} for tag in ("td", "th")}  # on which side a column stands
# Bootstrap, which formgrader loads, takes the space between cells away from every table that does not ask for it.
TABLE = '<table class="table table-condensed" style="width: auto"'
CLASSES = {*STANDARD_TYPES.values(), "highlight", "alert", "alert-warning"}
LINKS = ("http://", "https://", "mailto:")
PICTURES = ("data:image/png;base64,", "data:image/jpeg;base64,")
# What MathJax would obey. It reads the page when everybody else is done with it, and knows neither tags nor attributes.
OBEYED = re.compile(r"\\(?=(?:href|style|class|cssId|require|mmlToken|bbox)(?![A-Za-z]))")
# What a formula may be made of.
MATHML = {"math", "mrow", "mi", "mo", "mn", "mtext", "mspace", "msqrt", "mroot", "mfrac", "msub", "msup", "msubsup",
          "munder", "mover", "munderover", "mtable", "mtr", "mtd", "mpadded", "mstyle"}  # fmt: skip
ALLOWED = {"display", "stretchy", "form", "fence", "separator", "accent", "movablelimits", "mathvariant", "mathsize",
           "displaystyle", "scriptlevel", "linethickness", "columnalign", "columnspacing", "rowspacing", "height",
           "width", "depth", "lspace", "rspace", "minsize", "maxsize"}  # fmt: skip
OURS = "staff"  # in the metadata of a cell that no student wrote; none of theirs comes through `restoring`
SECONDS = 2  # of processor time that all cells of a notebook may take to be rendered
BEGINNING = 2_000  # characters of a cell that takes longer


class Renderer(IPythonRenderer):
    """nbconvert's, for what strangers write: a picture that is not there, or elsewhere, is a link, and diagrams stay
    text."""

    def image(self, text: str, url: str, title: str | None = None) -> str:
        there = url.removeprefix("attachment:") in self.attachments if url.startswith("attachment:") else False
        if there or url.startswith(PICTURES):
            return super().image(text, url, title)
        return self.link(text or url, url, title)

    def block_mermaidjs(self, code: str) -> str:
        return self.block_code(code)


class Drawn(Renderer):
    """The same for a page without scripts: formulas are MathML, which browsers draw by themselves. A word that nobody
    can guess stands for each while the rest is cleaned.

    formulas  {word: MathML}
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.formulas: dict[str, str] = {}

    def keep(self, formula: str, display: bool) -> str:
        word = f"formula{secrets.token_hex(16)}"
        self.formulas[word] = drawn(formula, display)
        return word

    def block_math(self, body: str) -> str:
        return self.keep(body, True)

    def inline_math(self, body: str) -> str:
        return self.keep(body, False)

    def latex_environment(self, name: str, body: str) -> str:
        return self.keep(rf"\begin{{{name}}}{body}\end{{{name}}}", True)


def drawn(formula: str, display: bool) -> str:
    """The MathML of a stranger's formula; as it was written where it cannot be drawn, or would do more than be seen."""
    try:
        if len(formula) > BEGINNING:
            raise ValueError("nobody reads that")
        made = mathml(formula.strip(), display)
        for element in ElementTree.fromstring(made).iter():
            if element.tag.rpartition("}")[2] not in MATHML or not ALLOWED.issuperset(element.attrib):
                raise ValueError(f"<{element.tag}> is not for formulas")
    except Exception:  # latex2mathml has many ways to give up
        return f"<code>{escape(formula)}</code>"
    return made


@pass_context
def markdown2html(context: Context, source: str) -> str:
    """nbconvert's filter of this name, in its place."""
    cell = context.get("cell", {})
    return html(source, cell.get("attachments"), cell.get("metadata", {}).get(OURS, False))


def html(
    source: str, attachments: dict[str, dict[str, str]] | None = None, ours: bool = False, draw: bool = False
) -> str:
    """Markdown as HTML that cannot act.

    attachments  {name: {type: base64}} of pictures
    ours         whether tags of HTML in it are tags; else they are text, so that of "t<T and s>0" nothing is lost
    draw         whether formulas are MathML; else they are left to MathJax
    """
    renderer = (Drawn if draw else Renderer)(escape=not ours, attachments=attachments, exclude_anchor_links=True)
    rendered = MarkdownWithMath(renderer, plugins=map(import_plugin, PLUGINS)).render(source)
    cleaned = nh3.clean(
        rendered,
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=attribute,
        url_schemes={"http", "https", "mailto", "data"},
        filter_style_properties={"text-align"},
    )
    cleaned = OBEYED.sub(r"\\ ", cleaned.replace("<table", TABLE))
    for word, formula in getattr(renderer, "formulas", {}).items():
        cleaned = cleaned.replace(word, formula)
    return cleaned


def attribute(tag: str, name: str, value: str) -> str | None:
    """The attribute's value, or None where it may not stand."""
    if name == "class":
        return value if CLASSES.issuperset(value.split()) else None
    if name == "src":
        return value if value.startswith(PICTURES) else None
    if name in ("href", "cite"):
        return value if value.lower().startswith(LINKS) else None
    return value


# ----- what takes too long -----


class TooLong(Exception):
    """Rendering takes too long."""


def affordable(cells: Iterable[NotebookNode]) -> None:
    """Change cells that take too long to be rendered into their beginning, as it was written; only in the main thread
    of a process of its own (parsing.py), which has an alarm to spare."""
    left = float(SECONDS)
    for cell in cells:
        started = time.process_time()
        try:
            with alarm(left):
                if cell.cell_type == "code":
                    Highlight2HTML(pygments_lexer="ipython3")(cell.source)
                else:
                    html(cell.source, cell.get("attachments"))
        except (TooLong, RecursionError):
            cell.source = beginning(cell.source, code=cell.cell_type == "code")
        left = max(left - (time.process_time() - started), 0.01)


def beginning(source: str, code: bool) -> str:
    text = source[:BEGINNING]
    if code:
        return f"# This takes too long to be shown. It begins:\n{text}"
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=2))
    return f"*This takes too long to be shown as it was written. It begins:*\n\n{fence}\n{text}\n{fence}"


@contextmanager
def alarm(seconds: float) -> Generator[None]:
    """Raise TooLong when that much processor time has passed, where there is such a clock."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
