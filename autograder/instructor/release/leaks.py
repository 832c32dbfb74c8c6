"""Proofs that read: what must not be in a bundle, and that it is not. Each proof returns its evidence as a sentence or
raises NotProven; one that had nothing to look for has proven nothing."""

from __future__ import annotations

import io
import re
import stat
import tomllib
import unicodedata
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import nbformat
import numpy as np
from nbformat import NotebookNode

from ...language import _, english
from ...rubric import REPORT, Rubric
from ..authoring.course import EDITIONS, NOTEBOOK, Course
from ..authoring.skeleton import ANSWER, FILES, GIVEN, REGION
from .bundles import HIDDEN_PATH, MAX_STUDENT, MODES
from .contents import Unreadable, layers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ...expectations import Expectations
    from .contents import Layer

LONG_ENOUGH = 12  # tokens; shorter lines are anybody's
IN_A_ROW = 5  # numbers, to 4 decimals; fewer may agree by chance
TOKEN = re.compile(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+|[^\w\s]")  # Chinese has no blanks: each letter is one
# Lines of infer.py that given files share with it: how programs open files and find a device, nothing of the answer.
SHARED = (
    'with safe_open(path, framework="pt") as file:',
    'device = "cuda" if torch.cuda.is_available() else "cpu"',
)


NEEDS = {name.split(".")[0]: needs for name, needs in {**FILES, **GIVEN, NOTEBOOK: REPORT}.items()}
# Texts of the kit with regions, beside those in solution/.
MARKED = ("Makefile", *(f"{name}{ending}.md" for name in ("handout", "background", "STUDENTS", "AGENTS")
                        for ending in EDITIONS.values()))  # fmt: skip
PROGRAM = re.compile(r"(^|/)autograder/.*\.(py|md|sh|css|j2|po|mo)$")


class NotProven(Exception):
    """A claim about a bundle does not hold, or could not be tried."""


@dataclass
class Bundle:
    """A bundle with all its layers.

    name   of its zip
    files  its files, by path
    """

    name: str
    files: dict[str, bytes]

    def __post_init__(self) -> None:
        self.layers: list[Layer] = []
        self.unreadable: list[str] = []
        for path, data in sorted(self.files.items()):
            try:
                self.layers += layers(path, data)
            except Unreadable as error:
                self.unreadable.append(str(error))
        self.normal = [f" {normal(layer.text)} " for layer in self.layers]

    def where(self, line: str) -> list[str]:
        """The places where a normalised line stands."""
        return [layer.where for layer, text in zip(self.layers, self.normal, strict=True) if f" {line} " in text]


def normal(text: str) -> str:
    """A text as its tokens, one blank between two: layout makes no difference, nor do the lines it is broken into, nor
    whether a letter is full-width, as the layers of a bundle are read."""
    return " ".join(TOKEN.findall(unicodedata.normalize("NFKC", text)))


def long_lines(text: str) -> set[str]:
    """The normalised lines of a text that are long enough to be known again."""
    lines = map(normal, text.splitlines())
    return {line for line in lines if line.count(" ") + 1 >= LONG_ENOUGH}


# ----- what must not leak ------------------------------------------------------------------------------------


def answers(files: Mapping[str, bytes]) -> set[str]:
    """The lines of every SOLUTION region, but for those that are handed out: its TODO line, and what stands outside of
    the regions, too, as the arguments of infer.py. Those of the report hold its sample answers and how they are marked.
    They are those of the whole kit, also of parts that are off.
    """
    whole = Course.whole()
    programs = [whole.text(files[f"solution/{name}"].decode(), name) for name in FILES]
    handed_out = set().union(*(long_lines(REGION.sub("", program)) for program in programs))
    regions = [region for program in programs for _, _, region in REGION.findall(program)]
    notebook = whole.notebook(files[f"solution/{NOTEBOOK}"].decode())
    report: NotebookNode = nbformat.reads(notebook, 4)  # pyrefly: ignore[bad-assignment]
    regions += [cell.source for cell in report.cells if ANSWER.fullmatch(cell.source)]
    return set().union(*map(long_lines, regions)) - handed_out - {normal(line) for line in SHARED}


def mistakes(files: Mapping[str, bytes]) -> set[str]:
    """The lines that the patches in solution/mistakes/ put in, but for those that they leave as they are."""
    patches = [data.decode() for name, data in files.items() if name.startswith("solution/mistakes/")]
    texts = [replace["new"] for patch in patches for replace in tomllib.loads(patch)["replace"]]
    right = " ".join(normal(Course.whole().text(files[f"solution/{name}"].decode(), name)) for name in FILES)
    lines = set().union(*map(long_lines, texts)) - {normal(line) for line in SHARED}
    return {line for line in lines if line not in right}


def off(files: Mapping[str, bytes], course: Course, rubric: str) -> set[str]:
    """What tells of parts that are off: the lines that the course leaves out of the texts of the kit, and the ids and
    titles of checks. Empty where nothing is off.

    rubric  rubric.toml, as text
    """
    whole, left_out, kept = Course.whole(), set(), []
    for path in (path for path in files if path in MARKED or path.startswith("solution/")):
        if path.endswith((".py", ".md", ".ipynb", ".txt")) or path == "Makefile":
            made = Course.notebook if path.endswith(".ipynb") else Course.text
            everything, here = (made(each, files[path].decode(), path) for each in (whole, course))
            left_out |= long_lines(everything)
            needs = NEEDS.get(path.removeprefix("solution/").split(".")[0], "")
            kept += [here] if course.asks(needs) else []
    asked, everything = (Rubric.read(rubric, smoke=True, whole=whole).checks for whole in (False, True))
    for id in everything.keys() - asked.keys():
        title = english(everything[id].title).removesuffix(" (bonus)")
        left_out |= {normal(id), normal(title), normal(_(title))}
    there = " ".join(map(normal, kept))
    return {line for line in left_out if f" {line} " not in f" {there} "}


# ----- the proofs --------------------------------------------------------------------------------------------


def every_file_can_be_read(bundle: Bundle) -> str:
    """Every file is text or of a kind that the proofs look into; no bytecode, no pickle."""
    if bundle.unreadable:
        raise NotProven("; ".join(bundle.unreadable))
    if not bundle.files:
        raise NotProven("the bundle is empty")
    return f"{len(bundle.files)} files, {len(bundle.layers)} places in them"


def no_line_of_an_answer_is_in_it(bundle: Bundle, answers: Collection[str]) -> str:
    """No line of a SOLUTION region, of 12 tokens or more, is in it."""
    return none_of(bundle, answers, "a line of an answer")


def no_patch_of_a_mistake_is_in_it(bundle: Bundle, mistakes: Collection[str]) -> str:
    """No line of a patch in solution/mistakes/, of 12 tokens or more, is in it, nor is such a file."""
    patches = [path for path in bundle.files if "mistakes/" in path]
    if patches:
        raise NotProven(f"{patches[0]} is in it")
    return none_of(bundle, mistakes, "a line of a patch")


def nothing_that_is_off_is_in_it(bundle: Bundle, off: Collection[str]) -> str:
    """No line of a part that is off, of 12 tokens or more, is in it, and no check of one. The autograder
    itself is not looked into: it is the same for every course."""
    shown = {path: data for path, data in bundle.files.items() if not PROGRAM.search(path)}
    return none_of(Bundle(bundle.name, shown), off, "what tells of a part that is off")


def none_of(bundle: Bundle, lines: Collection[str], what: str) -> str:
    if not lines:
        raise NotProven("there was nothing to look for")
    for line in sorted(lines):
        if places := bundle.where(line):
            raise NotProven(f"{what} is in {places[0]}: {line[:60]}")
    return f"{len(lines)} lines looked for in {len(bundle.layers)} places"


def the_course_seed_is_not_in_it(bundle: Bundle, seed: str) -> str:
    """The course seed is not in it, as text or as bytes."""
    if len(seed) < 16:
        raise NotProven("there is no course seed to look for, or it is too short")
    forms = [seed.lower().encode()]
    try:
        forms.append(bytes.fromhex(seed))
    except ValueError:  # an instructor's own words
        pass
    for layer in bundle.layers:
        if any(
            form in data for form in forms for data in (layer.data, layer.data.lower(), layer.text.lower().encode())
        ):
            raise NotProven(f"the course seed is in {layer.where}")
    return f"looked for in {len(bundle.layers)} places"


def no_hidden_number_is_in_it(bundle: Bundle, hidden: Expectations, public: Expectations) -> str:
    """No five numbers in a row of the hidden cases are in it, as numbers or as text, to four decimals. The hidden file
    differs from the public one in its seed, or there would be nothing hidden."""
    if hidden.metadata["seed"] == public.metadata["seed"]:
        raise NotProven("the hidden cases were recorded from the public seed")
    hidden_rows, public_rows = rows_of(hidden), rows_of(public)
    secret = hidden_rows[~among(hidden_rows, public_rows)]
    if not len(secret):
        raise NotProven("there is no hidden number to look for")
    for layer in bundle.layers:
        if any(among(rows(numbers), secret).any() for numbers in layer.numbers):
            raise NotProven(f"numbers of the hidden cases are in {layer.where}")
    return f"{len(secret):,} rows of {IN_A_ROW} numbers looked for in {len(bundle.layers)} places"


def rows_of(expectations: Expectations) -> np.ndarray:
    arrays = [array for array in expectations.tensors.values() if array.dtype.kind == "f"]
    return np.sort(np.concatenate([rows(array.ravel()) for array in arrays]))


def among(rows: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which rows are among the known ones, which are sorted."""
    return known[np.minimum(np.searchsorted(known, rows), len(known) - 1)] == rows


def rows(numbers: np.ndarray) -> np.ndarray:
    """One uint64 for every row of numbers in which they change and none is zero: a hash of them to 4 decimals."""
    if len(numbers) < IN_A_ROW:
        return np.empty(0, np.uint64)
    usual = np.abs(numbers) < 1e9  # false for NaN too
    rounded = np.rint(np.where(usual, numbers, 0).astype(np.float64) * 1e4).astype(np.int64)
    window = np.lib.stride_tricks.sliding_window_view
    kept: np.ndarray = window(usual & (rounded != 0), IN_A_ROW).all(axis=1)  # pyrefly: ignore[bad-assignment]
    kept &= window(np.diff(rounded) != 0, IN_A_ROW - 1).all(axis=1)
    key = np.zeros(len(kept), np.uint64)
    for n in range(IN_A_ROW):
        key = (key ^ rounded[n : n + len(kept)].astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    return key[kept]


def it_is_small_enough(zipped: bytes) -> str:
    """The student bundle is at most 10 MB."""
    if len(zipped) > MAX_STUDENT:
        raise NotProven(f"{len(zipped):,} bytes, more than {MAX_STUDENT:,}")
    return f"at most {MAX_STUDENT:,} bytes"


def it_is_what_solution_gives(bundle: Bundle, generated: Mapping[str, bytes], prefix: str) -> str:
    """assignment/ in it is what the stripping tool makes of solution/, and holds nothing else."""
    there = {path.removeprefix(prefix): data for path, data in bundle.files.items() if path.startswith(prefix)}
    drifted = [name for name in sorted(there.keys() | generated.keys()) if there.get(name) != generated.get(name)]
    if drifted:
        raise NotProven(f"assignment/{drifted[0]} is not what `make skeleton` makes of solution/")
    return f"{len(there)} files"


def the_hidden_cases_are_for_root_only(zipped: bytes) -> str:
    """The hidden expectations in Gradescope's zip may be read by root only."""
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        mode = archive.getinfo(HIDDEN_PATH).external_attr >> 16
    if stat.S_IMODE(mode) != MODES[HIDDEN_PATH]:  # pyrefly: ignore[missing-attribute]
        # pyrefly: ignore[missing-attribute]
        raise NotProven(f"{HIDDEN_PATH} has the permissions {stat.filemode(mode)}")
    return stat.filemode(mode)  # pyrefly: ignore[missing-attribute]
