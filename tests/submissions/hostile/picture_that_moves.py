"""Leaves a picture of ten thousand frames; the first of them is right."""

import struct

control = b"".join(chunk(b"fcTL", struct.pack(">5I2H2B", n, 32, 32, 0, 0, 1, 1, 0, 0)) for n in range(10_000))
put("--output", lambda data: data[:33] + chunk(b"acTL", struct.pack(">2I", 10_000, 0)) + control + data[33:])
