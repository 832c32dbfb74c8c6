"""The course that rubric.toml describes: every text of the kit without what is off. Nothing here writes a file; `make
course` (set_up.py) does."""

from __future__ import annotations

import json
import re
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Self

from ...paths import ROOT
from ...rubric import MNIST, Rubric
from . import handout_numbers
from .prose import PROSE, translated
from .regions import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any

NOTEBOOK = "report.ipynb"
EDITIONS = {"en": "", "zh": ".zh"}  # a language, and what texts in it have before .md, .ipynb and .html
NAMES = {MNIST: "MNIST", "fashion": "FashionMNIST"}  # torchvision's; of a folder of one's own its own
SECTIONS = {"1": "7.1", "2": "7.1", "3": "7.1", "4": "7.2", "5": "7.3", "6": "8"}  # of the report; of the handout
STEPS = 1000  # T, unless the course says otherwise
ENDS = 1e-4 * STEPS, 0.02 * STEPS  # of the linear betas, for T = 1: with more steps each is smaller
DOCSTRING = re.compile(r'\A""".*?"""', re.DOTALL)
LANGUAGE = re.compile(r'^language = "\w*"', re.MULTILINE)
PART = re.compile(r"^\[parts\.(\w+)\]\n(?:(?!\[).*\n)*", re.MULTILINE)
CHECK = re.compile(r'^"(\w+\.\w+)" = .*\n', re.MULTILINE)
MISTAKE = re.compile(r"^\[(\w+)\]\n(?:(?!\[).*\n)*", re.MULTILINE)
FORM = re.compile(r'^form\."(\w+\.\w+)".*\n', re.MULTILINE)
NUMERALS = {
    "en": ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    "zh": tuple("零一二三四五六七八九十"),
}


class Course:
    """What a rubric makes of the texts of the kit.

    root  of the repository, where solution/ lies
    lang  in which students read them, of EDITIONS; by default that of the rubric
    on    {part: whether it is on}; also "mnist", and "T1000" for the usual number of timesteps
    """

    def __init__(self, rubric: Rubric, root: Path = ROOT, lang: str | None = None) -> None:
        self.rubric, self.root, self.lang = rubric, root, lang or rubric.course["language"]
        self.on = {part: rubric.on(part) for part in rubric.counts if part != "smoke"}
        self.on |= {MNIST: rubric.on(MNIST), "T1000": rubric.course["num_train_timesteps"] == STEPS}

    @classmethod
    def whole(cls, root: Path = ROOT) -> Self:
        """The kit itself, with all of its parts: what proofs look for and what patches are about."""
        course = cls(Rubric.load(whole=True), root, "en")
        course.on = dict.fromkeys(course.on, True)
        return course

    def edition(self, lang: str) -> Self:
        """The same course in a language."""
        other = type(self)(self.rubric, self.root, lang)
        other.on = self.on
        return other

    def asks(self, names: str) -> bool:
        """Whether all of these are on, as after IF."""
        return all(any(self.on[each] for each in one.split("|")) for one in names.split())

    def named(self, name: str) -> str:
        """Where a text stands in the language of the course: X.zh.Y takes the place of X.Y."""
        path = PurePosixPath(name)
        return str(path.with_suffix(EDITIONS[self.lang] + path.suffix))

    def source(self, name: str, files: Mapping[str, bytes] | None = None) -> bytes:
        """A text of the repository in the language of the course, or the only one that there is of it. What it calls
        X.zh.Y is X.Y to students, who have one language.

        files  of the repository, by path; those on disk by default
        """
        own, suffix = self.named(name), EDITIONS[self.lang]
        there = own in files if files is not None else (self.root / own).exists()
        chosen = own if there else name
        data = files[chosen] if files is not None else (self.root / chosen).read_bytes()
        return data.replace(f"{suffix}.".encode(), b".") if suffix and there else data

    def text(self, text: str, name: str) -> str:
        """A text of the kit, called `name`, as this course has it. Raises ValueError where its markers are wrong."""
        return resolve(text, self.on, self.values, name)

    def notebook(self, text: str, name: str = NOTEBOOK) -> str:
        """The same of a notebook; a cell of which nothing is left is left out."""
        return json.dumps(cells_of(text, lambda source: self.text(source, name)))

    def program(self, name: str) -> str:
        """A program of solution/ as this course has it. Where there is an infer.zh.txt, it is the docstring of infer.py
        in Chinese."""
        path = self.root / "solution" / name
        text, told = path.read_text(encoding="utf-8"), path.with_suffix(f"{EDITIONS[self.lang]}.txt")
        if told.exists():
            text = DOCSTRING.sub(lambda _: f'"""{told.read_text(encoding="utf-8")}"""', text)
        return self.text(text, name)

    @property
    def study(self) -> str:
        """The notebook of solution/ as this course has it, in its language."""
        text = (self.root / "solution" / NOTEBOOK).read_text(encoding="utf-8")
        if EDITIONS[self.lang]:
            name = self.named(f"solution/{PROSE}")
            text = translated(text, (self.root / name).read_text(encoding="utf-8"), name)
        return self.notebook(text)

    def handout(self, text: str, recorded: bytes) -> str:
        """The handout, with tables, totals and numbers of public cases of this course.

        recorded  the bytes of the recorded public cases
        """
        cases = handout_numbers.public_cases(recorded, self.rubric)
        text = self.text(text, self.named("handout.md"))
        return handout_numbers.fill(text, self.rubric, self.report, cases, self.lang)

    def settings(self, text: str) -> str:
        """rubric.toml with the parts and checks that are on, and the language."""
        ids = asked(text)
        parts = {id.split(".")[0] for id in ids} | {part for part, on in self.on.items() if on}
        text = PART.sub(lambda found: found[0] if found[1] in parts else "", text)
        text = CHECK.sub(lambda found: found[0] if found[1] in ids else "", text)
        return LANGUAGE.sub(f'language = "{self.lang}"', text)

    # ----- the report ---------------------------------------------------------------------------------------------

    @cached_property
    def questions(self) -> list[tuple[str, float]]:
        """(section of the handout, points) of each question of the report, as it stands in solution/."""
        text = (self.root / "solution" / NOTEBOOK).read_text(encoding="utf-8")
        found, section = [], ""
        for cell in cells_of(text, lambda source: resolve(source, self.on, {}, NOTEBOOK))["cells"]:
            source, grade = "".join(cell["source"]), cell["metadata"].get("nbgrader", {})
            if source.startswith("## "):
                section = SECTIONS[source.split()[1]]
            if grade.get("solution"):
                found.append((section, grade["points"]))
        return found

    @property
    def report(self) -> dict[str, float]:
        """{section of the handout: points}"""
        points: dict[str, float] = {}
        for section, of_it in self.questions:
            points[section] = points.get(section, 0) + of_it
        return points

    # ----- what an ELSE may show ----------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Of the data set, as torchvision has it."""
        data = self.rubric.course["data"]
        return NAMES.get(data, Path(data).name)

    @property
    def dataset(self) -> Path:
        """Where its images and its classifier are kept: `make course` makes them for another than MNIST."""
        return self.root / "solution" if self.on[MNIST] else self.root / "solution" / "datasets" / self.name

    @cached_property
    def values(self) -> dict[str, Any]:
        T = self.rubric.course["num_train_timesteps"]
        kinds = ["epsilon", "v_prediction"] if self.on["v_prediction"] else ["epsilon"]
        checkpoints = [f"checkpoints/{kind}.safetensors" for kind in kinds] if self.on[MNIST] else []
        files = self.dataset / "md5.json"
        return {
            "T": T,
            "beta_start": f"{ENDS[0] / T:g}",
            "beta_end": f"{ENDS[1] / T:g}",
            "name": self.name,
            "md5": files.read_text(encoding="utf-8") if files.exists() else "",
            "shipped": f"assignment/{checkpoints[-1]}" if checkpoints else "run/model.safetensors",
            "checkpoint": checkpoints[-1] if checkpoints else "../run/model.safetensors",
            "checkpoints": checkpoints or ["../run/model.safetensors"],
            "sampler": "DDIMScheduler" if self.on["ddim"] else "DDPMScheduler",
            "prediction_type": kinds[-1],
            "train": "--prediction-type v_prediction " if self.on["v_prediction"] else "",
            "questions": NUMERALS[self.lang][len(self.questions)],
            "report_points": f"{sum(points for _, points in self.questions):g}",
        }


def asked(rubric: str) -> set[str]:
    """The checks that a rubric.toml, as text, leaves on, with the smoke test where it can be made."""
    return set(Rubric.read(rubric, smoke=True).checks)


def mistakes(text: str, known: Collection[str], asked: Collection[str]) -> str:
    """mistakes.toml with those that are known in this course, and of their formulas those that its checks read."""
    text = MISTAKE.sub(lambda found: found[0] if found[1] in known else "", text)
    return FORM.sub(lambda found: found[0] if found[1] in asked else "", text)


def cells_of(text: str, made: Callable[[str], str]) -> dict[str, Any]:
    """A notebook as data, with what `made` makes of the source of each cell; without those that it leaves empty."""
    notebook = json.loads(text)
    kept = []
    for cell in notebook["cells"]:
        before = "".join(cell["source"])
        source = made(before).rstrip("\n") if before else before
        if source or not before:
            kept.append(cell | {"source": source})
    return notebook | {"cells": kept}
