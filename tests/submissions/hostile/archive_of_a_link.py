"""A tar whose scheduler.py is a link to the reference."""

import tarfile


def make(path, scheduler):
    with tarfile.open(path, "w") as file:
        info = tarfile.TarInfo("scheduler.py")
        info.type, info.linkname = tarfile.SYMTYPE, "/proc/self/cwd/solution/scheduler.py"
        file.addfile(info)
