"""rubric.toml, read: points, titles, tolerances and limits. No other file knows a number of these."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from .paths import RUBRIC


@dataclass
class Entry:
    """What the rubric says of one check."""

    id: str
    title: str
    points: float
    tolerance: float
    section: str

    @property
    def part(self) -> str:
        return self.id.split(".")[0]


@dataclass
class Rubric:
    limits: dict[str, Any]
    box: dict[str, str]
    parts: dict[str, str]
    checks: dict[str, Entry]
    gradescope: dict[str, str]
    late: dict[str, Any]

    @classmethod
    def load(cls, path: Path = RUBRIC, smoke: bool = False) -> Self:
        """smoke  whether the smoke test is wanted, also where the rubric leaves it out of grades"""
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        checks = {id: Entry(id, **fields) for id, fields in data["checks"].items()}
        if not (smoke or data["smoke"]):
            checks = {id: entry for id, entry in checks.items() if entry.part != "smoke"}
        parts = {part: title for part, title in data["parts"].items() if part in {e.part for e in checks.values()}}
        return cls(data["limits"], data["box"], parts, checks, data["gradescope"], data["late"])
