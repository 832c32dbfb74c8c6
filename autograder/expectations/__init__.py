"""Recorded expectations: the inputs of every check, and what the reference answers to them.

`make record` runs each check once with the reference and writes both to one safetensors file per seed
(instructor/authoring/recording.py). While grading, a check reads its inputs from that file and compares the answers
with it: the reference is never in memory while student code runs, and nothing depends on the version of a random
generator.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from safetensors import safe_open
from safetensors.numpy import load

from ..files import digest
from ..language import _
from ..paths import PACKAGE
from ..rubric import Rubric

if TYPE_CHECKING:
    import numpy as np


class ExpectationsError(Exception):
    """The recorded file is missing, damaged or of another version: an instructor has to record again."""


class Expectations:
    """One file of recorded expectations.

    tensors   {"<check id>/<kind>/<name>": array}; kinds are input, value and forms, and for M known mistakes
              mistakes, (W, 10), the number of each that is wrong there and its fingerprint (infinite: unclear), and
              weights, (W, 13), the number of a mistake and its weights like forms
    metadata  kit_version, digest of the checks it was made for, fingerprint of its seed, and in `asks` what checks ask
              for beside their own part (VARIED in rubric.py)
    mistakes  packed into the metadata, {"suspects": {check: [id]}, "said": {check: {id: words_of(...)}}, "loses":
              {id: [check]}, "reads": {id: {check: what is read back of it}}}
    """

    def __init__(self, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
        self.tensors, self.metadata = tensors, metadata
        self.mistakes: dict[str, dict[str, Any]] = {"suspects": {}, "said": {}, "loses": {}, "reads": {}}
        if "mistakes" in metadata:
            self.mistakes = unpacked(metadata["mistakes"])

    @property
    def asks(self) -> list[str]:
        return self.metadata["asks"].split()

    @classmethod
    def read(cls, content: bytes) -> Self:
        """The bytes of a file, whatever it was recorded for. Raises what safetensors and json raise."""
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return cls(load(content), header.get("__metadata__", {}))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file that was recorded for the present checks. Raises ExpectationsError."""
        try:
            with safe_open(path, "np") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}
                metadata = file.metadata() or {}
        except Exception as error:  # safetensors raises several kinds for a missing or damaged file
            raise ExpectationsError(
                _("{path} cannot be read ({error}); `make record` writes it anew", path=path, error=error)
            ) from None
        if metadata.get("digest") != digest_of_checks() or metadata.get("asks") != " ".join(Rubric.load().asks):
            raise ExpectationsError(
                _("{path} was recorded for other checks than these; `make record` writes it anew", path=path)
            )
        return cls(tensors, metadata)

    def only(self, ids: Collection[str]) -> Self:
        """What was recorded of these checks."""
        if {key.split("/")[0] for key in self.tensors} <= set(ids):
            return self
        kept = {key: array for key, array in self.tensors.items() if key.split("/")[0] in ids}
        mistakes = {what: dict(found) for what, found in self.mistakes.items()}
        for what in ("suspects", "said"):
            mistakes[what] = {check: found for check, found in mistakes[what].items() if check in ids}
        mistakes["loses"] = {id: [check for check in lost if check in ids] for id, lost in mistakes["loses"].items()}
        for id, read in mistakes["reads"].items():
            mistakes["reads"][id] = {check: found for check, found in read.items() if check in ids}
        possible = {id for suspects in mistakes["suspects"].values() for id in suspects}
        possible |= {id for id, lost in self.mistakes["loses"].items() if not lost}
        for what in ("loses", "reads"):
            mistakes[what] = {id: found for id, found in mistakes[what].items() if id in possible}
        return type(self)(kept, self.metadata | {"mistakes": packed(mistakes)})

    def inputs(self, check: str) -> Iterator[np.ndarray]:
        """The recorded inputs of a check, in the order in which it asks for them."""
        n = 0
        while (array := self.tensors.get(f"{check}/input/{n}")) is not None:
            yield array
            n += 1


def packed(data: dict[str, Any]) -> str:
    """JSON, a tenth as long."""
    return base64.b64encode(zlib.compress(json.dumps(data).encode(), 9)).decode()


def unpacked(text: str) -> dict[str, Any]:
    return json.loads(zlib.decompress(base64.b64decode(text)))


def digest_of_checks() -> str:
    """What recorded expectations must match: the checks, all that they put beside a student's files, and the comparison
    of answers."""
    rooms = (PACKAGE / "checks", PACKAGE / "expect")
    sources = [path for room in rooms for path in room.glob("*.py") if path.name != "conftest.py"]
    return digest([*sources, PACKAGE / "measure.py"])
