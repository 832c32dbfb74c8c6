"""Intake: what a student handed in, reduced to the few files that are taken. Nothing is ever extracted to disk."""

from __future__ import annotations

import os
import re
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .. import KIT
from ..language import N_, _, commas
from ..paths import ASSIGNMENT
from ..text import readable
from . import archives, parsing
from .archives import MAX_MEMBERS, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .archives import Load, Member

__all__ = ["ACCEPTED", "Refused", "Submission", "read"]

REPORT = "report.ipynb"
ACCEPTED = {"scheduler.py": 200_000, "infer.py": 200_000, REPORT: 10_000_000}  # bytes at most
# What systems and editors leave beside the files of people; nobody hands these in.
PART = {"infer.py": "infer", REPORT: "report"}  # of which a file is; scheduler.py is always asked for
CLUTTER = re.compile(r"__MACOSX|__pycache__|Thumbs\.db|desktop\.ini|\..*")
RENAME = N_("but {path}; rename it")
DAMAGED = (OSError, EOFError, NotImplementedError, RuntimeError, ValueError, zlib.error, zipfile.BadZipFile)


@dataclass
class Submission:
    """The files that are taken, by their names, and notes about the rest.

    waits  why the report cannot be marked as it is, or ""
    """

    name: str
    files: dict[str, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    waits: str = ""


def read(path: Path) -> Submission:
    """Read a folder, zip or tar. Raises FileNotFoundError for a path that does not exist, and Refused."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(path)
    submission = Submission(readable(path.resolve().name))
    try:
        if path.is_file():
            parsing.fresh()
            submission.files, notes, submission.waits = parsing.parse(__name__, "unpacked", os.fsencode(path.resolve()))
            submission.notes += notes
        else:
            take(submission, list(limited(entries(path))))
    except parsing.Unparsable as why:
        told = _("{name} cannot be read ({why})", name=submission.name, why=why)
        raise Refused(str(why) if why.type == "Refused" else told) from None
    except DAMAGED as error:
        told = _("{name} cannot be read ({why})", name=submission.name, why=readable(str(error)))
        raise Refused(told) from None
    return submission


def unpacked(path: bytes) -> tuple[dict[str, bytes], list[str], str]:
    """(files, notes, waits) of an archive, as Submission has them. Runs in the room of parsing.py."""
    archive, submission = Path(os.fsdecode(path)), Submission("")
    with archives.members(archive) as members:
        take(submission, members)
    packed_by = archives.comment(archive)
    if packed_by.startswith(KIT.split()[0]) and packed_by != KIT:
        submission.notes.append(_("It was packed with {packed_by}; this is {kit}.", packed_by=packed_by, kit=KIT))
    return submission.files, submission.notes, submission.waits


def take(submission: Submission, members: Iterable[Member]) -> None:
    """Keep the accepted names, at the top or in one folder; list the rest as ignored. Raises Refused."""
    members = [(parts, load) for parts, load in members if not any(map(CLUTTER.fullmatch, parts))]
    folder = where(members)
    if folder:
        submission.notes.append(_("The files were taken from the folder {folder}/.", folder=readable(folder[0])))
    candidates = [(parts[-1], load) for parts, load in members if parts[:-1] == folder]
    refuse_twins([name for name, _ in candidates])
    for name, load in sorted(candidates, key=lambda candidate: candidate[0]):
        if name in ACCEPTED:
            data = load(ACCEPTED[name] + 1)
            if len(data) <= ACCEPTED[name]:
                submission.files[name] = data
            elif name == REPORT:  # marked by a person: it must not cost the code its points
                submission.waits = _("{name} is larger than {mb} MB", name=name, mb=ACCEPTED[name] // 1_000_000)
            else:
                raise Refused(_("{name} is larger than {kb} kB", name=name, kb=ACCEPTED[name] // 1000))
    if "scheduler.py" not in submission.files:
        told, instead = _("there is no scheduler.py in it"), but_there_is("scheduler.py", members)
        raise Refused(_("{told}, {instead}", told=told, instead=instead) if instead else told)
    if submission.waits:
        submission.notes.append(_("{why}, so it was not taken.", why=submission.waits))
    for name in ACCEPTED.keys() - submission.files.keys():
        if said := but_there_is(name, members):
            submission.notes.append(_("There is no {name}, {instead}.", name=name, instead=said))

    others = {parts for parts, _ in members if parts[:-1] != folder or parts[-1] not in ACCEPTED}
    seen = {parts[: len(folder) + 1 if parts[: len(folder)] == folder else 1] for parts in others}
    ignored = {"/".join(parts) + "/" * (parts not in others) for parts in seen}
    # Who grades assignment/ itself need not be told that the given files are there.
    ignored -= {f"{entry.name}/" if entry.is_dir() else entry.name for entry in ASSIGNMENT.iterdir()}
    if ignored:
        names = commas(map(readable, sorted(ignored)[:5]))
        if len(ignored) > 5:
            names = _("{names} and {n} more", names=names, n=len(ignored) - 5)
        taken = commas(submission.files)
        submission.notes.append(_("Taken: {taken}. Not looked at: {names}.", taken=taken, names=names))


def where(members: Sequence[Member]) -> tuple[str, ...]:
    """The folder to take files from, as path parts: the top, unless only one folder in it holds any that are accepted
    (or, of whatever name, any at all)."""
    if any(len(parts) == 1 and parts[0] in ACCEPTED for parts, _ in members):
        return ()
    holding = {parts[0] for parts, _ in members if len(parts) == 2 and parts[1] in ACCEPTED}
    folders = holding or {parts[0] for parts, _ in members if len(parts) > 1}
    return (folders.pop(),) if len(folders) == 1 else ()


def but_there_is(wanted: str, members: Sequence[Member]) -> str:
    """What to say of a file that is probably the one that is wanted, by another name or in another place, or ""."""
    stem, ending = wanted.split(".")
    for parts, _rest in sorted(members, key=lambda member: (len(member[0]), member[0])):
        name, path = folded(parts[-1]), readable("/".join(parts))
        if name == wanted:
            says = N_("but {path}; put it at the top") if len(parts) > 1 and name == parts[-1] else RENAME
            return _(says, path=path)
        if stem in name and re.search(rf"\.({ending}|txt)\b", name):
            return _(RENAME, path=path)
    return ""


def refuse_twins(names: Iterable[str]) -> None:
    """Raise Refused where it depends on the file system, or on the order, which of two files is meant."""
    seen = {}
    for name in names:
        alike = folded(name)
        if alike in ACCEPTED and alike in seen:
            other = seen[alike]
            says = N_("it holds {name} more than once") if other == name else N_("it holds both {other} and {name}")
            raise Refused(_(says, name=readable(name), other=readable(other)))
        seen[alike] = name


def folded(name: str) -> str:
    """What file systems that ignore case and forms of letters take a name for."""
    return unicodedata.normalize("NFKC", name).casefold()


def limited(members: Iterable[Member]) -> Iterator[Member]:
    """The members, as long as they are not too many. Raises Refused."""
    for count, member in enumerate(members, 1):
        if count > MAX_MEMBERS:
            raise Refused(_("it holds more than {count} files", count=MAX_MEMBERS))
        yield member


def entries(path: Path) -> Iterator[Member]:
    """Members of a folder like those of an archive, two levels deep: deeper ones are never taken."""
    for entry in path.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            yield from (((entry.name, inner.name), loader(inner)) for inner in entry.iterdir())
        else:
            yield (entry.name,), loader(entry)


def loader(entry: Path) -> Load:
    """What reads a file of a folder; a link is never followed, and nothing but a regular file is opened."""

    def load(limit: int) -> bytes:
        if entry.is_symlink() or not entry.is_file():
            says = N_("{name} is a link or another special file; hand in the file itself")
            raise Refused(_(says, name=readable(entry.name)))
        with open(entry, "rb") as file:
            return file.read(limit)

    return load
