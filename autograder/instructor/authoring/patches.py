"""Wrong versions of the reference, written as what to replace in it.

A patch is a TOML file in solution/mistakes/, named after its entry in autograder/mistakes.toml:

    file = "scheduler.py"                     # or "infer.py"; often left out
    loses = ["ddim.eta", "ddim.strided"]      # the checks that it must fail, and no others
    may_lose = []                             # but for these, where it comes close to the tolerance; often left out
    random = []                               # the checks where its answers differ from run to run; often left out

    [[replace]]
    old = "sigma = eta * variance.sqrt()"     # stands exactly once in that file of solution/, without its markers
    new = "sigma = (eta * variance).sqrt()"
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from ... import checks
from ...diagnosis import catalogue
from ...paths import ROOT
from .course import Course

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MISTAKES = ROOT / "solution" / "mistakes"


@dataclass
class Patch:
    id: str
    file: str  # the file of the submission that the mistake is in
    files: dict[str, bytes]  # the whole submission, by name
    loses: list[str]
    may_lose: list[str]
    random: list[str]

    @property
    def only(self) -> tuple[str, ...]:
        """The parts, and single checks, that it is graded on; training is left to tests of its own."""
        return checks.DECIDED[self.file]


def load(path: Path) -> Patch:
    """One patch, applied to the reference. Raises ValueError when the reference has moved away under it."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    file = data.get("file", "scheduler.py")
    files = dict(reference())
    files[file] = apply(files[file].decode(), data["replace"], path.name).encode()
    return Patch(path.stem, file, files, data["loses"], data.get("may_lose", []), data.get("random", []))


def reference(*without: str) -> dict[str, bytes]:
    """What the reference hands in, by name, with all parts but these: the caller's own, to be changed."""
    return dict(_reference(*without))


@cache
def _reference(*without: str) -> dict[str, bytes]:
    names, whole = ("scheduler.py", "infer.py"), Course.whole()
    whole.on |= dict.fromkeys(without, False)
    return {name: whole.text((ROOT / "solution" / name).read_text(encoding="utf-8"), name).encode() for name in names}


def load_all() -> list[Patch]:
    """Every patch, in the order of the catalogue."""
    order = list(catalogue())
    return sorted((load(path) for path in MISTAKES.glob("*.toml")), key=lambda patch: order.index(patch.id))


def apply(text: str, replacements: Iterable[Mapping[str, str]], name: str) -> str:
    for replacement in replacements:
        old, new = replacement["old"], replacement["new"]
        if text.count(old) != 1:
            raise ValueError(
                f"{name}: its `old` must stand exactly once in the reference, found {text.count(old)}: {old!r}"
            )
        text = text.replace(old, new)
    return text
