"""The language between grader and box: length-prefixed msgpack messages, tensors as dtype, shape and bytes.

Both sides import this file. It knows neither torch nor numpy, and nothing is ever unpickled: what arrives is numbers,
strings, bytes and the three small classes below, or a WireError.
"""

import struct
from dataclasses import dataclass

import msgpack

LENGTH = struct.Struct("<I")
MAX_DEPTH = 4  # a reply nests no deeper than a tuple of tensors in a dict


class WireError(Exception):
    """What arrived is not a message of this protocol."""


@dataclass(frozen=True)
class Tensor:
    """A tensor in transit. `device` "cuda" without data stands for a fake CUDA tensor; `strided` asks the box to
    lay the same values out non-contiguously."""

    dtype: str
    shape: tuple
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


def encode(value):
    if isinstance(value, CLASSES):
        fields = tuple(vars(value).values())
        return msgpack.ExtType(CLASSES.index(type(value)), msgpack.packb(fields))
    raise TypeError(f"cannot send a {type(value).__name__}")


def decode(code, data):
    fields = msgpack.unpackb(data, use_list=False)
    return CLASSES[code](*fields)


def send(stream, message):
    """Write one message to a binary stream."""
    body = msgpack.packb(message, default=encode)
    stream.write(LENGTH.pack(len(body)) + body)
    stream.flush()


def receive(stream, limit):
    """Read one message of at most `limit` bytes. Raises EOFError at the end, WireError on anything odd."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (length,) = LENGTH.unpack(head)
    if length > limit:
        raise WireError(f"a message of {length} bytes")
    body = stream.read(length)
    if len(body) < length:
        raise EOFError
    try:
        return msgpack.unpackb(body, ext_hook=decode, use_list=False, max_ext_len=limit)
    except Exception as error:  # whatever the bytes were, they were not a message
        raise WireError(f"not a message ({type(error).__name__})") from None
