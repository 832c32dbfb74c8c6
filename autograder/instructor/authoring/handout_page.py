"""handout.html: the handout and its background as one page that opens anywhere, without a network.

    make handout        # writes handout.html and handout.zh.html, which are committed: a release renders nothing

What is off in this course is left out, and tables and totals are those of the rubric (course.py).
Pictures stand inside the file, and formulas are turned into MathML here, which browsers draw by themselves. What this
tool cannot turn is an error, never a line of LaTeX on a student's screen. GitHub shows the same handout.md and
background.md; both read dollars as mathematics.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from mdit_py_plugins.anchors import anchors_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin

from ...files import write
from ...paths import PUBLIC, ROOT
from ...rubric import Rubric
from .course import EDITIONS, Course

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markdown_it.token import Token
    from markdown_it.utils import OptionsDict

PAGE = "handout.html"
STYLE = Path(__file__).with_suffix(".css")
FILES = ("handout.md", "background.md")
TAGS = {"en": "en", "zh": "zh-Hans"}  # what browsers know a language by
# Browsers no longer turn letters into script or double-struck ones by an attribute; Unicode has them as they are.
LETTERS: dict[tuple[str, ...], str] = {
    ("script", "N"): "\N{MATHEMATICAL SCRIPT CAPITAL N}",
    ("double-struck", "E"): "\N{MATHEMATICAL DOUBLE-STRUCK CAPITAL E}",
}
TOUCHES = {  # how latex2mathml writes some things, and what browsers draw better
    "<mo>&#x02016;</mo>": '<mo stretchy="false">&#x02016;</mo>',  # both bars of a norm alike
    '<mo stretchy="true">&#x000AF;</mo>': "<mo>&#x0203E;</mo>",  # a bar over alpha as wide as alpha
    # A bar over alpha that can be seen: larger, and with room below it.
    "<mi>&#x003B1;</mi><mo>&#x0203E;</mo>": (
        '<mpadded height="0.56em"><mi>&#x003B1;</mi></mpadded><mo mathsize="150%">&#x0203E;</mo>'
    ),
    "<msqrt>": '<msqrt><mspace height="0.85em"/>',  # room between what is under a root and the root's line
}


def mathml(formula: str, display: bool) -> str:
    """The MathML of one formula. Raises ValueError where a command or a letter is not known."""
    text = convert(formula, display="block" if display else "inline")
    text = re.sub(r'<mi mathvariant="(script|double-struck)">(.*?)</mi>', letter, text)
    text = re.sub(r'(?:<mi mathvariant="normal">\w</mi>){2,}', upright, text)
    for plain, better in TOUCHES.items():
        text = text.replace(plain, better)
    try:
        ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"no MathML for {formula}: {error}") from None
    if "\\" in text:
        raise ValueError(f"no MathML for {formula}: a command in it is not known")
    return text


def letter(match: re.Match[str]) -> str:
    """One letter of an alphabet that stands in Unicode."""
    if match.groups() not in LETTERS:
        raise ValueError(f"no letter {match[2]} in {match[1]}; add it to LETTERS")
    return f"<mi>{LETTERS[match.groups()]}</mi>"


def upright(match: re.Match[str]) -> str:
    r"""A word of \mathrm as one word: letter by letter it would be spaced like a product."""
    return f"<mi>{re.sub('<.*?>', '', match[0])}</mi>"


def joined(course: Course, files: Mapping[str, bytes] | None = None) -> str:
    """The text of the page: both files as the course has them, with the links between them as links within it.

    files  of the repository, by path; those on disk by default
    """
    return both(*texts(course, files).values())


def texts(course: Course, files: Mapping[str, bytes] | None = None) -> dict[str, str]:
    """Handout and background of a course, by name; `files` as in `joined`."""
    names = (*FILES, PUBLIC.relative_to(ROOT).as_posix())
    handout, background, recorded = (course.source(name, files) for name in names)
    return {
        "handout.md": course.handout(handout.decode(), recorded),
        "background.md": course.text(background.decode(), course.named("background.md")),
    }


def both(handout: str, background: str) -> str:
    text = f"{handout}\n{background.replace('# ', '## ', 1)}"
    return re.sub(r"\]\((?:handout|background)\.md(#[^)]*)\)", r"](\1)", text)


def style(lang: str) -> str:
    """The style of every edition, and what a language adds to it."""
    suffixes = dict.fromkeys(("", EDITIONS[lang]))
    return "".join(STYLE.with_suffix(f"{suffix}.css").read_text(encoding="utf-8") for suffix in suffixes)


def render(text: str, folder: Path, lang: str = "en") -> str:
    """The page of a Markdown text whose pictures lie under `folder`.

    ValueError for a formula that cannot be turned, OSError for a picture that is not there.
    """

    def math(formula: str, options: Mapping[str, bool]) -> str:
        return mathml(formula, options["display_mode"])

    def image(tokens: Sequence[Token], index: int, options: OptionsDict, env: Mapping[str, Any]) -> str:
        token = tokens[index]
        source = str(token.attrs["src"])
        content = base64.b64encode((folder / source).read_bytes()).decode()
        kind = "svg+xml" if source.endswith(".svg") else "png"
        return f'<img src="data:image/{kind};base64,{content}" alt="{escape(token.content)}">'

    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    markdown.use(anchors_plugin, max_level=3)
    markdown.use(dollarmath_plugin, allow_space=False, renderer=math)
    markdown.renderer.rules["image"] = image  # pyrefly: ignore[missing-attribute]
    body = markdown.render(text)
    body = set_tight(body)
    body = body.replace('<div class="math block">', '<div class="formula">')
    body = body.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")
    heading = re.search(r"^# (.*)$", text, re.MULTILINE)
    assert heading is not None
    title, tag = escape(heading[1]), TAGS[lang]
    return f"""<!doctype html>
<html lang="{tag}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="made-from" content="{sources(text, folder, lang)}">
<title>{title}</title><style>
{style(lang)}</style></head>
<body>
{body}</body></html>
"""


def set_tight(body: str) -> str:
    """Full-width stops bring their own space, the one beside them is for GitHub alone. At a formula none begins a line,
    and no opening one ends it."""
    body = re.sub(r"([，。：；、（？）](?:</strong>)?) | (?=[（）])", r"\1", body)
    formula = r'<span class="math inline">(?:(?!</span>).)*</span>'
    return re.sub(rf"(（{formula}[，。：；、？）]*|{formula}[，。：；、？）]+)", r'<span class="whole">\1</span>', body)


def sources(text: str, folder: Path, lang: str = "en") -> str:
    """SHA-256 of all that a page is made from, to see whether it is older than that."""
    shown = ((folder / picture).read_bytes() for picture in pictures(text))
    made_from = [text.encode(), style(lang).encode(), *shown]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in made_from)).hexdigest()


def pictures(text: str) -> list[str]:
    """The paths of the pictures that a Markdown text shows."""
    return re.findall(r"!\[[^]]*\]\((.*?)\)", text)


def write_all(course: Course) -> list[str]:
    """Make the page of each language what it is in this course. Returns their names."""
    names = []
    for edition in map(course.edition, EDITIONS):
        names.append(edition.named(PAGE))
        write(course.root / names[-1], render(joined(edition), course.root, edition.lang))
    return names


def main() -> None:
    for name in write_all(Course(Rubric.load())):
        print(name)


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(str(error))
