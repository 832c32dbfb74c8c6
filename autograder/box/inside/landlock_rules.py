"""Landlock: which files the boxed process may open. A thin adapter to the package landlockpy.

Imported by the boxed process, and by host.py to see whether it is there. Without the package, or on a kernel without
Landlock, `version` is 0 and the tier is lower; nothing else changes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

try:
    import landlockpy
    from landlockpy import AccessFS
except (ImportError, OSError):  # not installed, or not Linux
    landlockpy = None

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# What Python, torch and the C library read of a system; most of it is absent on any one host.
SYSTEM = (
    "/usr", "/lib", "/lib64", "/bin", "/sbin", "/nix/store", "/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives",
    "/sys/devices/system/cpu",
)  # fmt: skip
OWN = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")


def version() -> int:
    """The version of Landlock that this kernel offers, 0 for none."""
    return landlockpy.abi_version() if landlockpy and landlockpy.supported() else 0


def restrict(readable: Sequence[str], scratch: str, nodes: Iterable[str] | None = None) -> None:
    """From here on this process opens nothing but what is listed: for good, and for all that it starts.

    readable  files and folders that may be read
    scratch   the folder that may be written to
    nodes     device files of the GPU, where this process is let near it
    """
    assert landlockpy is not None  # `version` said so
    read = AccessFS.READ_FILE | AccessFS.READ_DIR  # and not EXECUTE: no program is ever run in the box
    on_files = AccessFS.READ_FILE | AccessFS.WRITE_FILE | AccessFS.IOCTL_DEV
    scoped = landlockpy.Scope.SIGNAL | landlockpy.Scope.ABSTRACT_UNIX_SOCKET
    with landlockpy.Ruleset(scoped=scoped) as rules:

        def allow(paths: Iterable[str], access: AccessFS) -> None:
            for path in filter(os.path.exists, paths):
                # Rights that only a folder has are an error on a file.
                rules.allow_path(path, access if os.path.isdir(path) else access & on_files)

        allow([*readable, *OWN], read)
        allow(DEVICES, AccessFS.READ_FILE | AccessFS.WRITE_FILE)
        special = AccessFS.MAKE_CHAR | AccessFS.MAKE_BLOCK | AccessFS.MAKE_SOCK | AccessFS.IOCTL_DEV
        allow([scratch], rules.handled_fs & ~(AccessFS.EXECUTE | special))
        if nodes is not None:
            allow(nodes, on_files)
            # CUDA gives its threads names, and does not start where it may not. Their files come with the threads, so
            # the folder is what can be allowed; all in it is about this process alone.
            allow(["/proc/self/task"], read | AccessFS.WRITE_FILE)
        rules.restrict()
