"""A zip of 2,000 members that all are the same packed bytes: together far more than the file."""

import struct
import zipfile
import zlib


def make(path, scheduler):
    data = bytes(100 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(data) + packer.flush()
    crc = zlib.crc32(data)
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 8, 0, 0, crc, len(packed), len(data), 12, 0) + b"scheduler.py"
    table = b""
    for n in range(1_999):
        name = b"scheduler.py" if n == 0 else b"scheduler%03x" % n
        table += struct.pack(
            "<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 8, 0, 0, crc, len(packed), len(data), len(name), 0, 0, 0, 0, 0, 0
        )
        table += name
    start = len(local) + len(packed)
    path.write_bytes(
        local + packed + table + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1_999, 1_999, len(table), start, 0)
    )
    assert zipfile.is_zipfile(path)
