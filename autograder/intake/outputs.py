"""The files that programs in the box leave, as plain data: safetensors and PNG. Runs in the room of parsing.py only.

How much a file may hold is looked up before it is parsed: a file of 60 MB can hold a million empty tensors.
"""

import io
import json

import numpy as np
import safetensors.numpy
from PIL import Image, PngImagePlugin  # noqa: F401 (which Pillow imports at the first picture, in each child)

from ..language import _

MAX_HEADER = 1 << 20  # bytes of the table of contents of a safetensors file
MAX_TENSORS = 1000
MAX_SIDE = 4096  # pixels
KINDS = "biufc"  # of numbers that numpy knows itself


def tensors(content: bytes) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """{name: (dtype, shape, bytes)} of a safetensors file."""
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > len(content) - 8:
        raise ValueError(_("its header is not complete"))
    if size > MAX_HEADER:
        told = _("its header has {size} bytes; {most} is the most that is read", size=size, most=MAX_HEADER)
        raise ValueError(told)
    header = json.loads(content[8 : 8 + size])
    if not isinstance(header, dict):
        raise ValueError(_("its header is no dictionary"))
    if len(header) > MAX_TENSORS:
        told = _("it holds {count} tensors; {most} is the most that is read", count=len(header), most=MAX_TENSORS)
        raise ValueError(told)
    found = {}
    for name, array in safetensors.numpy.load(content).items():
        if array.dtype.kind not in KINDS:
            raise ValueError(_("{name} is of the type {kind}", name=name, kind=array.dtype))
        found[name] = (str(array.dtype), array.shape, array.tobytes())
    return found


def pixels(content: bytes) -> tuple[tuple[int, ...], bytes]:
    """(shape, bytes) of a PNG, uint8 (H, W, 3)."""
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        if max(image.size) > MAX_SIDE:
            width, height = image.size
            raise ValueError(_("it is {width} x {height} pixels large", width=width, height=height))
        array = np.asarray(image.convert("RGB"))
    return array.shape, array.tobytes()
