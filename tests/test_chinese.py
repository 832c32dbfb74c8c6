"""The Chinese texts against the English ones, in every course: what can be compared without reading either language.

Section by section and block by block, both hold the same formulas, numbers, code, links, pictures and fields to fill
in. Where the English has moved on, the failure names the file, the section and what is missing there.
"""

import ast
import json
import re
from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from urllib.parse import unquote

import pytest
from courses import MORE, SETTINGS, course_of
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from autograder.instructor.authoring import skeleton
from autograder.instructor.authoring.course import EDITIONS, NOTEBOOK, Course
from autograder.instructor.authoring.handout_page import joined, render
from autograder.instructor.authoring.prose import is_prose, translated
from autograder.intake.handin import STUBS
from autograder.paths import PUBLIC, ROOT

FILES = ("handout.md", "background.md", "STUDENTS.md", "AGENTS.md")
PARSER = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, allow_space=False)
NUMBER = re.compile(r"(\d+(?:,\d{3})*(?:\.\d+)*(?:e-?\d+)?)(?: (thousand|万))?")
HAN = r"[\u4e00-\u9fff]"


def chinese(name):
    return name.replace(".md", ".zh.md")


def texts(course):
    """All of them as a course has them, by name."""
    found = {}
    for edition in (course.edition("en"), course.edition("zh")):
        for name in map(edition.named, FILES):
            text = (ROOT / name).read_text(encoding="utf-8")
            handout = name.startswith("handout")
            found[name] = edition.handout(text, PUBLIC.read_bytes()) if handout else edition.text(text, name)
    return found


TEXTS = texts(Course.whole())


@dataclass
class Section:
    title: str
    level: int
    blocks: list[tuple[str, dict]]  # (kind, {what: what there is of it in this block})

    @property
    def anchor(self) -> str:
        """As GitHub makes it of the title."""
        return re.sub(r"[^\w\- ]", "", self.title.lower()).replace(" ", "-")

    @property
    def key(self) -> str:
        """Equal for a section and its translation: its number; without one, all that is in it but links."""
        number = re.match(r"\d+(\.\d+)?\b", self.title)
        rest = [
            (kind, {what: value for what, value in facts.items() if what != "links"}) for kind, facts in self.blocks
        ]
        return f"{self.level} {number[0] if number else rest}"


@cache
def sections(text):
    """What stands before the first heading counts to it: nothing does in these texts."""
    found = []
    tokens = PARSER.parse(text)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "heading_open":
            found.append(Section("", int(token.tag[1]), []))
        elif token.type == "inline" and before.type == "heading_open":
            found[-1].title = token.content
            found[-1].blocks.append(("heading", inline(token)))
        elif token.type.endswith("_open"):
            found[-1].blocks.append((token.type.removesuffix("_open"), {}))
        elif token.type == "inline":
            found[-1].blocks.append(("text", inline(token)))
        elif token.type == "math_block":
            found[-1].blocks.append(("formula", {"formula": token.content}))
        elif token.type in ("fence", "code_block"):
            found[-1].blocks.append(("code", program(token)))
        elif token.type == "html_block":
            found[-1].blocks.append(("comment", {"comment": re.findall(r"<!-- ([A-Z]+)", token.content)}))
    return found


def inline(token):
    parts = token.children
    plain = "".join({"text": part.content, "softbreak": " "}.get(part.type, "\0") for part in parts)
    images = [part for part in parts if part.type == "image"]
    return {
        "formulas": [part.content for part in parts if part.type.startswith("math_inline")],
        "numbers": numbers(" ".join([plain, *(image.content for image in images)])),
        "code": sorted(part.content.replace(".zh.", ".") for part in parts if part.type == "code_inline"),
        "links": [unquote(part.attrs["href"]) for part in parts if part.type == "link_open"],
        "pictures": [image.attrs["src"] for image in images],
        "words made strong": sum(part.type in ("em_open", "strong_open") for part in parts),
        "brackets": len(re.findall(r"\[[^]]*\]", plain)),  # the instructor's fields among them
    }


def numbers(text):
    """Sorted, as Chinese has another order of words; 368 thousand is 36.8 wan."""
    scale = {"": 1, "thousand": 1_000, "万": 10_000}
    found = ((number.replace(",", ""), unit) for number, unit in NUMBER.findall(text))
    return sorted(str(round(float(number) * scale[unit])) if unit else number for number, unit in found)


def program(token):
    """Lines without what explains them: a comment, or all that stands behind two spaces. Each bundle has its name."""
    text = token.content.replace("homework-zh.zip", "homework.zip")
    lines = [re.split(r"(?<=\S) {2,}|#", line, maxsplit=1) for line in text.splitlines()]
    words = " ".join(line[1] for line in lines if len(line) == 2)
    return {"language": token.info, "lines": [line[0].rstrip() for line in lines], "numbers": numbers(words)}


def pairs(english, chinese):
    """([(section, its translation)], [titles without one], [titles that only the translation has])"""
    both, missing, added = [], [], []
    matcher = SequenceMatcher(None, [s.key for s in english], [s.key for s in chinese], autojunk=False)
    for _, a, b, c, d in matcher.get_opcodes():
        if b - a == d - c:
            both += zip(english[a:b], chinese[c:d], strict=True)
        else:
            missing += [section.title for section in english[a:b]]
            added += [section.title for section in chinese[c:d]]
    return both, missing, added


def anchors(texts):
    """{a link to a Chinese section: the link to the English one}"""
    found = {}
    for name in FILES:
        both, _, _ = pairs(sections(texts[name]), sections(texts[chinese(name)]))
        found |= {f"{chinese(name)}#{there.anchor}": f"{name}#{here.anchor}" for here, there in both}
    return found


def differences(texts, name):
    """One line for each thing that the English text `name` and its translation do not have alike."""
    both, missing, added = pairs(sections(texts[name]), sections(texts[chinese(name)]))
    lines = [f"{chinese(name)} lacks the section: {title}" for title in missing]
    lines += [f"{chinese(name)} has a section that {name} lacks: {title}" for title in added]
    known = anchors(texts)
    for here, there in both:
        where = f"{chinese(name)}, {there.title} ({here.title})"
        kinds = [[kind for kind, _ in section.blocks] for section in (here, there)]
        if kinds[0] != kinds[1]:
            more, fewer = (Counter(a) - Counter(b) for a, b in (kinds, kinds[::-1]))
            lines.append(f"{where}: lacks {dict(more)}, has {dict(fewer)} too many, or in another order")
            continue
        for index, ((kind, facts), (_, theirs)) in enumerate(zip(here.blocks, there.blocks, strict=True), 1):
            facts, theirs = {**facts}, {**theirs}
            if "links" in facts:
                facts["links"] = [link if link[0] != "#" else name + link for link in facts["links"]]
                theirs["links"] = [led(link, chinese(name), known) for link in theirs["links"]]
            lines += [
                f"{where}: {what} of {kind} {index}: {lag(value, theirs[what])}"
                for what, value in facts.items()
                if theirs[what] != value
            ]
    return lines


def lag(value, theirs):
    if not isinstance(value, list):
        return f"{theirs}, in English {value}"
    lacks, more = ([*(Counter(a) - Counter(b)).elements()] for a, b in ((value, theirs), (theirs, value)))
    return f"lacks {lacks}, has {more} too many" if lacks or more else f"in English in this order: {value}"


def led(link, name, known):
    """Where a link of the Chinese file `name` would lead in English."""
    return known.get(
        link if link[0] != "#" else name + link, link.replace(".zh.md", ".md") if "#" not in link else link
    )


# ----- the texts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("course", ["the whole", *SETTINGS, *MORE])
def test_both_say_the_same(course):
    made = TEXTS if course == "the whole" else texts(course_of(course))
    found = [line for name in FILES for line in differences(made, name)]
    assert not found, "\n".join(found)


def untidy(text):
    """Pieces where no space stands between Chinese and Latin, a stop is not of full width, a line is broken (which
    shows a space), or GitHub may show dollars.

    GitHub reads a formula only behind a space; a stop of full width may follow it.
    """
    text = re.sub(r"^\$\$\n.*\n\$\$$", "", text, flags=re.MULTILINE)
    text = re.sub(r"```.*?```|^    [^\n]*$", "", text, flags=re.MULTILINE | re.DOTALL)
    formulas = re.finditer(r"(^|.)\$[^$\n]+\$(.?)", text, re.MULTILINE)
    found = [match[0] for match in formulas if match[1] not in ("", " ") or match[2] not in " ，。；：、？）"]
    text = re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`\n]*`|\$[^$\n]*\$", "\0", text)).replace("*", "")
    lines = re.sub(r"^(?:[|>#<-]|\d\.).*", "", text, flags=re.MULTILINE)  # but these, which are lines of their own
    found += re.findall(r".{0,12}\S\n(?=\S).{0,12}", lines)
    for wrong in (rf"{HAN}[A-Za-z0-9\0]", rf"[A-Za-z0-9\0%]{HAN}", rf"{HAN} ?[,;:?!.](?!\.\.)", rf"{HAN} {HAN}", "您"):
        found += re.findall(rf".{{0,12}}{wrong}.{{0,12}}", text)
    return found


@pytest.mark.parametrize("course", ["the whole", *SETTINGS, *MORE])
def test_as_chinese_is_set(course):
    made = TEXTS if course == "the whole" else texts(course_of(course))
    assert [piece for name in FILES for piece in untidy(made[chinese(name)])] == []


@pytest.mark.parametrize(
    "wrong",
    [
        "方差$x$ 大",
        "方差，$x$ 大",
        "方差 $x$大",
        "用CPU 算",
        "用 CPU算",
        "先算,再加",
        "请您看",
        "先 再",
        "先算，\n再加",
    ],
)
def test_what_is_not_set_so_is_seen(wrong):
    assert untidy(wrong)


# ----- report.zh.ipynb ------------------------------------------------------------------------------------------------


def notebooks(course):
    """Both as data, in English and in Chinese, as students get them."""
    return [json.loads(skeleton.notebook(course.edition(lang))) for lang in EDITIONS]


def prose(notebook):
    """What is to be read in it as one text, with a number for each cell."""
    cells = [cell for cell in notebook["cells"] if is_prose(cell)]
    return "\n\n".join(f"# {n}.0 {cell['id']}\n\n{''.join(cell['source'])}" for n, cell in enumerate(cells))


@pytest.mark.parametrize("course", ["the whole", *SETTINGS, *MORE])
def test_both_reports_are_the_same_but_for_their_prose(course):
    course = Course.whole() if course == "the whole" else course_of(course)
    if not course.on["report"]:
        return
    english, translated = notebooks(course)
    assert {**english, "cells": []} == {**translated, "cells": []}
    for here, there in zip(english["cells"], translated["cells"], strict=True):
        words = here["cell_type"] == "markdown"
        assert {**here, "source": words or here["source"]} == {**there, "source": words or there["source"]}
        assert not words or is_prose(here) or [here["source"], there["source"]] == [[s] for s in STUBS.values()]
    both = {"report.md": prose(english), "report.zh.md": prose(translated)}
    found = differences(TEXTS | both, "report.md")
    assert not found, "\n".join(found)
    assert untidy(both["report.zh.md"]) == []


@pytest.mark.parametrize("course", ["the whole", *SETTINGS, *MORE])
def test_both_docstrings_of_infer_say_the_same(course):
    """Beside one and the same program: the same commands, options in the same order, numbers and names."""
    course = Course.whole() if course == "the whole" else course_of(course)
    if not course.on["infer"]:
        return
    told = {}
    for lang in EDITIONS:
        tree = ast.parse(course.edition(lang).program("infer.py"))
        text = tree.body.pop(0).value.value
        words = Counter(re.findall(r"--[a-z-]+|[A-Za-z_]+[_.(]\w[\w.(]*|`\w+`|N x[\dx ]+", text))
        code = re.findall(r"^ {4}(?:python|parser|options| {16}\[).*", text, re.MULTILINE)
        options = re.findall(r"^    (--[a-z-]+|\d) {2,}", text, re.MULTILINE)
        told[lang] = ast.dump(tree), code, options, words, numbers(text)
    assert told["en"] == told["zh"]
    (docstring,) = re.findall(r'^"""(.*?)"""', course.edition("zh").program("infer.py"), re.DOTALL)
    assert untidy(re.sub("(?m)^ {4}.*", "", docstring).replace("\n", "\n\n")) == []


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("<!-- CELL toy -->\n", "", "toy"),
        ("<!-- CELL toy -->\n", "<!-- CELL toys -->\n", "toy, toys"),
        ("<!-- CELL bits -->\n", "<!-- CELL more -->\nMore.\n\n<!-- CELL bits -->\n", "order"),
    ],
)
def test_prose_for_other_cells_is_an_error(old, new, what):
    notebook, text = ((ROOT / "solution" / name).read_text(encoding="utf-8") for name in (NOTEBOOK, "report.zh.md"))
    assert len(json.loads(translated(notebook, text, "x"))["cells"]) == len(json.loads(notebook)["cells"])
    with pytest.raises(ValueError, match=what):
        translated(notebook, text.replace(old, new, 1), "x")


# ----- handout.zh.html ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page():
    return render(joined(course_of("all", lang="zh")), ROOT, "zh")


def test_the_committed_page_is_this_one(page):
    assert (ROOT / "handout.zh.html").read_text(encoding="utf-8") == page, "run `make handout` and commit the pages"


def test_every_formula_is_turned_and_every_link_leads_somewhere(page):
    english = (ROOT / "handout.html").read_text(encoding="utf-8")
    assert page.count("<math ") == english.count("<math ") > 300
    links = {unquote(link) for link in re.findall(r'href="(.*?)"', page)}
    anchors = {link[1:] for link in links if link.startswith("#")}
    assert anchors and anchors <= set(re.findall(r'id="(.*?)"', page))
    assert all(link.startswith(("#", "https://")) for link in links)


def test_a_full_width_stop_stays_at_its_formula_without_a_space(page):
    assert not re.search("[，。；：、（？）] | [（）]", page)
    loose = '(?<!"whole">)(?<!"whole">（)'
    assert not re.search(rf'{loose}<span class="math inline">(?:(?!</span>).)*</span>[，。：；、？）]', page)
    assert "（<span" in page and not re.search('(?<!"whole">)（<span class="math inline">', page)


# ----- that nothing slips through -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_a_missing_or_added_section_is_named(name):
    english, translated = sections(TEXTS[name]), sections(TEXTS[chinese(name)])
    for index, section in enumerate(english):
        without = [*translated[:index], *translated[index + 1 :]]
        assert pairs(english, without)[1:] == ([section.title], [])
        assert pairs(without, translated)[1:] == ([], [translated[index].title])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"\hat x_0 = \frac{x_t - ", r"\hat x_0 = \frac{x_t + "),
        (r"$-\hat\varepsilon / \sqrt{1 - \bar\alpha_t}$", r"$\hat\varepsilon / \sqrt{1 - \bar\alpha_t}$"),
        ("| `reverse.clip` | predict：带截断 | 3 |", "| `reverse.clip` | predict：带截断 | 4 |"),
        ("| `ddim.noise` | DDIM 一步自己抽的噪声 | 1 | 4.2 |\n", ""),
        ("放大到 157 倍", "放大到 175 倍"),
        ("36.8 万", "36.9 万"),
        ("### 5.3 试训练（不计分）\n", ""),
        ("figures/losses.png", "figures/noising.png"),
        ("](#约定)", "](#接口)"),
        ("](background.zh.md#推导)", "](background.zh.md#延伸阅读)"),
        ("eta=0.0, generator", "eta=1.0, generator"),
        ("--minutes 5", "--minutes 6"),
        ("[地点]。提问", "某处。提问"),
        ("<!-- INSTRUCTOR: 需要", "<!-- 需要"),
        ("干净图像，是这里最典型的错误", "干净图像，\n\n是这里最典型的错误"),
        ("也不要自己抽", "也不要**自己**抽"),
    ],
)
def test_a_change_is_seen(old, new):
    text = TEXTS["handout.zh.md"]
    assert text.count(old) >= 1
    assert differences(TEXTS | {"handout.zh.md": text.replace(old, new, 1)}, "handout.md")
