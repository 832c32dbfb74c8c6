"""Leaves a picture that says that it is two billion pixels wide and high."""

import struct

put(
    "--output",
    lambda data: data[:8] + chunk(b"IHDR", struct.pack(">2I", 2**31 - 1, 2**31 - 1) + data[24:29]) + data[33:],
)
