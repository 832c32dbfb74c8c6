"""The language of what students read: English, or one that has a catalogue in locale/. `_` translates a text.

English is the key of every text, in gettext's format; CONTRIBUTING.md says how a text is added. A process has one
language: that of rubric.toml, unless `speak` sets another. What is recorded, hashed, compared or parsed stays in
English in any language: of a translated text, `english` gives it.
"""

from __future__ import annotations

import gettext
import tomllib
from functools import cache
from typing import Any

from .paths import LOCALE, RUBRIC

ENGLISH, DOMAIN = "en", "autograder"


class Text(str):
    """A text in the language of this process, and the same in English."""

    __slots__ = ("english",)
    english: str

    def __new__(cls, text: str, in_english: str) -> Text:
        made = super().__new__(cls, text)
        made.english = in_english
        return made

    def __getnewargs__(self) -> tuple[str, str]:
        return str(self), self.english

    def format(self, *args: Any, **named: Any) -> Text:
        values = [english(value) for value in args], {name: english(value) for name, value in named.items()}
        return Text(super().format(*args, **named), self.english.format(*values[0], **values[1]))


def english(value: Any) -> Any:
    """The English of a text; any other value as it is."""
    return value.english if isinstance(value, Text) else value


def languages() -> tuple[str, ...]:
    """English, and those that have a catalogue."""
    return ENGLISH, *sorted(path.parts[-3] for path in LOCALE.glob(f"*/LC_MESSAGES/{DOMAIN}.mo"))


class Speech:
    """What this process speaks."""

    language: str | None = None


def speak(language: str) -> None:
    """Translate into this language from now on: one of `languages()`."""
    Speech.language = language


def spoken() -> str:
    """The language of this process."""
    if Speech.language is None:
        course = tomllib.loads(RUBRIC.read_text(encoding="utf-8"))["course"]
        Speech.language = course.get("language", ENGLISH)
    return Speech.language


@cache
def catalogue(language: str) -> gettext.GNUTranslations:
    return gettext.translation(DOMAIN, LOCALE, [language])


def _(text: str) -> str:
    """The text in the language of this process."""
    language = spoken()
    if language == ENGLISH:
        return text
    return Text(catalogue(language).gettext(text), text)


def n_(one: str, several: str, number: int) -> str:
    """The form of a text that goes with a number."""
    language = spoken()
    told = one if number == 1 else several
    if language == ENGLISH:
        return told
    return Text(catalogue(language).ngettext(one, several, number), told)


def N_(text: str) -> str:
    """A text that is translated where it is used, with `_`."""
    return text
