"""What lies in a zip or tar file, without ever unpacking it: members by name, read one by one up to a limit.

Whatever is no plain file of a plain path is refused, with the reason, before anything is read. How much an archive may
hold is looked up before it is parsed: an archive of a few kilobytes can claim to be as large as it likes.
"""

import bz2
import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ..language import N_, _
from ..text import readable

Load = Callable[[int], bytes]  # reads a member, at most so many bytes
Member = tuple[tuple[str, ...], Load]  # the parts of its path, and what reads it
Packed = tuple[str, str, int, Load]  # name, kind, size and what reads it, as an archive has them

MAX_MEMBERS = 2_000
MAX_UNPACKED = 200 << 20  # bytes of all members together
MAX_DIRECTORY = 1 << 20  # bytes of a zip's table of contents
MAX_NAME = 1_000  # characters of a path
MAX_HEADER = 64 << 10  # bytes of what a tar says of one member

# The end of a zip file: signature, 4 numbers of disks and members, size and place of the table, length of a comment.
ZIP_END = struct.Struct("<4s4H2IH")
# The same for a large archive, and for one packed as a stream: signature, size, 2 versions, 2 disks, 2 counts, size and
# place of the table. A locator stands between the two.
ZIP64_END = struct.Struct("<4sQ2H2I4Q")
ZIP64_LOCATOR = struct.Struct("<4sIQI")
LINK, SPECIAL = N_("link"), N_("special file")  # kinds of members


class Refused(Exception):
    """A submission that is graded 0, with this reason."""


@contextmanager
def members(path: Path) -> Generator[list[Member]]:
    """The members of a zip or tar, which can be read while the context lasts. Raises Refused, or the errors of zipfile
    and tarfile for a damaged file."""
    if zipfile.is_zipfile(path):
        bounded_zip(path)
        with zipfile.ZipFile(path) as file:
            yield checked(zip_members(file))
    elif opened := uncompressed(path):
        with opened as stream, tarfile.open(fileobj=(bounded := Bounded(stream)), mode="r:") as file:
            found = checked(tar_members(file))
            bounded.largest = MAX_UNPACKED
            yield found
    else:
        says = N_("{name} is neither a folder nor a zip or tar file (.tar, .tar.gz or .tar.bz2)")
        raise Refused(_(says, name=readable(path.name)))


@contextmanager
def download(path: Path) -> Generator[list[tuple[tuple[str, ...], Load | None]]]:
    """The same for the zip of a whole class, which a platform made. It is as large as the class, and what one student
    put into it must not stop the others: whatever is no plain file is refused when it is read, and so is a path that
    leads outside, whose parts are its name alone. Folders come too, with nothing that reads them."""
    with zipfile.ZipFile(path) as file:
        yield list(lenient(zip_members(file)))


def lenient(found: Iterable[Packed]) -> Iterator[tuple[tuple[str, ...], Load | None]]:
    for name, kind, _size, load in found:
        try:
            parts = path_parts(name)
        except Refused as refused:
            yield (readable(name).replace("/", "\\"),), refusing(str(refused))
            continue
        if parts:
            refused = refusing(_("it holds a {kind}, {name}", kind=_(kind), name=readable(name)))
            yield parts, {"file": load, "folder": None}.get(kind, refused)


def refusing(reason: str) -> Load:
    """What raises Refused in the place of reading a member."""

    def load(limit: int) -> bytes:
        raise Refused(reason)

    return load


def checked(found: Iterable[Packed]) -> list[Member]:
    """The members without folders. Raises Refused at the first that is no plain file of a plain path."""
    kept, total = [], 0
    for count, (name, kind, size, load) in enumerate(found, 1):
        if count > MAX_MEMBERS:
            raise Refused(_("it holds more than {count} files", count=MAX_MEMBERS))
        parts = path_parts(name)
        if kind not in ("file", "folder"):
            says = N_("it holds a {kind}, {name}; hand in plain files only")
            raise Refused(_(says, kind=_(kind), name=readable(name)))
        total += size
        if total > MAX_UNPACKED:
            raise Refused(_("it unpacks to more than {mb} MB", mb=MAX_UNPACKED >> 20))
        if kind == "file" and parts:
            kept.append((parts, load))
    return kept


def path_parts(name: str) -> tuple[str, ...]:
    """The parts of a member's path, as Windows and others write it. Raises Refused for one that leads outside."""
    if len(name) > MAX_NAME:
        raise Refused(_("it holds a path of {count} characters", count=len(name)))
    name = name.replace("\\", "/")
    parts = name.split("/")
    if ".." in parts or name.startswith("/") or parts[0].endswith(":"):
        raise Refused(_("it holds a path that leads outside: {name}", name=readable(name)))
    return tuple(part for part in parts if part not in ("", "."))


# ----- zip -----


def bounded_zip(path: Path) -> None:
    """Raise Refused for a zip whose table of contents is too large to be parsed for a homework."""
    with open(path, "rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - ZIP_END.size - (1 << 16) - 20))
        tail = file.read()
    # Where zipfile looks for it: at the very end, or before a comment.
    last = len(tail) - ZIP_END.size
    start = last if tail[last : last + 4] == b"PK\x05\x06" and tail[-2:] == b"\0\0" else tail.rfind(b"PK\x05\x06")
    end = tail[start : start + ZIP_END.size]
    if start < 0 or len(end) < ZIP_END.size:
        raise zipfile.BadZipFile(_("it has no table of contents"))
    *_rest, count, directory, _rest, _rest = ZIP_END.unpack(end)
    claims = [(count, directory)]
    if tail[max(0, start - ZIP64_LOCATOR.size) : start].startswith(b"PK\x06\x07"):
        claims = list(zip64_claims(path, size - len(tail) + start))
    if not claims or any(count > MAX_MEMBERS or directory > MAX_DIRECTORY for count, directory in claims):
        raise Refused(_("it holds more than {count} files", count=MAX_MEMBERS))


def zip64_claims(path: Path, end: int) -> Iterator[tuple[int, int]]:
    """(members, bytes of the table of contents) as each record says that zipfile may believe, for the end at `end`."""
    with open(path, "rb") as file:
        file.seek(end - ZIP64_LOCATOR.size)
        *_rest, place, _disks = ZIP64_LOCATOR.unpack(file.read(ZIP64_LOCATOR.size))
        for where in {place, end - ZIP64_LOCATOR.size - ZIP64_END.size}:
            if 0 <= where < end:
                file.seek(where)
                record = file.read(ZIP64_END.size)
                if record.startswith(b"PK\x06\x06") and len(record) == ZIP64_END.size:
                    *_rest, count, directory, _offset = ZIP64_END.unpack(record)
                    yield count, directory


def zip_members(file: zipfile.ZipFile) -> Iterator[Packed]:
    for info in file.infolist():
        kind = {0o04: "folder", 0o12: LINK, 0: "file", 0o10: "file"}.get(info.external_attr >> 28, SPECIAL)
        if info.is_dir():
            kind = "folder"
        if kind == "file" and info.flag_bits & 1:
            kind = N_("file with a password")
        if kind == "file" and info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            kind = N_("file packed in an unusual way")
        yield told_name(info), kind, info.file_size, reader(file.open, info)


def told_name(info: zipfile.ZipInfo) -> str:
    """The name of a member. Many programs write UTF-8 without saying so, which zipfile takes for the letters of DOS."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


# ----- tar -----


def uncompressed(path: Path) -> io.BufferedIOBase | None:
    """The tar inside of a file as a stream, if there is one."""
    for opener in (open, gzip.open, bz2.open):
        stream = opener(path, "rb")
        try:
            with tarfile.open(fileobj=Bounded(stream), mode="r:") as file:
                file.next()
            stream.seek(0)
            return stream
        except (tarfile.ReadError, OSError, EOFError):
            stream.close()
    return None


def tar_members(file: tarfile.TarFile) -> Iterator[Packed]:
    for info in file:
        kind = "file" if info.isfile() else "folder" if info.isdir() else LINK
        if not (kind != LINK or info.issym() or info.islnk()):
            kind = SPECIAL
        yield info.name, kind, info.size, reader(file.extractfile, info)


class Bounded(io.RawIOBase):
    """A stream that refuses to be read beyond what any homework unpacks to, also in the headers of a tar.

    largest  bytes that may be read at once: tarfile reads the whole of a header, and takes its time over a long one
    """

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self.stream, self.largest = stream, MAX_HEADER

    def read(self, size: int = -1) -> bytes:
        self.refuse_beyond(self.stream.tell() + max(size, 0))
        if size > self.largest:
            raise Refused(_("it holds a header of {kb} kB", kb=size >> 10))
        return self.stream.read(min(size, MAX_UNPACKED) if size >= 0 else MAX_UNPACKED)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET:
            self.refuse_beyond(offset)
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        return self.stream.tell()

    def refuse_beyond(self, position: int) -> None:
        if position > MAX_UNPACKED + (1 << 20):  # headers and padding
            raise Refused(_("it unpacks to more than {mb} MB", mb=MAX_UNPACKED >> 20))


def comment(path: Path) -> str:
    """What the maker of a zip wrote at its end, at most 100 characters; "" for anything else."""
    if not zipfile.is_zipfile(path):
        return ""
    with zipfile.ZipFile(path) as file:
        return readable(file.comment.decode("utf-8", "replace"))


def reader(open_member: Callable[[Any], IO[bytes] | None], info: zipfile.ZipInfo | tarfile.TarInfo) -> Load:
    def load(limit: int) -> bytes:
        opened = open_member(info)
        assert opened is not None  # as it is for a plain file, and only those are read
        with opened as member:
            return member.read(limit)

    return load
