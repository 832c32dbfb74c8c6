"""A zip whose table says that it has four billion members, in the records for large archives."""

import struct
import zipfile


def make(path, scheduler):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("scheduler.py", scheduler)
    data = path.read_bytes()
    table, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    large = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1 << 32, 1 << 32, 1 << 40, table)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    last = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(data[:end] + large + locator + last)
