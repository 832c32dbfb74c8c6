"""A tar whose scheduler.py is a device, a pipe and a hard link in turn."""

import tarfile


def make(path, scheduler):
    with tarfile.open(path, "w") as file:
        for kind in (tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.LNKTYPE):
            info = tarfile.TarInfo("scheduler.py")
            info.type, info.devmajor, info.devminor, info.linkname = kind, 1, 5, "/etc/passwd"
            file.addfile(info)
