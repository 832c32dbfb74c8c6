"""A sentence of the student's own report: where its number comes from, or what stands behind it."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from markupsafe import Markup

from ....intake import parsing
from ....paths import ASSIGNMENT
from ....text import readable
from ...authoring.handout_page import mathml
from ...gradebook.guide import guide
from .. import notebook
from ..question import Question, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..desk import Desk

TITLE = "Your report"
REPORT = "report.ipynb"
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n")
NUMBER = re.compile(r"(?<![\w.,])\d+[.,]\d+(?!\w)(?!\.\d)")
SECTION = {"warmup": "7.1", "schedules_answer": "7.1", "training_answer": "7.1", "steps_answer": "7.2",
           "prediction_answer": "7.2", "bits_answer": "7.3", "distortion_answer": "7.3"}  # fmt: skip
FEWEST = 20  # characters of a sentence that says something
LIMITS = {"seconds": 20, "memory_mb": 2048}  # as filling the gradebook has them


def asked(desk: Desk) -> Iterator[Question]:
    """Questions about what was written, in the order of the draw; those about a number first."""
    if REPORT not in desk.lab.files or not (ASSIGNMENT / REPORT).exists():
        return
    handed_out = (ASSIGNMENT / REPORT).read_text(encoding="utf-8")
    try:
        written, lines = parsing.parse(notebook.__name__, "answers", desk.lab.files[REPORT], handed_out, **LIMITS)
    except parsing.Unparsable:
        return
    draw, order = desk.draw(TITLE), list(written)
    draw.shuffle(order)
    without = []
    for id in order:
        number, text = written[id]
        sentences = [one.strip() for one in SENTENCE_END.split(text) if len(one.strip()) >= FEWEST]
        with_number = [one for one in sentences if NUMBER.search(one)]
        if with_number:
            yield about_a_number(id, number, draw.choice(with_number), lines)
        elif sentences:
            without.append(about_words(id, number, draw.choice(sentences)))
    yield from without


def about_a_number(id: str, question: str, sentence: str, lines: list[str]) -> Question:
    number = NUMBER.findall(sentence)[0]
    ask = [
        f"In your answer to question {question} you write: “{shown(sentence)}”",
        f"Where does {number} come from: which cell, how many samples? How much would it move with other noise?",
    ]
    holding = [line.strip() for line in lines if re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", line)]
    if holding:
        told = [
            f"{number} stands in the outputs of this notebook: " + "; ".join(f"“{shown(line)}”" for line in holding[:3])
        ]
    else:
        told = [f"No text that a cell of this notebook put out holds {number}. It may be read off a plot, come from "
                "`make study`, or from somewhere else."]  # fmt: skip
    return Question(TITLE, ask, [*told, sample_answer(id)], SECTION.get(id, "7"))


def about_words(id: str, question: str, sentence: str) -> Question:
    ask = [
        f"In your answer to question {question} you write: “{shown(sentence)}”",
        "Say it again in other words: what did you see that made you write it, and what would have been a surprise?",
    ]
    return Question(TITLE, ask, [sample_answer(id)], SECTION.get(id, "7"))


def sample_answer(id: str) -> Markup:
    """The sample answer of the marking guide, with its formulas."""
    text = guide()[id].partition("**Marking guide.**")[0].replace("**A sample answer.**", "").strip()
    pieces = re.split(r"\$([^$]+)\$", readable(text, limit=None).replace("*", ""))
    drawn = [
        mathml(piece, display=False) if n % 2 else html.escape(piece.replace("`", "")) for n, piece in enumerate(pieces)
    ]
    return Markup("<b>From the marking guide, a sample answer:</b> " + "".join(drawn))
