"""rubric.toml, read: points, titles, tolerances and limits. No other file knows a number of these."""

import tomllib
from dataclasses import dataclass

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
    def part(self):
        return self.id.split(".")[0]


@dataclass
class Rubric:
    limits: dict
    box: dict
    parts: dict
    checks: dict
    gradescope: dict
    late: dict

    @classmethod
    def load(cls, path=RUBRIC, smoke=False):
        """smoke  whether the smoke test is wanted, also where the rubric leaves it out of grades"""
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        checks = {id: Entry(id, **fields) for id, fields in data["checks"].items()}
        if not (smoke or data["smoke"]):
            checks = {id: entry for id, entry in checks.items() if entry.part != "smoke"}
        parts = {part: title for part, title in data["parts"].items() if part in {e.part for e in checks.values()}}
        return cls(data["limits"], data["box"], parts, checks, data["gradescope"], data["late"])
