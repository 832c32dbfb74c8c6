"""What platforms let an instructor download, and plain folders: whose files lie where, and when they were handed in.

Each may be the zip that was downloaded, or unpacked, and may lie in a folder of its own. Links are never followed and
nothing is extracted. How each platform names files stands in platforms.py.

The law of this room: every file of a download is in a bundle, which is somebody's, or it is named as not understood.
What systems and editors leave (JUNK) is nobody's work and not counted.
"""

from __future__ import annotations

import itertools
import os
import re
import zipfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...intake import archives
from ...intake.archives import refusing
from ...intake.submission import ACCEPTED, DAMAGED, loader
from ...text import readable
from . import platforms
from .matching import Directory
from .platforms import ARCHIVE, DownloadError, File

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from contextlib import AbstractContextManager

    from .platforms import Arranged, Load, Parts, Upload
    from .roster import Roster

JUNK = re.compile(
    r"__MACOSX|__pycache__|\.DS_Store|Thumbs\.db|desktop\.ini|\._.*|\.git|\.ipynb_checkpoints|\.vscode|\.idea"
)
DEEPEST = 7  # levels of folders
WRAPPED = 3  # folders around a class

__all__ = ["Download", "DownloadError", "read"]


@dataclass
class Download:
    """All of a download.

    unread  {file: why it was not understood}
    """

    bundles: list[Upload]
    unread: dict[str, str]


@contextmanager
def read(source: Path, roster: Roster | None = None) -> Generator[Download]:
    """The download in a folder or zip, whose files can be read while the context lasts. Raises DownloadError.

    roster  tells the folder of a class from that of a student, and where a name ends
    """
    source = Path(source)
    directory = Directory(roster) if roster else None
    with ExitStack() as stack:
        try:
            found = [
                File("/".join(parts), parts, load)
                for parts, load in stack.enter_context(members(source))
                if not any(map(JUNK.fullmatch, parts))
            ]
            bundles, reasons = arrange(found, source, directory)
        except DownloadError:
            raise
        except DAMAGED as error:
            raise DownloadError(f"{source} cannot be read: {readable(str(error))}") from None
        taken = {path for bundle in bundles for path in bundle.paths}
        unread = {
            file.path: reasons.get(file.path, "nothing tells whose it is")
            for file in found
            if file.load and file.path not in taken
        }
        yield Download(bundles, unread)


def members(source: Path) -> AbstractContextManager[list[tuple[Parts, Load | None]]]:
    if source.is_dir():
        return walk(source)
    if not source.exists():
        raise DownloadError(f"There is no {source}. Give a folder of submissions, or the zip that a platform made")
    if not zipfile.is_zipfile(source):
        raise DownloadError(f"{source} is neither a folder nor a zip; unpack it and give the folder")
    return archives.download(source)


@contextmanager
def walk(folder: Path) -> Generator[list[tuple[Parts, Load | None]]]:
    """Members of a folder like those of archives.download. What cannot be entered, for its depth, as a link or for
    want of permission, is a file that cannot be read."""

    def found() -> Iterator[tuple[Parts, Load | None]]:
        closed = []
        for place, folders, names in os.walk(folder, onerror=closed.append):
            parts = Path(place).relative_to(folder).parts
            if parts:
                yield parts, None
            inner = sorted(name for name in folders if not JUNK.fullmatch(name))
            links = [name for name in inner if Path(place, name).is_symlink()]
            folders[:] = [name for name in inner if name not in links]
            if len(parts) == DEEPEST:
                for name in folders:
                    yield (*parts, name), refusing(f"{readable(name)} lies too deep")
                folders.clear()
            for name in sorted([*names, *links]):
                yield (*parts, name), loader(Path(place, name))
        for error in closed:
            yield Path(error.filename).relative_to(folder).parts, refusing(f"it cannot be read: {error.strerror}")

    yield list(found())


def arrange(found: list[File], source: Path, directory: Directory | None) -> Arranged:
    """Whose these files are, whichever platform named them. Raises DownloadError."""
    inner, levels = found, []
    for _ in range(WRAPPED):
        for platform in (platforms.gradescope, platforms.moodle, platforms.blackboard, platforms.canvas):
            if arranged := platform(inner, directory):
                return arranged
        levels.append(inner)
        tops = {file.parts[0] for file in inner}
        if len(tops) != 1 or any(len(file.parts) == 1 and file.load for file in inner):
            break
        inner = [file._replace(parts=file.parts[1:]) for file in inner if len(file.parts) > 1]
    if ACCEPTED.keys() & {file.parts[0] for file in found if len(file.parts) == 1 and file.load}:
        raise DownloadError(f"{source} is one submission; give the folder or zip that holds those of the class")
    whole = levels[0]
    for outer, inner in itertools.pairwise(levels):
        if is_student(outer[0].parts[0], directory):
            break
        whole = inner if is_a_class(inner, directory) else whole
    return platforms.plain(whole, source, directory)


def is_student(name: str, directory: Directory | None) -> bool:
    """Whether a folder or archive has the name of a student."""
    name = ARCHIVE.sub("", name)
    return bool(directory and directory.match({"id": name}).students)


def is_a_class(found: list[File], directory: Directory | None) -> bool:
    """Whether these are the submissions of a class, and not the files of a student."""
    tops = {file.parts[0] for file in found}
    full = {file.parts[0] for file in found if ARCHIVE.search(file.parts[0]) or file.parts[-1] in ACCEPTED}
    return not tops & ACCEPTED.keys() and (any(is_student(name, directory) for name in tops) or len(full) > 1)
