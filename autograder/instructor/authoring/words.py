"""`python -m autograder.instructor.authoring.words`: what the grader says in other languages. The catalogues in
autograder/locale/ are brought up to date with the programs, and compiled.

The English texts are the keys. They are found in what `_` and `N_` of language.py are called with, in templates,
in mistakes.toml and in the titles of rubric.toml. A text that is new stands in each .po file without a translation, to
be written there; a text that is gone is taken out.
"""

from __future__ import annotations

import io
import sys
import tomllib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from ...files import write
from ...language import DOMAIN
from ...paths import LOCALE, MISTAKES, PACKAGE, ROOT, RUBRIC

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CALLS = {"_": None, "N_": None}
TOLD = ("did", "effect", "hint")  # of a mistake
NO_DATE = datetime(2026, 1, 1, tzinfo=UTC)  # git knows when
HEADER = r"""msgid ""
msgstr ""
"Language: {}\n"
"Plural-Forms: {}\n"
"Content-Type: text/plain; charset=utf-8\n"

"""


def sources() -> Iterator[tuple[Path, str]]:
    """(file, how its texts are found), in a fixed order."""
    yield from ((path, "python") for path in sorted(PACKAGE.rglob("*.py")))
    yield from ((path, "jinja2") for path in sorted(PACKAGE.rglob("*.j2")))
    yield RUBRIC, f"{__name__}:titles"
    yield MISTAKES, f"{__name__}:mistakes"


Extracted = tuple[int, str, str, list[str]]  # line, function, text, comments: what Babel expects of a method


def titles(file: BinaryIO, keywords: object, tags: object, options: object) -> Iterator[Extracted]:
    """The titles of parts and checks in rubric.toml."""
    data = tomllib.load(file)
    for table in (data["parts"], data["checks"]):
        yield from ((0, "", fields["title"], []) for fields in table.values())


def mistakes(file: BinaryIO, keywords: object, tags: object, options: object) -> Iterator[Extracted]:
    """What is told of the known mistakes in mistakes.toml."""
    for fields in tomllib.load(file).values():
        yield from ((0, "", fields[name], []) for name in TOLD)


def template() -> Catalog:
    """Every text, without translations."""
    made = Catalog()
    for path, method in sources():
        options = {"trimmed": "true", "silent": "false"} if method == "jinja2" else {}
        for line, text, comments, context in extract_from_file(method, path, CALLS, ("Translators:",), options):
            place = (path.relative_to(ROOT).as_posix(), line)
            made.add(text, locations=[place], auto_comments=comments, context=context)
    return made


def files() -> dict[str, Path]:
    """{language: its .po file}"""
    return {path.parts[-3]: path for path in sorted(LOCALE.glob(f"*/LC_MESSAGES/{DOMAIN}.po"))}


def up_to_date(path: Path, language: str, found: Catalog) -> Catalog:
    """What is to stand in a .po file: its translations of the texts that are found, and the rest without any."""
    with path.open("rb") as file:
        known = read_po(file, language)
    made = Catalog(language, project=DOMAIN, fuzzy=False, creation_date=NO_DATE, revision_date=NO_DATE)
    for message in found:
        if message.id:
            old = known.get(message.id, message.context)
            string = old.string if old and not old.fuzzy else None
            made.add(message.id, string, locations=message.locations, flags=message.flags - {"fuzzy"})
    return made


def as_po(catalogue: Catalog) -> bytes:
    buffer = io.BytesIO()
    write_po(buffer, catalogue, width=120, omit_header=True, sort_by_file=True, include_lineno=False)
    return HEADER.format(catalogue.locale, catalogue.plural_forms).encode() + buffer.getvalue()


def as_mo(catalogue: Catalog) -> bytes:
    buffer = io.BytesIO()
    write_mo(buffer, catalogue)
    return buffer.getvalue()


def untranslated(catalogue: Catalog) -> list[str]:
    """The English of what has no translation."""
    strings = {message.id: message.string for message in catalogue if message.id}
    return [str(id) for id, string in strings.items() if not (all(string) if isinstance(string, tuple) else string)]


def main() -> int:
    found, missing = template(), 0
    for language, path in files().items():
        catalogue = up_to_date(path, language, found)
        write(path, as_po(catalogue))
        write(path.with_suffix(".mo"), as_mo(catalogue))
        without = untranslated(catalogue)
        missing += len(without)
        print(f"{path.relative_to(ROOT)}: {len(catalogue)} texts, {len(without)} without a translation")
        for text in without[:10]:
            print(f"  {text}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
