"""Intake: what a student handed in, reduced to the few files that are taken. Nothing is ever extracted to disk."""

import tarfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

ACCEPTED = {"scheduler.py": 200_000, "infer.py": 200_000, "report.ipynb": 10_000_000}  # bytes at most
MAX_MEMBERS = 2_000


class Refused(Exception):
    """A submission that is graded 0, with this reason."""


@dataclass
class Submission:
    """{name: bytes} of the files that are taken, and notes about the rest."""

    name: str
    files: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)


def read(path):
    """Read a folder, zip or tar. Raises FileNotFoundError for a path that does not exist, and Refused."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(path)
    submission = Submission(path.resolve().name)
    try:
        members = list(limited(folder(path) if path.is_dir() else archive(path)))
    except (OSError, zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, RuntimeError) as error:
        raise Refused(f"{path.name} cannot be read ({error})") from None
    take(submission, members)
    if "scheduler.py" not in submission.files:
        raise Refused("there is no scheduler.py in it")
    return submission


def limited(members):
    for count, member in enumerate(members):
        if count >= MAX_MEMBERS:
            raise Refused(f"it holds more than {MAX_MEMBERS} files")
        parts = member[0]
        if ".." in parts or PurePosixPath(*parts).is_absolute():
            raise Refused(f"it holds a path that leads outside: {'/'.join(parts)}")
        yield member


def take(submission, members):
    """Keep the accepted names, at the top or in one common folder; list the rest as ignored."""
    nested = {parts[0] for parts, _ in members if len(parts) > 1}
    top = {parts[0] for parts, _ in members if len(parts) == 1}
    depth = 0 if top & ACCEPTED.keys() or len(nested) != 1 else 1
    if depth:
        submission.notes.append(f"The files were taken from the folder {nested.pop()}/.")
    ignored = set()
    for parts, load in sorted(members, key=lambda member: member[0]):
        name = parts[-1]
        if len(parts) != depth + 1 or name not in ACCEPTED or load is None:
            ignored.add("/".join(parts[: depth + 1]) + "/" * (len(parts) > depth + 1))
            continue
        if name in submission.files:
            raise Refused(f"it holds {name} more than once")
        data = load(ACCEPTED[name] + 1)
        if len(data) > ACCEPTED[name]:
            raise Refused(f"{name} is larger than {ACCEPTED[name] // 1000} kB")
        submission.files[name] = data
    if ignored:
        more = f" and {len(ignored) - 5} more" if len(ignored) > 5 else ""
        taken = ", ".join(submission.files) or "nothing"
        submission.notes.append(f"Taken: {taken}. Not looked at: {', '.join(sorted(ignored)[:5])}{more}.")


# Members are (path parts, load); load(limit) returns at most `limit` bytes, and is None for what is no regular file.


def folder(path):
    """Two levels: deeper ones are never taken."""
    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            yield from (((entry.name, inner.name), loader(inner)) for inner in entry.iterdir())
        else:
            yield (entry.name,), loader(entry)


def loader(entry):
    if entry.is_symlink() or not entry.is_file():
        return None

    def load(limit):
        with open(entry, "rb") as file:
            return file.read(limit)

    return load


def archive(path):
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            for info in file.infolist():
                if not info.is_dir():
                    regular = (info.external_attr >> 28) in (0, 0o10)
                    yield PurePosixPath(info.filename).parts, kept(file.open, info) if regular else None
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as file:
            for info in file:
                if not info.isdir():
                    yield PurePosixPath(info.name).parts, kept(file.extractfile, info) if info.isfile() else None
    else:
        raise Refused(f"{path.name} is neither a folder nor a zip or tar file")


def kept(open_member, info):
    """The start of a member, read now, while its archive is open: only accepted names are worth it."""
    if PurePosixPath(info.filename if hasattr(info, "filename") else info.name).name not in ACCEPTED:
        return lambda limit: b""
    with open_member(info) as member:
        data = member.read(max(ACCEPTED.values()) + 1)
    return lambda limit: data[:limit]
