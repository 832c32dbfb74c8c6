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
    gpu_tolerance: float | None = None  # of what is measured on a GPU, where it can be

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
    def load(cls, path=RUBRIC):
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        checks = {id: Entry(id, **fields) for id, fields in data["checks"].items()}
        return cls(data["limits"], data["box"], data["parts"], checks, data["gradescope"], data["late"])
