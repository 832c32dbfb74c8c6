"""The files that programs in the box leave, as plain data: safetensors and PNG. Runs in the room of parsing.py only.

How much a file may hold is looked up before it is parsed: a file of 60 MB can hold a million empty tensors.
"""

import io
import json

import numpy as np
import safetensors.numpy
from PIL import Image, PngImagePlugin  # noqa: F401 (which Pillow imports at the first picture, in each child)

MAX_HEADER = 1 << 20  # bytes of the table of contents of a safetensors file
MAX_TENSORS = 1000
MAX_SIDE = 4096  # pixels
KINDS = "biufc"  # of numbers that numpy knows itself


def tensors(content: bytes) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """{name: (dtype, shape, bytes)} of a safetensors file."""
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > len(content) - 8:
        raise ValueError("its header is not complete")
    if size > MAX_HEADER:
        raise ValueError(f"its header has {size} bytes; {MAX_HEADER} is the most that is read")
    header = json.loads(content[8 : 8 + size])
    if not isinstance(header, dict):
        raise ValueError("its header is no dictionary")
    if len(header) > MAX_TENSORS:
        raise ValueError(f"it holds {len(header)} tensors; {MAX_TENSORS} is the most that is read")
    found = {}
    for name, array in safetensors.numpy.load(content).items():
        if array.dtype.kind not in KINDS:
            raise ValueError(f"{name} is of the type {array.dtype}")
        found[name] = (str(array.dtype), array.shape, array.tobytes())
    return found


def pixels(content: bytes) -> tuple[tuple[int, ...], bytes]:
    """(shape, bytes) of a PNG, uint8 (H, W, 3)."""
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        if max(image.size) > MAX_SIDE:
            raise ValueError(f"it is {image.size[0]} x {image.size[1]} pixels large")
        array = np.asarray(image.convert("RGB"))
    return array.shape, array.tobytes()
