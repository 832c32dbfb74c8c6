"""Folders that student code wrote to: how much is in them, and how to delete them whatever they hold.

Nothing here follows a link, trusts a name or recurses: what lies there was made to be found.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def usage(root: Path, most: int) -> tuple[int, int]:
    """(entries, bytes on disk) below a folder; counting stops above `most` entries.

    A folder that cannot be listed (a mode without "read", a path too long to name) could hold anything, so it counts as
    more than `most`.
    """
    folders: list[str | Path] = [root]
    entries, size = 0, 0
    while folders and entries <= most:
        try:
            with os.scandir(folders.pop()) as found:
                for entry in found:
                    entries += 1
                    size += blocks(entry)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    if entries > most:
                        break
        except FileNotFoundError:  # deleted since we saw it
            pass
        except OSError:
            entries = most + 1
    return entries, size


def blocks(entry: os.DirEntry[str]) -> int:
    """Bytes that an entry takes on disk."""
    try:
        return on_disk(entry.stat(follow_symlinks=False))
    except FileNotFoundError:
        return 0


def on_disk(stat: os.stat_result) -> int:
    """Bytes on disk: a sparse file is as large as what was written, and room may be taken beyond the end of a file."""
    return getattr(stat, "st_blocks", stat.st_size // 512) * 512


def remove(folder: Path) -> None:
    """Delete a folder, also one nested deeper than Python recurses, or with folders that nobody may enter."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except (OSError, RecursionError):
        for command in (["chmod", "-R", "u+rwX", folder], ["rm", "-rf", folder]):
            subprocess.run(command, stderr=subprocess.DEVNULL, check=False)
