"""A small tar whose header is a number of three million digits."""

import gzip
import io
import tarfile


def make(path, scheduler):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as file:
        info = tarfile.TarInfo("scheduler.py")
        info.pax_headers = {"GNU.sparse.size": "9" * 3_000_000}
        info.size = len(scheduler)
        file.addfile(info, io.BytesIO(scheduler))
    path.write_bytes(gzip.compress(buffer.getvalue()))
