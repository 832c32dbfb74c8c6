"""Recorded expectations: the inputs of every check, and what the reference answers to them.

`make record` runs each check once with the reference and writes both to one safetensors file per seed
(instructor/authoring/recording.py). While grading, a check reads its inputs from that file and compares the answers
with it: the reference is never in memory while student code runs, and nothing depends on the version of a random
generator.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from safetensors import safe_open

from ..files import digest
from ..paths import PACKAGE

if TYPE_CHECKING:
    import numpy as np


class ExpectationsError(Exception):
    """The recorded file is missing, damaged or of another version: an instructor has to record again."""


class Expectations:
    """One file of recorded expectations.

    tensors   {"<check id>/<kind>/<name>": array}; kinds are input, value and forms, and for M known mistakes
              mistakes, (W, 10), the number of each that is wrong there and its fingerprint (infinite: unclear), and
              weights, (W, 10), the number of a mistake and its weights like forms
    metadata  kit_version, digest of the checks it was made for, fingerprint of its seed
    mistakes  {"suspects": {check: [id]}, "said": {check: {id: words_of(...)}}, "loses": {id: [check]},
              "reads": {id: {check: what is read back of it}}}
    """

    def __init__(self, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
        self.tensors, self.metadata = tensors, metadata
        self.mistakes: dict[str, dict[str, Any]] = json.loads(
            metadata.get("mistakes", '{"suspects": {}, "said": {}, "loses": {}, "reads": {}}')
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file that was recorded for the present checks. Raises ExpectationsError."""
        try:
            with safe_open(path, "np") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}
                metadata = file.metadata() or {}
        except Exception as error:  # safetensors raises several kinds for a missing or damaged file
            raise ExpectationsError(f"{path} cannot be read ({error}); `make record` writes it anew") from None
        if metadata.get("digest") != digest_of_checks():
            raise ExpectationsError(f"{path} was recorded for other checks than these; `make record` writes it anew")
        return cls(tensors, metadata)

    def inputs(self, check: str) -> Iterator[np.ndarray]:
        """The recorded inputs of a check, in the order in which it asks for them."""
        n = 0
        while (array := self.tensors.get(f"{check}/input/{n}")) is not None:
            yield array
            n += 1


def digest_of_checks() -> str:
    """What recorded expectations must match: the checks, all that they put beside a student's files, and the comparison
    of answers."""
    rooms = (PACKAGE / "checks", PACKAGE / "expect")
    sources = [path for room in rooms for path in room.glob("*.py") if path.name != "conftest.py"]
    return digest([*sources, PACKAGE / "measure.py"])
