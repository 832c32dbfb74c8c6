"""A tar of a sparse file that says that it has a terabyte."""

import io
import tarfile


def make(path, scheduler):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as file:
        info = tarfile.TarInfo("scheduler.py")
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 40),
                            "GNU.sparse.name": "scheduler.py"}  # fmt: skip
        body = b"2\n0\n10\n1099511627000\n10\n".ljust(512, b"\0") + scheduler
        info.size = len(body)
        file.addfile(info, io.BytesIO(body))
