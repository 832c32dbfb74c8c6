"""Collecting: from what a platform lets you download to one folder per student with the files that are graded.

Only the names in submission.ACCEPTED are taken, as `submission.read` takes them. What it refuses is kept as it was
handed in: the grader meets it again and gives 0 with the reason. Running it again, with the same download or a newer
one, writes only what changed. It never deletes the hand-in of a student: who is missing in a later download keeps the
earlier one.
"""

import json
import os
import re
import tempfile
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from ... import submission
from ...archives import MAX_UNPACKED, Refused
from ...files import write
from ...handin import zipped
from ...submission import ACCEPTED, DAMAGED, Submission
from ...text import shown
from . import downloads
from .downloads import ARCHIVE
from .roster import SAFE_ID

INDEX = ".collected.json"  # no id begins with a dot
REFUSED = "refused.zip"
COPY = re.compile(r" ?\(\d+\)(?=\.\w+$)")  # what browsers add to a name that is there already


@dataclass
class HandedIn:
    """What counts as handed in by one student.

    student  the id in the roster, or what the platform calls somebody who is not there
    path     a folder with the files that are graded, or what the grader has to refuse; None where nothing was handed in
    time     when; an aware datetime, or None where nobody knows
    notes    for staff: which of several counts and why, what was left out, who is not in the roster
    """

    student: str
    path: Path | None = None
    time: datetime | None = None
    notes: list = field(default_factory=list)


def collect(source, into, roster=None):
    """Collect a download into the folder `into`, and list what is there now: everybody in the roster, in its order,
    then the others.

    source  a folder of folders and archives, or what Canvas, Moodle or Gradescope make, zipped or unpacked
    roster  a Roster; without one the ids are those of the download
    Raises DownloadError. What a student did never raises.
    """
    into = Path(into)
    earlier = {entry.student: entry for entry in collected(into)} if (into / INDEX).exists() else {}
    found = {}
    with downloads.bundles(source) as bundles:
        for bundle in bundles:
            student = roster and roster.find(**bundle.known)
            if student or is_a_submission(bundle):
                found.setdefault(student.id if student else fit(bundle.label), []).append(bundle)
        fresh = {student: take(student, several, into) for student, several in found.items()}
    entries = []
    for student in roster.students if roster else []:
        entry = fresh.pop(student.id, None) or kept(earlier.get(student.id)) or HandedIn(student.id)
        entries.append(replace(entry, time=student.submitted or entry.time))
    if not roster:
        fresh = {id: entry for id, entry in ((id, kept(entry)) for id, entry in earlier.items()) if entry} | fresh
    for entry in sorted(fresh.values(), key=lambda entry: entry.student):
        stranger = [f"{entry.student} is not in the roster."] if roster else []
        entries.append(replace(entry, notes=stranger + entry.notes))
    write(into / INDEX, json.dumps([plain(entry, into) for entry in entries], indent=1, ensure_ascii=False) + "\n")
    return entries


def collected(into):
    """What collect() listed last in the folder `into`. Raises FileNotFoundError where it never did."""
    entries = json.loads((Path(into) / INDEX).read_text(encoding="utf-8"))
    return [
        HandedIn(
            entry["student"],
            Path(into) / entry["path"] if entry["path"] else None,
            datetime.fromisoformat(entry["time"]) if entry["time"] else None,
            entry["notes"],
        )
        for entry in entries
    ]


def plain(entry, into):
    path = entry.path.relative_to(into).as_posix() if entry.path else None
    return {
        "student": entry.student,
        "path": path,
        "time": entry.time.isoformat() if entry.time else None,
        "notes": entry.notes,
    }


def kept(entry):
    """An earlier hand-in that is not in this download, unless somebody deleted it."""
    note = "Not in the last download; what was collected before it counts."
    if entry and entry.path and entry.path.exists():
        return replace(entry, notes=[*(text for text in entry.notes if text != note), note])
    return None


def is_a_submission(bundle):
    """False for a stray file in a folder of submissions, such as a list of names."""
    (parts, _), *more = bundle.members or [((), None)]
    return bool(more) or len(parts) != 1 or bool(ARCHIVE.search(parts[0])) or parts[0] in ACCEPTED


def fit(label):
    """A stranger's name as the name of a folder."""
    name = re.sub(r"[^\w.@-]", "_", label).lstrip(".@-_")[:100]
    return name if SAFE_ID.fullmatch(name) else "unnamed"


def take(student, bundles, into):
    """The HandedIn of one student, with its files in place. The latest hand-in counts."""
    *older, bundle = sorted(bundles, key=lambda bundle: bundle.order)
    notes = list(bundle.notes)
    if older:
        several = ", ".join(shown(each.label) for each in older)
        notes.append(f"Handed in {len(bundles)} times; the latest, {shown(bundle.label)}, counts, and not {several}.")
    with tempfile.TemporaryDirectory() as scratch:
        files, path = files_of(bundle, Path(scratch), notes)
    put(into / student, files)
    return HandedIn(student, into / student / path, bundle.time, notes)


def files_of(bundle, scratch, notes):
    """({name: bytes}, which of them is the hand-in, "." for all of them). The notes get what was left out."""
    loose, archives = sorted_out(bundle, notes)
    taken = Submission(bundle.label)
    try:
        if archives and not any(parts[-1] == "scheduler.py" for parts in loose):
            (name, load) = archives.popitem()
            path = scratch / fit(name)
            path.write_bytes(load(MAX_UNPACKED))
            try:
                taken = submission.read(path)
            except Refused as refused:
                notes.append(f"To be refused: {refused}.")
                return {path.name: path.read_bytes()}, path.name
            taken.files = {
                name: load(ACCEPTED[name] + 1) for (*_, name), load in loose.items() if name in ACCEPTED
            } | taken.files
        else:
            submission.take(taken, list(loose.items()))
    except (Refused, *DAMAGED) as reason:
        notes.append(f"To be refused: {reason}.")
        return {REFUSED: zipped(dict(alike(loose)))}, REFUSED
    notes += taken.notes
    if archives:
        notes.append(f"Not looked at: {', '.join(map(shown, archives))}.")
    return taken.files, "."


def sorted_out(bundle, notes):
    """({path parts: load}, {name: load} of archives) of a bundle; of two files of one name the later one counts."""
    loose, archives = {}, {}
    for parts, load in bundle.members:
        kind, key = (archives, parts[0]) if len(parts) == 1 and ARCHIVE.search(parts[0]) else (loose, parts)
        if kind.pop(key, None):
            notes.append(f"{shown('/'.join(parts))} was handed in more than once; the last one counts.")
        kind[key] = load
    for parts in list(loose):
        name = COPY.sub("", parts[-1])
        if name != parts[-1] and name in ACCEPTED and (*parts[:-1], name) not in loose:
            loose[*parts[:-1], name] = loose.pop(parts)
            notes.append(f"{shown(parts[-1])} was taken for {name}.")
    return loose, archives


def alike(loose):
    """(name, bytes) of what the grader needs to see, to refuse it for the same reason."""
    for parts, load in loose.items():
        name = submission.folded(parts[-1])
        if name in ACCEPTED:
            try:
                yield "/".join(parts), load(ACCEPTED[name] + 1)
            except (Refused, *DAMAGED):
                continue


def put(folder, files):
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
