"""From what one account uploaded at one time to the few files that are taken, as `submission.read` takes them. What it
refuses is kept so that the grader meets it again and gives 0 with the reason."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ...intake import parsing, submission
from ...intake.archives import MAX_MEMBERS, MAX_UNPACKED, Refused
from ...intake.handin import zipped
from ...intake.submission import ACCEPTED, DAMAGED, REPORT, Submission
from ...text import readable
from .platforms import ARCHIVE, COPY
from .roster import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .platforms import Load, Parts, Upload

REFUSED = "refused.zip"
NOTEBOOKS = f"{__package__}.notebooks"  # by name: only who reads one waits two seconds for nbformat


def contents_of(bundle: Upload) -> tuple[dict[str, bytes], str, str, list[str]]:
    """({name: bytes}, which of them is the hand-in, "." for all of them, why its report waits, notes for staff)."""
    notes = list(bundle.notes)
    with tempfile.TemporaryDirectory() as scratch:
        files, path, waits = files_of(bundle, Path(scratch), notes)
    if REPORT in files and path == "." and not waits:
        try:
            parsing.parse(NOTEBOOKS, "check", files[REPORT])
        except parsing.Unparsable as why:
            waits = unread(why)
    return files, path, waits, notes


def unread(why: parsing.Unparsable) -> str:
    """Why a notebook has to wait for a person."""
    return str(why) if why.type == "Unreadable" else f"report.ipynb cannot be read as a notebook: {why}"


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
