"""Taking: from what a platform lets you download to one folder per student with the files that are graded.

Running it again, with the same download or a newer one, writes only what changed. It never deletes the hand-in of a
student: who is missing in a later download keeps the earlier one. Of several hand-ins the latest lies in the student's
folder, and each earlier one beside it, in a folder whose name ends with ~ and a digest.

What lies in the folder is listed by account; whose account it is, is decided anew at each command (collecting.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import unicodedata
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ...files import write
from ...text import readable
from ..store import Store
from . import downloads
from .contents import contents_of
from .platforms import DownloadError
from .roster import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .platforms import Upload
    from .roster import Roster

INDEX = ".collected"  # no id begins with a dot


@dataclass
class Attempt:
    """A hand-in that is not the latest of its account; all as in Account."""

    digest: str
    path: str
    time: datetime | None
    order: tuple[float, str]
    notes: list[str] = field(default_factory=list)
    waits: str = ""


@dataclass
class Account:
    """The latest that was handed in by one account of a platform.

    label   what the platform calls it
    name    what the class calls it while nobody knows whose it is: unique, and fit to be a folder's name
    known   what the platform says of it, for matching.py
    path    below the folder of submissions
    time    when, as in platforms.Upload
    order   as in platforms.Upload
    files   how many of the last download
    last    whether it is in the last download
    shared  what tells a group's files, that several accounts have, from others; or ""
    notes   for staff: which of several counts, what was left out
    waits   why the report cannot be marked as it was handed in, or ""
    digest  of the files that were taken
    earlier what else the account handed in, the oldest first
    platform, reference: of the latest, as in platforms.Upload
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
    digest: str = ""
    earlier: tuple[Attempt, ...] = ()
    platform: str = ""
    reference: str = ""


@dataclass
class Collection:
    """All that was collected.

    accounts  by their keys
    unread    {file: why it was not understood}
    settled   whether staff said that who is absent is absent
    counting  {student: digest of the hand-in that counts}, of those for whom it is not the latest
    """

    accounts: dict[str, Account] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    settled: bool = False
    counting: dict[str, str] | None = None

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
        before = Collection.load(into)
    except FileNotFoundError:
        before = Collection()
    earlier = before.accounts
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
            accounts[key] = take(accounts[key], several, into, folder, earlier.get(key))
        unread = {}
        for path, why in download.unread.items():
            unread[unique(readable(path, limit=None), set(map(fold_name, unread)))] = why
    for key in earlier.keys() & accounts.keys():
        if (old := earlier[key].path.partition("/")[0]) not in taken:
            remove(into / old)
    left = {
        key: replace(account, files=0, last=False) for key, account in earlier.items() if (into / account.path).exists()
    }
    collection = Collection(left | accounts, unread, counting=before.counting)
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


def remove(folder: Path) -> None:
    """Take away the copy of a hand-in that was collected into another folder now."""
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def take(account: Account, bundles: list[Upload], into: Path, folder: str, before: Account | None) -> Account:
    """The account with its files in place.

    before  the account as it was collected earlier; what it handed in then stays
    """
    *older, bundle = sorted(bundles, key=lambda bundle: bundle.order)
    files, path, waits, notes = contents_of(bundle)
    if older:
        several = ", ".join(readable(each.order[1] or each.label) for each in older)
        told = readable(bundle.order[1] or bundle.label)
        told = f"the latest, {told}, counts, and not {several}."
        notes.insert(len(bundle.notes), f"Handed in {len(bundles)} times; {told}")
    latest = Attempt(digest(files), path, bundle.time, bundle.order)
    attempts = list(kept_apart(before, latest, into)) if before else []
    for each in older:
        contents, path, reason, told = contents_of(each)
        attempts.append(Attempt(digest(contents), path, each.time, each.order, told, reason))
        lay_apart(attempts[-1], contents, into, folder)
    put(into / folder, files)
    paths = {path for each in bundles for path in each.paths}
    shared = min(paths, default="") if bundle.key != bundle.label else ""
    where = f"{folder}/{latest.path}" if latest.path != "." else folder
    apart = {
        (each.digest, each.time): each
        for each in sorted(attempts, key=lambda each: each.order)
        if not again(each, latest)
    }
    return replace(account, path=where, time=bundle.time, order=bundle.order, files=len(paths), shared=shared,
                   notes=notes, waits=waits, digest=latest.digest, earlier=tuple(apart.values()),
                   platform=bundle.platform, reference=bundle.reference)  # fmt: skip


def again(attempt: Attempt, latest: Attempt) -> bool:
    """Whether an attempt is the latest one, which was collected before."""
    return attempt.digest == latest.digest and attempt.time in (None, latest.time)


def digest(files: Mapping[str, bytes]) -> str:
    """What tells the files of a hand-in from those of another."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:12]


def lay_apart(attempt: Attempt, files: Mapping[str, bytes], into: Path, folder: str) -> None:
    """Put the files of a hand-in that is not the latest into a folder of its own."""
    put(into / f"{folder}~{attempt.digest}", files)
    attempt.path = path_apart(attempt, folder)


def path_apart(attempt: Attempt, folder: str) -> str:
    return f"{folder}~{attempt.digest}" + (f"/{attempt.path}" if attempt.path != "." else "")


def kept_apart(before: Account, latest: Attempt, into: Path) -> tuple[Attempt, ...]:
    """All that an account handed in before. What lies in the account's own folder, where the latest will lie, is copied
    first, so that a run that is killed loses none."""
    folder, _, path = before.path.partition("/")
    known = before.digest or digest(files_in(into / folder))  # an older version of the kit kept none
    last = Attempt(known, path or ".", before.time, before.order, before.notes, before.waits)
    if again(last, latest):
        return before.earlier
    there = files_in(into / folder)
    if digest(there) == last.digest:
        lay_apart(last, there, into, folder)
    elif (into / f"{folder}~{last.digest}").is_dir():  # a run was killed after it had done so
        last.path = path_apart(last, folder)
    else:
        return before.earlier
    return (*before.earlier, last)


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*") if path.is_file()}


def put(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make the folder hold these files and nothing else; one that does is left alone."""
    if folder.is_dir() and files_in(folder) == files:
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as scratch:
        fresh = Path(scratch, "fresh")
        for name, data in files.items():
            write(fresh / name, data)
        if folder.exists():
            os.replace(folder, Path(scratch, "old"))
        os.replace(fresh, folder)
