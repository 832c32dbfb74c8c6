"""The language between grader and box: length-prefixed msgpack messages, tensors as dtype, shape and bytes.

Both sides import this file. It knows neither torch nor numpy, and nothing is ever unpickled: what arrives is numbers,
strings, bytes and the three small classes below, or a WireError.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import msgpack

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

LENGTH = struct.Struct("<I")
MAX_VALUES = 20_000  # in one message: a few bytes of empty lists would otherwise fill the reader's memory
CHUNK = 1 << 20


class WireError(Exception):
    """What arrived is not a message of this protocol."""


@dataclass(frozen=True)
class Tensor:
    """A tensor in transit. `device` "cuda" without data stands for a fake CUDA tensor; `strided` asks the box to
    lay the same values out non-contiguously."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes
    device: str = "cpu"
    strided: bool = False


@dataclass(frozen=True)
class Ref:
    """An object that lives in the box, by number."""

    id: int


@dataclass(frozen=True)
class Other:
    """A value that has no business on the wire, by the name of its type."""

    type: str


CLASSES = (Tensor, Ref, Other)


def encode(value: object) -> msgpack.ExtType:
    if isinstance(value, CLASSES):
        fields = tuple(vars(value).values())
        return msgpack.ExtType(CLASSES.index(type(value)), msgpack.packb(fields))
    raise TypeError(f"cannot send a {type(value).__name__}")


def decode(code: int, data: bytes) -> Tensor | Ref | Other:
    return CLASSES[code](*unpack(data))


def unpack(data: bytes, **hooks: Callable[[int, bytes], Any]) -> Any:
    """One msgpack message of at most MAX_VALUES values. Whatever is wrong with it raises some exception."""
    left = MAX_VALUES

    def count(values: Sized) -> Sized:
        nonlocal left
        left -= 1 + len(values)
        if left < 0:
            raise ValueError("too many values")
        return values

    limits = {"max_array_len": MAX_VALUES, "max_map_len": MAX_VALUES, "max_ext_len": len(data)}
    return msgpack.unpackb(data, use_list=False, list_hook=count, object_hook=count, **limits, **hooks)


def send(stream: IO[bytes], message: object) -> None:
    """Write one message to a binary stream."""
    body: bytes = msgpack.packb(message, default=encode)  # pyrefly: ignore[bad-assignment]
    stream.write(LENGTH.pack(len(body)) + body)
    stream.flush()


def receive(stream: IO[bytes], limit: int) -> Any:
    """Read one message of at most `limit` bytes. Raises EOFError at the end, WireError on anything odd."""
    (length,) = LENGTH.unpack(read(stream, LENGTH.size))
    if length > limit:
        raise WireError(f"a message of {length} bytes")
    body = read(stream, length)
    try:
        return unpack(body, ext_hook=decode)
    except Exception as error:  # whatever the bytes were, they were not a message
        raise WireError(f"not a message ({type(error).__name__})") from None


def read(stream: IO[bytes], size: int) -> bytes:
    """Exactly `size` bytes of a stream that may give fewer at a time. Raises EOFError."""
    data = bytearray()
    while len(data) < size:
        more = stream.read(min(size - len(data), CHUNK))
        if not more:
            raise EOFError
        data += more
    return bytes(data)
