"""The language of what students read: English, or one that has a catalogue in locale/. `_` translates a text.

English is the key of every text, in gettext's format; CONTRIBUTING.md says how a text is added. A process has one
language: that of rubric.toml, unless `speak` sets another. What is recorded, hashed, compared or parsed stays in
English in any language: of a translated text, `english` gives it.
"""

from __future__ import annotations

import gettext
import re
import tomllib
from functools import cache, reduce
from typing import TYPE_CHECKING, Any

from .paths import LOCALE, RUBRIC

if TYPE_CHECKING:
    from collections.abc import Iterable

ENGLISH, DOMAIN = "en", "autograder"
PLACE = re.compile(r"\{[^{}]*\}")  # of a value
# Chinese has a space beside a Latin word, and none between letters of its own: where a value begins or ends with one.
HAN = "[\u2018-\u201d\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"
SEAM = re.compile(f"(?<={HAN})(?:\0 \0?| \0)(?={HAN})")


class Text(str):
    """A text in the language of this process, and the same in English."""

    __slots__ = ("english",)
    english: str

    def __new__(cls, text: str, in_english: str) -> Text:
        made = super().__new__(cls, text)
        made.english = in_english
        return made

    def __reduce__(self) -> tuple[type[Text], tuple[str, str]]:
        return Text, (str(self), self.english)


def english(value: Any) -> Any:
    """The English of a text; any other value as it is."""
    return value.english if isinstance(value, Text) else value


def languages() -> tuple[str, ...]:
    """English, and those that have a catalogue."""
    return ENGLISH, *sorted(path.parts[-3] for path in LOCALE.glob(f"*/LC_MESSAGES/{DOMAIN}.mo"))


class Speech:
    """What this process speaks."""

    language: str | None = None


def speak(language: str | None) -> None:
    """Translate into this language from now on: one of `languages()`, or None for that of the course."""
    Speech.language = language


def spoken() -> str:
    """The language of this process."""
    if Speech.language is None:
        rubric = tomllib.loads(RUBRIC.read_text(encoding="utf-8"))
        Speech.language = rubric["course"].get("language", ENGLISH)
    return Speech.language


@cache
def catalogue(language: str) -> gettext.GNUTranslations:
    return gettext.translation(DOMAIN, LOCALE, [language])


def _(text: str, /, **values: Any) -> str:
    """The text in the language of this process, with these values in the place of {their names}."""
    language = spoken()
    if language == ENGLISH:
        return text.format(**values) if values else text
    return translated(catalogue(language).gettext(text), text, values)


def translated(told: str, text: str, values: dict[str, Any]) -> Text:
    """What a translation and its English say of these values."""
    if not values:
        return Text(told, text)
    filled = PLACE.sub(r"\0\g<0>\0", told).format(**values)
    in_english = text.format(**{name: english(value) for name, value in values.items()})
    return Text(SEAM.sub("", filled).replace("\0", ""), in_english)


def N_(text: str) -> str:
    """Marks a text that `_` translates elsewhere."""
    return text


def joined(between: str, parts: Iterable[str]) -> str:
    """The parts with a text of this module between them."""
    parts = list(parts)
    if not isinstance(between, Text):
        return between.join(parts)
    return Text(between.join(parts), between.english.join(map(english, parts)))


def commas(names: Iterable[str]) -> str:
    """A, B, C."""
    return joined(_(", "), names)


def listed(names: Iterable[str]) -> str:
    """A, B and C."""
    *most, last = names
    return _("{some} and {last}", some=commas(most), last=last) if most else last


def together(names: Iterable[str]) -> str:
    """A and B and C."""
    return joined(_(" and "), names)


def chained(sentences: Iterable[str]) -> str:
    """Parts of a sentence, one after another."""
    return reduce(lambda one, other: _("{one}, {other}", one=one, other=other), sentences)
