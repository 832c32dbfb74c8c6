"""What platforms let an instructor download, and plain folders: whose files lie where, and when they were handed in.

    Canvas      lastfirst_LATE_1234_56789_scheduler-1.py, all in one folder: the student's number, then the file's,
                which grows from upload to upload; -1 is Canvas's own where somebody handed in again
    Moodle      First Last_1234_assignsubmission_file_/scheduler.py, or the same in one name without folders
    Gradescope  submission_1234/..., and submission_metadata.yml with submitters and times
    a folder    one folder, zip or tar for each student, named by the id

Each may be the zip that was downloaded, or unpacked. Links are never followed and nothing is extracted.
"""

import os
import re
import zipfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ... import archives
from ...submission import ACCEPTED, DAMAGED, loader
from ...text import shown

METADATA = "submission_metadata.yml"
CANVAS = re.compile(
    r"(?P<who>(?P<name>\w+?)_(?:LATE_)?(?P<number>\d+)|(?:LATE_)?anon_\w+?)_(?P<file>\d+)_(?P<file_name>.+)"
)
MOODLE = re.compile(r"(?P<name>[^_]+)_(?P<number>\d+)_assignsubmission_(?P<kind>file|onlinetext)_?(?P<file_name>.*)")
ARCHIVE = re.compile(r"(?i)\.(zip|tar|tgz|tar\.\w+|rar|7z)$")  # also those that the grader will refuse
JUNK = re.compile(r"__MACOSX|\.DS_Store|Thumbs\.db|desktop\.ini|\._.*")


class DownloadError(ValueError):
    """Nothing can be collected from there, for this reason."""


@dataclass
class Bundle:
    """What one student handed in at one time.

    label    what the platform calls the student
    known    what Roster.find takes: id, number, email, name
    members  [(path parts, load)] as in archives.members, in the order in which they were uploaded
    time     aware, where the platform tells it
    order    what tells an earlier hand-in of the same student from a later one
    """

    label: str
    known: dict
    members: list
    time: datetime | None = None
    order: tuple = ()
    notes: list = field(default_factory=list)


@contextmanager
def bundles(source):
    """The Bundles of a download, readable while the context lasts. Raises DownloadError."""
    source = Path(source)
    with ExitStack() as stack:
        try:
            made = arranged(stack.enter_context(members(source)), source)
        except DownloadError:
            raise
        except DAMAGED as error:
            raise DownloadError(f"{source} cannot be read: {error}") from None
        yield made


def members(source):
    if source.is_dir():
        return walked(source)
    if not source.exists():
        raise DownloadError(f"There is no {source}. Give a folder of submissions, or the zip that a platform made")
    if not zipfile.is_zipfile(source):
        raise DownloadError(f"{source} is neither a folder nor a zip; unpack it and give the folder")
    return archives.download(source)


@contextmanager
def walked(folder):
    """Members of a folder like those of an archive, five levels deep."""

    def found():
        for place, folders, names in os.walk(folder):
            depth = len(Path(place).relative_to(folder).parts)
            folders[:] = sorted(folders) if depth < 4 else []
            for name in sorted(names):
                path = Path(place, name)
                yield path.relative_to(folder).parts, loader(path)

    yield list(found())


def arranged(found, source):
    """The Bundles in a list of members, whichever platform named them. All of them may lie in one folder."""
    found = [(parts, load) for parts, load in found if not any(map(JUNK.fullmatch, parts))]
    wrapped = len({parts[0] for parts, _ in found}) == 1 and all(len(parts) > 1 for parts, _ in found)
    for inner in (found, [(parts[1:], load) for parts, load in found] if wrapped else []):
        names = {parts[0] for parts, _ in inner}
        loose = [parts[0] for parts, _ in inner if len(parts) == 1]
        if METADATA in loose:
            return gradescope(inner)
        if any(map(MOODLE.fullmatch, names)):
            return moodle(inner)
        if loose and sum(map(bool, map(CANVAS.fullmatch, loose))) * 2 > len(loose):  # answers in a text box are others
            return canvas(inner)
    if ACCEPTED.keys() & {parts[0] for parts, _ in found if len(parts) == 1}:
        raise DownloadError(f"{source} is one submission; give the folder or zip that holds those of the class")
    return plain(found, source)


def canvas(found):
    """(lib/content_zipper.rb of Canvas has the rule for the names.)"""
    students = {}
    for parts, load in found:
        if len(parts) == 1 and (match := CANVAS.fullmatch(parts[0])):
            students.setdefault(re.sub("_LATE_|^LATE_", "_", match["who"]).strip("_"), []).append((match, load))
    made = []
    for who, files in students.items():
        files.sort(key=lambda file: int(file[0]["file"]))
        first = files[0][0]
        notes = ["Canvas calls it late, and does not say by how much: see `submitted` in the roster."]
        renamed = [((re.sub(r"-\d+(?=\.\w+$)", "", match["file_name"]),), load) for match, load in files]
        known = {"number": first["number"], "name": first["name"]} if first["number"] else {}
        made.append(Bundle(who, known, renamed, notes=notes if "LATE_" in first["who"] else []))
    return made


def moodle(found):
    """(mod/assign of Moodle. A number is that of a participant in this assignment, so the name must tell who it is.)"""
    students = {}
    for parts, load in found:
        match = MOODLE.fullmatch(parts[0])
        if match and match["kind"] == "file":
            rest = (match["file_name"], *parts[1:]) if match["file_name"] else parts[1:]
            if rest:
                students.setdefault((match["name"], match["number"]), []).append((rest, load))
    return [Bundle(f"{name}_{number}", {"name": name}, files) for (name, number), files in students.items()]


def gradescope(found):
    """What a group handed in counts for everybody in it."""
    made = []
    for folder, entry in metadata(next(load for parts, load in found if parts == (METADATA,))).items():
        files = [(parts[1:], load) for parts, load in found if parts[0] == folder and len(parts) > 1]
        submitters = [person for person in entry.get(":submitters") or () if isinstance(person, dict)]
        everybody = ", ".join(shown(str(person.get(":name"))) for person in submitters)
        notes = [f"Handed in by a group: {everybody}."] if len(submitters) > 1 else []
        time = when(entry.get(":created_at"))
        if time is None:
            notes.append(f"Its time cannot be read: {shown(str(entry.get(':created_at')))}.")
        order = (time or datetime.min.replace(tzinfo=UTC), folder)
        for person in submitters:
            known = {key: str(person.get(f":{column}") or "")
                     for key, column in (("number", "sid"), ("email", "email"), ("name", "name"))}  # fmt: skip
            label = known["number"] or known["email"] or known["name"] or folder
            made.append(Bundle(label, known | {"id": known["number"]}, files, time, order, list(notes)))
    return made


def when(value):
    """A time of the metadata in UTC, which YAML may leave as a text; None for one without a zone."""
    try:
        time = datetime.fromisoformat(re.sub(r" (?=[+Z-])", "", str(value)))
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo else None


def metadata(load):
    """submission_metadata.yml as {folder: entry}. Ruby wrote it, so keys have a colon and tags may be Ruby's own."""
    import yaml  # a large class has megabytes of it, so that C's loader is worth asking for

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        def untagged(self, _, node):
            build = {"scalar": self.construct_scalar, "sequence": self.construct_sequence}
            return build.get(node.id, lambda node: self.construct_mapping(node, deep=True))(node)

    Loader.add_multi_constructor("!", Loader.untagged)
    try:
        entries = dict(yaml.load(load(1 << 30), Loader) or {})
    except (archives.Refused, yaml.YAMLError, TypeError, ValueError) as error:
        raise DownloadError(f"{METADATA} cannot be read: {str(error).splitlines()[0]}") from None
    return {str(folder): entry for folder, entry in entries.items() if isinstance(entry, dict)}


def plain(found, source):
    """One folder or archive for each student. A file's date is that of its last copy: it tells which of two is newer,
    and is no time of a hand-in."""
    entries = {}
    for parts, load in found:
        entries.setdefault(parts[0], []).append((parts, load))
    made = []
    for name, files in entries.items():
        order = ((source / name).lstat().st_mtime if source.is_dir() else 0.0, name)
        if any(len(parts) == 1 for parts, _ in files):  # a file; in a zip there may be a folder of its name as well
            files = [(parts, load) for parts, load in files if len(parts) == 1]
            label = ARCHIVE.sub("", name) if ARCHIVE.search(name) else Path(name).stem
            made.append(Bundle(label, {"id": label}, files, order=order))
        else:
            made.append(Bundle(name, {"id": name}, [(parts[1:], load) for parts, load in files], order=order))
    return made
