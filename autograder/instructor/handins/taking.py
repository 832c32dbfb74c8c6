"""Taking: from what a platform lets you download to one folder per student with the files that are graded.

Only the names in submission.ACCEPTED are taken, as `submission.read` takes them. What it refuses is kept so that the
grader meets it again and gives 0 with the reason. Running it again, with the same download or a newer one, writes only
what changed. It never deletes the hand-in of a student: who is missing in a later download keeps the earlier one.

What lies in the folder is listed by account; whose account it is, is decided anew at each command (collecting.py).
"""

from __future__ import annotations

import os
import tempfile
import unicodedata
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ...files import write
from ...intake import submission
from ...intake.archives import MAX_MEMBERS, MAX_UNPACKED, Refused
from ...intake.handin import zipped
from ...intake.submission import ACCEPTED, DAMAGED, REPORT, Submission
from ...text import readable
from ..store import Store
from . import downloads, notebooks
from .platforms import ARCHIVE, COPY, DownloadError
from .roster import is_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .platforms import Load, Parts, Upload
    from .roster import Roster

INDEX = ".collected"  # no id begins with a dot
REFUSED = "refused.zip"


@dataclass
class Account:
    """What counts as handed in by one account of a platform.

    label   what the platform calls it
    name    what the class calls it while nobody knows whose it is: unique, and fit to be a folder's name
    known   what the platform says of it, for matching.py
    path    below the folder of submissions
    time    when; aware, or None where nobody knows
    order   as in platforms.Upload
    files   how many of the last download
    last    whether it is in the last download
    shared  what tells a group's files, that several accounts have, from others; or ""
    notes   for staff: which of several counts, what was left out
    waits   why the report cannot be marked as it was handed in, or ""
    """

    label: str
    name: str
    known: dict[str, str]
    path: str
    time: datetime | None = None
    order: tuple[float, str] = (0.0, "")
    files: int = 0
    last: bool = True
    shared: str = ""
    notes: list[str] = field(default_factory=list)
    waits: str = ""


@dataclass
class Collection:
    """All that was collected: accounts by their keys, {file: why it was not understood}, and whether staff said that
    who is absent is absent."""

    accounts: dict[str, Account] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    settled: bool = False

    @classmethod
    def load(cls, into: Path) -> Collection:
        """Raises FileNotFoundError where nothing was collected, and DownloadError where nobody knows what."""
        store = Store(Path(into), cls)
        if found := store.get(INDEX):
            return found
        if not store.path(INDEX).exists():
            raise FileNotFoundError(store.path(INDEX))
        raise DownloadError(
            f"{store.path(INDEX)}, the list of what was collected, cannot be read: it is damaged, or another version "
            f"of the kit wrote it. Restore it from a backup; or move {into} away, and collect every download again."
        )

    def save(self, into: Path) -> None:
        Store(Path(into), Collection).put(INDEX, self)


def take_all(
    source: Path,
    into: Path,
    roster: Roster | None,
    owners: Callable[[dict[str, Account]], Mapping[str, str | None]],
) -> Collection:
    """Bring the folder `into` up to date with a download.

    source   a folder of folders and archives, or what a platform makes, zipped or unpacked
    owners   gives, for accounts by their keys, {key: id of the student, or None for a stranger}
    Raises DownloadError, and OSError where this machine fails. What a student did never raises.
    """
    into = Path(into)
    try:
        earlier = Collection.load(into).accounts
    except FileNotFoundError:
        earlier = {}
    with downloads.read(source, roster) as download:
        found = {}
        for bundle in download.bundles:
            found.setdefault(bundle.key, []).append(bundle)
        accounts = {key: Account(several[0].label, "", several[0].known, "") for key, several in found.items()}
        name_all(accounts, earlier, roster)
        folders = owners(earlier | accounts)
        taken = {account.path.partition("/")[0] for key, account in earlier.items() if key not in found}
        for key, several in found.items():
            owner = folders[key]
            folder = owner if owner and owner not in taken else accounts[key].name
            taken.add(folder)
            accounts[key] = take(accounts[key], several, into, folder)
        unread = {}
        for path, why in download.unread.items():
            unread[unique(readable(path, limit=None), set(map(fold_name, unread)))] = why
    for key in earlier.keys() & accounts.keys():
        if (old := earlier[key].path.partition("/")[0]) not in taken:
            remove(into / old)
    left = {
        key: replace(account, files=0, last=False) for key, account in earlier.items() if (into / account.path).exists()
    }
    collection = Collection(left | accounts, unread)
    collection.save(into)
    return collection


def name_all(accounts: dict[str, Account], earlier: Mapping[str, Account], roster: Roster | None) -> None:
    """Give every account a name that no other has, and no student, unless that student is meant."""
    ids = {fold_name(student.id) for student in roster.students} if roster else set()
    used = {fold_name(account.name) for account in earlier.values()}
    for key, account in accounts.items():
        exact = roster is not None and account.label in roster.ids
        if key in earlier and (exact or fold_name(earlier[key].name) not in ids):
            account.name = earlier[key].name
        else:
            account.name = unique(fit(account.label), used | (set() if exact else ids))
        used.add(fold_name(account.name))


def unique(name: str, used: set[str]) -> str:
    names = [name, *(f"{name}-{n}" for n in range(2, len(used) + 3))]
    return next(each for each in names if fold_name(each) not in used)


def fold_name(name: str) -> str:
    """What a file system may take a name for."""
    return unicodedata.normalize("NFC", name.casefold())


def fit(label: str) -> str:
    """A stranger's name as the name of a folder."""
    name = "".join(letter if is_id(f"a{letter}") else "_" for letter in label).lstrip(".@-_")[:50]
    return name if is_id(name) else "unnamed"


def remove(folder: Path) -> None:
    """Take away the copy of a hand-in that was collected into another folder now."""
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def take(account: Account, bundles: list[Upload], into: Path, folder: str) -> Account:
    """The account with its files in place. The latest hand-in counts."""
    *older, bundle = sorted(bundles, key=lambda bundle: bundle.order)
    notes = list(bundle.notes)
    if older:
        several = ", ".join(readable(each.order[1] or each.label) for each in older)
        told = readable(bundle.order[1] or bundle.label)
        notes.append(f"Handed in {len(bundles)} times; the latest, {told}, counts, and not {several}.")
    with tempfile.TemporaryDirectory() as scratch:
        files, path, waits = files_of(bundle, Path(scratch), notes)
    if REPORT in files and path == "." and not waits:
        try:
            notebooks.check(files[REPORT])
        except notebooks.Unreadable as reason:
            waits = str(reason)
    put(into / folder, files)
    paths = {path for each in bundles for path in each.paths}
    shared = min(paths, default="") if bundle.key != bundle.label else ""
    where = f"{folder}/{path}" if path != "." else folder
    return replace(account, path=where, time=bundle.time, order=bundle.order, files=len(paths), shared=shared,
                   notes=notes, waits=waits)  # fmt: skip


def files_of(bundle: Upload, scratch: Path, notes: list[str]) -> tuple[dict[str, bytes], str, str]:
    """({name: bytes}, which of them is the hand-in, "." for all of them, why its report waits). The notes get what was
    left out."""
    loose, archives = sorted_out(bundle, notes)
    taken = Submission(bundle.label)
    try:
        if archives and not any(parts[-1] == "scheduler.py" for parts in loose):
            name, load = archives.popitem()
            path = scratch / fit(name)
            data = load(MAX_UNPACKED)
            ours(path.write_bytes, data)
            try:
                taken = submission.read(path)
            except Refused as refused:
                notes.append(f"To be refused: {refused}.")
                return {path.name: data}, path.name, ""
            taken.files = {
                name: load(ACCEPTED[name] + 1) for (*_, name), load in loose.items() if name in ACCEPTED
            } | taken.files
            if len(taken.files.get(REPORT, b"")) > ACCEPTED[REPORT]:
                taken.waits = f"{REPORT} is larger than {ACCEPTED[REPORT] // 1_000_000} MB"
                del taken.files[REPORT]
        else:
            submission.take(taken, list(loose.items()))
    except Ours:
        raise
    except (Refused, *DAMAGED) as reason:
        notes.append(f"To be refused: {reason}.")
        return {REFUSED: zipped(dict(alike(loose)))}, REFUSED, ""
    notes += taken.notes
    if archives:
        notes.append(f"Not looked at: {', '.join(map(readable, archives))}.")
    return taken.files, ".", taken.waits


class Ours(OSError):
    """Something of this machine failed, and nothing that a student did."""


def ours(write: Callable[[bytes], object], data: bytes) -> None:
    try:
        write(data)
    except OSError as error:
        raise Ours(f"No room to look into an archive: {error}") from None


def sorted_out(bundle: Upload, notes: list[str]) -> tuple[dict[Parts, Load], dict[str, Load]]:
    """The files of a bundle by their paths, and its archives by their names; of two with one name the later counts."""
    loose, archives = {}, {}
    for parts, load in bundle.members:
        kind, key = (archives, parts[0]) if len(parts) == 1 and ARCHIVE.search(parts[0]) else (loose, parts)
        if kind.pop(key, None):
            notes.append(f"{readable('/'.join(parts))} was handed in more than once; the last one counts.")
        kind[key] = load
    for parts in list(loose):
        name = COPY.sub("", parts[-1])
        if name != parts[-1] and name in ACCEPTED and (*parts[:-1], name) not in loose:
            loose[*parts[:-1], name] = loose.pop(parts)
            notes.append(f"{readable(parts[-1])} was taken for {name}.")
    return loose, archives


def alike(loose: Mapping[Parts, Load]) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of what the grader needs to see, to refuse it for the same reason: all names, and the contents of
    what it would read."""
    for n, (parts, load) in enumerate(loose.items()):
        if n > MAX_MEMBERS:
            return
        name, data = submission.folded(parts[-1]), b""
        try:
            if name in ACCEPTED:
                data = load(ACCEPTED[name] + 1)
        except (Refused, *DAMAGED):
            continue
        yield readable("/".join(parts)), data


def put(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make the folder hold these files and nothing else; one that does is left alone."""
    if folder.is_dir() and {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == files:
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as scratch:
        fresh = Path(scratch, "fresh")
        for name, data in files.items():
            write(fresh / name, data)
        if folder.exists():
            os.replace(folder, Path(scratch, "old"))
        os.replace(fresh, folder)
