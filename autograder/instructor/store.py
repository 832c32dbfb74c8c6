"""What is known so far, kept on disk: a folder with one file for each key, written whole or not at all. A run that was
killed at any moment goes on from here, and ends like one that was not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from ..files import write
from ..language import Text

T = TypeVar("T")


class Store(Generic[T]):
    """Values of one type: dataclasses, arrays, and what JSON knows. Each comes back as it was, also NaN and infinity,
    which JSON's own standard lacks.

    of  their type, with types for all that is in them
    """

    def __init__(self, folder: Path, of: type[T]) -> None:
        self.folder, self.of = folder, of

    def path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def get(self, key: str) -> T | None:
        """None where nothing is there, and where it would be written otherwise now: the disk damaged it, or another
        version wrote it. (A field that this version added has its default.)"""
        try:
            text = self.path(key).read_text(encoding="utf-8")
            value = msgspec.convert(json.loads(text), self.of, dec_hook=array)
        except (OSError, ValueError):
            return None
        return value if written(value) == text else None

    def put(self, key: str, value: T) -> None:
        write(self.path(key), written(value))


def written(value: Any) -> str:
    return json.dumps(msgspec.to_builtins(value, enc_hook=plain), indent=1) + "\n"


def plain(value: Any) -> str | tuple[str, tuple[int, ...], bytes]:
    """An array or a number of numpy's, exactly: its bytes, which become base64. Of a translated text what is read."""
    if isinstance(value, Text):
        return str(value)
    if isinstance(value, (np.ndarray, np.generic)) and not value.dtype.hasobject:
        return value.dtype.str, value.shape, value.tobytes()
    raise TypeError(f"{type(value)} cannot be kept")


def array(_: type, value: Any) -> np.ndarray:
    dtype, shape, data = msgspec.convert(value, tuple[str, tuple[int, ...], bytes])
    return np.frombuffer(data, dtype).reshape(shape)
