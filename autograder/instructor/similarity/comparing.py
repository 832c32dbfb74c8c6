"""Which passages two students share that few others have, and how much of what is their own these are.

A passage is LENGTH characters of one function as the engine writes it, so that a short formula is none. Left out is
what the skeleton, the given files, the instructor's own solution and known public texts have, and what many have.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from copydetect.defaults import NOISE_THRESHOLD as LENGTH
from copydetect.utils import get_copied_slices, hashed_kgrams

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from .own_code import Function

MANY, FEWEST = 0.2, 5  # a share of the class; and how many they are at least, as two of ten may have worked together
# What makes a pair worth a look; README.md shows the distribution that these come from.
NEARLY_ALL, OF = 0.9, 150  # a share of what is their own, where that is so many characters
LONG = 600  # so many characters, whatever else there is
APART = "\n"  # between functions: the engine leaves no line break in code


@dataclass
class Prints:
    """What the engine makes of one file.

    functions  with their statements, without given ones
    broken     why it is no Python, or ""
    left_out   hashes of passages that do not count
    """

    functions: list[Function]
    broken: str = ""
    left_out: Collection[int] = field(default_factory=set)

    @cached_property
    def places(self) -> dict[int, list[int]]:
        """{hash of a passage: where it begins}, also of passages that do not count."""
        text = APART.join("".join(statement for statement, *_ in own) for _, own in self.functions)
        found: dict[int, list[int]] = {}
        for start, passage in enumerate(hashed_kgrams(text, LENGTH).tolist()):
            if APART not in text[start : start + LENGTH]:
                found.setdefault(passage, []).append(start)
        return found

    @cached_property
    def counted(self) -> set[int]:
        return self.places.keys() - self.left_out

    @cached_property
    def own(self) -> int:
        """How many characters are this student's own."""
        return self.size(self.counted)

    def size(self, passages: Iterable[int]) -> int:
        """How many characters some of its passages cover."""
        start, end = self.slices(passages)
        return int((end - start).sum())

    def slices(self, passages: Iterable[int]) -> np.ndarray:
        """(starts, ends) of what some of its passages cover: (2, N)."""
        return get_copied_slices(np.array([start for passage in passages for start in self.places[passage]]), LENGTH)

    def by_function(self, passages: Collection[int]) -> dict[int, tuple[set[int], list[int]]]:
        """{number of a function: (those of some passages that it has, the lines they lie on)}."""
        found, begins, slices = {}, 0, self.slices(passages).T
        for number, (_, own) in enumerate(self.functions):
            first_of_all, touched = begins, set()
            for statement, first, last in own:
                ends = begins + len(statement)
                if any(start < ends and begins < end for start, end in slices):
                    touched.update(range(first, last + 1))
                begins = ends
            here = {passage for passage in passages if any(first_of_all <= at < begins for at in self.places[passage])}
            if here:
                found[number] = here, sorted(touched)
            begins += len(APART)
        return found


@dataclass
class Pair:
    """Two students' files, and what they share.

    shared  hashes of passages
    size    characters that they cover, in the file where these are fewer
    share   of what is their own, in the file where it is less
    """

    students: tuple[str, str]
    shared: set[int]
    size: int
    share: float

    @property
    def worth_a_look(self) -> bool:
        return (self.share >= NEARLY_ALL and self.size >= OF) or self.size >= LONG


def without(functions: Iterable[Function], given: Collection[str]) -> list[Function]:
    """Functions without the statements that are given."""
    return [(name, [one for one in own if one[0] and one[0] not in given]) for name, own in functions]


def leave_out(files: Collection[Prints], known: Iterable[Prints]) -> None:
    """Leave out of all files what many of them have, and what known texts have."""
    having = Counter(itertools.chain(*(prints.places for prints in files)))
    many = max(FEWEST, MANY * len(files))
    left_out = {passage for passage, number in having.items() if number >= many}
    left_out.update(*(prints.places for prints in known))
    for prints in files:
        prints.left_out = left_out


def compare(files: Mapping[str, Prints]) -> list[Pair]:
    """Every pair that shares anything, most first."""
    pairs = []
    for (one, first), (other, second) in itertools.combinations(files.items(), 2):
        if shared := first.counted & second.counted:
            sizes = first.size(shared), second.size(shared)
            share = min(sizes[0] / first.own, sizes[1] / second.own)
            pairs.append(Pair((one, other), shared, min(sizes), share))
    return sorted(pairs, key=lambda pair: (-pair.size, pair.students))
