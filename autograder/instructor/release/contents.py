"""Everything that can be read in a file, however deep it lies: in archives, notebooks, text that encodes files, arrays
and metadata. A file that cannot be read is an error: nothing could be proven of it."""

from __future__ import annotations

import base64
import binascii
import bz2
import gettext
import gzip
import io
import json
import lzma
import re
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load as load_safetensors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_DEPTH = 8
PRINTABLE = re.compile(rb"[\t\n\r -~]{12,}")
BASE64 = re.compile(r"[A-Za-z0-9+/_-]{40,}(?:\s[A-Za-z0-9+/_-]{40,})*(?:\r?\n[A-Za-z0-9+/_-]+(?=[=\s]|$))?={0,2}")
DECIMAL = re.compile(r"-?\d+\.\d+(?:[eE][-+]?\d+)?")
PNG = b"\x89PNG\r\n\x1a\n"
ZIP, NPY, MO, GZIP, BZIP2, XZ = b"PK\x03\x04", b"\x93NUMPY", b"\xde\x12\x04\x95", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"
MAGIC = (PNG, ZIP, NPY, MO, GZIP, BZIP2, XZ)


class Unreadable(Exception):
    """What lies there is of no known kind, so nothing can be proven of it."""


@dataclass
class Layer:
    """What one place holds.

    where    path of the file, and of what lies in it
    data     its bytes, as they are
    text     its text, decoded
    numbers  its numbers, each array flattened
    """

    where: str
    data: bytes
    text: str = ""
    numbers: list[np.ndarray] = field(default_factory=list)


LookedInto = tuple[Layer, list[tuple[str, bytes]]]  # what one place holds, and (name, bytes) of each file in it


def layers(where: str, data: bytes, depth: int = 0) -> Iterator[Layer]:
    """Every Layer of a file, itself first. Raises Unreadable."""
    if depth > MAX_DEPTH:
        raise Unreadable(f"{where}: files in files, more than {MAX_DEPTH} deep")
    layer, inner = looked_into(where, data)
    layer.text = unicodedata.normalize("NFKC", layer.text)
    layer.numbers += [np.array([float(number) for number in DECIMAL.findall(layer.text)])]
    yield layer
    for name, content in inner:
        yield from layers(f"{where} > {name}", content, depth + 1)


def looked_into(where: str, data: bytes) -> LookedInto:
    """The Layer of these bytes, and the files in it. Raises Unreadable."""
    try:
        if data.startswith(ZIP) or zipfile.is_zipfile(io.BytesIO(data)):
            return in_zip(where, data)
        for magic, opener in ((GZIP, gzip), (BZIP2, bz2), (XZ, lzma)):
            if data.startswith(magic):
                return Layer(where, data, printable(data)), [("unpacked", opener.decompress(data))]
        if data[257:262] == b"ustar":
            return in_tar(where, data)
        if data.startswith(PNG):
            return in_png(where, data)
        if data.startswith(NPY):
            return of_arrays(where, data, {"array": np.load(io.BytesIO(data), allow_pickle=False)}), []
        if data.startswith(MO):
            return in_catalogue(where, data)
        if data[8:10] == b'{"' and struct.unpack("<Q", data[:8])[0] < len(data):
            return in_safetensors(where, data)
        text = data.decode("utf-8")
    except Exception as error:  # each of these libraries has its own kinds for what is damaged
        raise Unreadable(f"{where} cannot be read ({type(error).__name__}: {str(error)[:80]})") from None
    if "\0" in text:
        raise Unreadable(f"{where} is neither text nor of a known kind")
    return Layer(where, data, "\n".join([text, *strings_of_json(text)])), list(encoded(text))


# ----- containers --------------------------------------------------------------------------------------------


def in_zip(where: str, data: bytes) -> LookedInto:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        members = file.infolist()
        said = [
            file.comment,
            *(part for info in members for part in (info.filename.encode(), info.comment, info.extra)),
        ]
        inner = [(info.filename, file.read(info)) for info in members if not info.is_dir()]
    return Layer(where, data, printable(data) + "\n" + "\n".join(part.decode("latin-1") for part in said)), inner


def in_tar(where: str, data: bytes) -> LookedInto:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as file:
        # pyrefly: ignore[missing-attribute]  # of a file, extractfile gives one
        inner = [(info.name, file.extractfile(info).read()) for info in file if info.isfile()]
    return Layer(where, data, printable(data)), inner


def in_png(where: str, data: bytes) -> LookedInto:
    """The texts of a picture, also the packed ones, and what follows its end. Its pixels as raw bytes."""
    at, texts, pixels, inner = len(PNG), [], b"", []
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if kind == b"IDAT":
            pixels += body
        elif kind == b"zTXt":
            key, _, packed = body.partition(b"\0")
            texts += [key, zlib.decompress(packed[1:])]
        elif kind == b"iTXt":
            key, _, rest = body.partition(b"\0")
            language, _, rest_of_it = rest[2:].partition(b"\0")
            translated, _, text = rest_of_it.partition(b"\0")
            texts += [key, language, translated, zlib.decompress(text) if rest[:1] == b"\1" else text]
        elif kind == b"iCCP":
            key, _, packed = body.partition(b"\0")
            texts += [key, zlib.decompress(packed[1:])]
        else:
            texts.append(body)
        at += length + 12
        if kind == b"IEND":
            if data[at:]:
                inner.append(("after the picture", data[at:]))
            break
    text = "\n".join(part.decode("utf-8", "replace") for part in texts)
    return Layer(where, data, f"{text}\n{printable(zlib.decompress(pixels))}"), inner


def in_safetensors(where: str, data: bytes) -> LookedInto:
    header = data[8 : 8 + struct.unpack("<Q", data[:8])[0]].decode("utf-8")
    layer = of_arrays(where, data, load_safetensors(data))
    layer.text += "\n".join(["", header, *strings_of_json(header)])
    return layer, list(encoded(header))


def in_catalogue(where: str, data: bytes) -> LookedInto:
    """The texts of gettext's .mo, and what lies between them."""
    gettext.GNUTranslations(io.BytesIO(data))  # raises where it is damaged
    return Layer(where, data, data.decode("utf-8", "replace")), []


def of_arrays(where: str, data: bytes, arrays: Mapping[str, np.ndarray]) -> Layer:
    """Arrays as numbers; their bytes as text, and as the numbers that they may hide."""
    numbers, texts = [], []
    for array in arrays.values():
        raw = np.ascontiguousarray(array).tobytes()
        if array.dtype.kind in "US":
            texts += map(str, array.ravel().tolist())
        elif array.dtype.kind == "f":
            numbers.append(array.ravel())
        else:
            texts.append(printable(raw))
            numbers += [np.frombuffer(raw[: len(raw) // size * size], f"<f{size}") for size in (4, 8)]
    return Layer(where, data, "\n".join([printable(data), *texts]), numbers)


# ----- text --------------------------------------------------------------------------------------------------


def printable(data: bytes) -> str:
    """The runs of printable characters in bytes, also where each is followed by zeros (UTF-16, UTF-32)."""
    found = PRINTABLE.findall(data)
    if data.count(b"\0") * 3 > len(data):
        found += PRINTABLE.findall(data.replace(b"\0", b""))
    return b"\n".join(found).decode("ascii")


def strings_of_json(text: str) -> Iterator[str]:
    """Every string of a JSON text, as of a notebook: a list of strings is one text, and JSON may lie in JSON."""
    if not text.lstrip().startswith(("{", "[")):
        return
    try:
        waiting = [json.loads(text)]
    except ValueError:
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
            yield from strings_of_json(value)
        elif isinstance(value, list) and value and all(isinstance(line, str) for line in value):
            waiting.append("".join(value))
        elif isinstance(value, list | dict):
            waiting += [*value, *value.values()] if isinstance(value, dict) else value


def encoded(text: str) -> Iterator[tuple[str, bytes]]:
    """Files in base64 in a text, also on many lines, each under a name; what only looks like base64 is left out."""
    for string in (text, *strings_of_json(text)):
        for match in BASE64.finditer(string):
            packed = re.sub(r"\s", "", match[0]).rstrip("=").translate(str.maketrans("-_", "+/"))
            try:
                data = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
            except binascii.Error:
                continue
            if data[:1] == b"\x78":
                try:
                    data = zlib.decompress(data)
                except zlib.error:
                    pass
            if data.startswith(MAGIC) or data[8:10] == b'{"' or is_text(data):
                yield "base64", data


def is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode("utf-8")
    except UnicodeDecodeError:
        return False
