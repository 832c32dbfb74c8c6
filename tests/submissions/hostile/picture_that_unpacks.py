"""Leaves a right picture with texts and a profile that unpack to gigabytes."""

import zlib

bomb = zlib.compressobj(9)
packed = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(500)) + bomb.flush()
more = chunk(b"zTXt", b"a\0\0" + packed) + chunk(b"iTXt", b"b\0\1\0\0\0" + packed) + chunk(b"iCCP", b"c\0\0" + packed)
put("--output", lambda data: data[:33] + more + data[33:])
