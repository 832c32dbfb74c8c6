"""How platforms name the files of a download.

    Canvas      lastfirst_LATE_1234_56789_scheduler-1.py, all in one folder: the student's number, then the file's,
                which grows from upload to upload; -1 is Canvas's own where somebody handed in again. A group's file has
                the name of the group and the number of a member. What was typed: lastfirst_1234_text.html
    Moodle      First Last_1234_assignsubmission_file_/scheduler.py, or the same in one name without folders; of a team
                Team-First Last_..., once for each member; with blind marking Participant_...
    Gradescope  submission_1234/..., and submission_metadata.yml with submitters and times
    Blackboard  Homework_jdoe_attempt_2026-11-24-23-10-05_scheduler.py, and one .txt for each attempt
    a folder    one folder, zip or tar for each student, named by the id, or as GitHub Classroom clones: hw-<user>

Each function returns Uploads and {file: why it is in none}, or None where another platform made the download.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...intake import archives
from ...intake.submission import ACCEPTED
from ...text import readable
from .matching import KNOWN
from .roster import folded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .matching import Directory

    Parts = tuple[str, ...]  # of a path
    Load = Callable[[int], bytes]  # reads a file, up to that many bytes
    Arranged = tuple[list["Upload"], dict[str, str]]  # and {file: why it is in no upload}

METADATA = "submission_metadata.yml"
CANVAS = re.compile(r"(?=_(?P<number>\d+)_(?P<file>\d+)_(?P<file_name>.+))", re.S)  # also where they overlap
ANONYMOUS = re.compile(r"(?P<name>(?:LATE_)?anon_.+?)_(?P<file>\d+)_(?P<file_name>.+)", re.S)
TYPED = re.compile(r"(?P<name>.+)_(?P<number>\d+)_(?P<kind>text|link)\.html", re.S)
MOODLE = re.compile(
    r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_(?P<kind>file|onlinetext)_?(?P<file_name>.*)", re.S
)
BLACKBOARD = re.compile(
    r"(?P<who>.+)_attempt_(?P<when>\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)(?:_(?P<file_name>.+)|(?P<list>\.txt))", re.S
)
ARCHIVE = re.compile(r"(?i)\.(zip|tar|tgz|tar\.\w+|rar|7z)$")  # also those that the grader will refuse
COPY = re.compile(r" ?\((\d+)\)(?=(\.\w+)*$)")  # what browsers add to a name that is there already


class File(NamedTuple):
    """A file of a download: its path there, its parts within what holds the class, and what reads it. A folder has
    nothing that reads it."""

    path: str
    parts: Parts
    load: Load | None


class DownloadError(ValueError):
    """Nothing can be collected from there, for this reason."""


@dataclass
class Upload:
    """What one account handed in at one time.

    label    what the platform calls the account
    known    what Directory.match takes: id, number, email, name; and the team
    members  as in archives.members, in the order in which they were uploaded
    paths    the files of the download that this is made of
    time     where the platform tells it; without a zone it is of the course's clocks
    order    what tells an earlier hand-in of the same account from a later one: a number, then a text
    key      what tells this account from others; the label, where that does
    platform, reference: who takes feedback back, and by which numbers it knows this hand-in; or ""
    """

    label: str
    known: dict[str, str]
    members: Sequence[tuple[Parts, Load]]
    paths: list[str]
    time: datetime | None = None
    order: tuple[float, str] = (0.0, "")
    notes: list[str] = field(default_factory=list)
    key: str = ""
    platform: str = ""
    reference: str = ""

    def __post_init__(self) -> None:
        self.key = self.key or self.label


def tops(found: list[File]) -> tuple[dict[str, File], set[str]]:
    """What stands at the top: {name: file}, and the names of folders."""
    loose = {file.parts[0]: file for file in found if len(file.parts) == 1 and file.load}
    return loose, {file.parts[0] for file in found} - loose.keys()


# ----- Canvas -----


def canvas(found: list[File], directory: Directory | None) -> Arranged | None:
    """(lib/content_zipper.rb of Canvas has the rule for the names.)"""
    loose, _ = tops(found)
    splits = {name: canvas_name(name, directory) for name in loose}
    typed = {name: TYPED.fullmatch(name) for name in loose if not splits[name]}
    if 2 * sum(map(bool, [*splits.values(), *typed.values()])) < max(1, len(loose)):
        return None
    accounts, reasons = {}, {}
    for name, match in splits.items():
        if match:
            who, number, file, file_name = match
            accounts.setdefault((without_late(who), number), []).append((int(file), who, file_name, loose[name]))
    for name, match in typed.items():
        if match:
            who = without_late(match["name"])
            if (who, match["number"]) in accounts:
                kind = f"{match['kind']}.html"
                accounts[who, match["number"]].append((-1, match["name"], kind, loose[name]))
            else:
                reasons[loose[name].path] = (
                    f"typed into Canvas by {readable(who)}_{match['number']}, who handed in no file"
                )
    made = []
    for (name, number), files in accounts.items():
        files.sort(key=lambda file: file[0])
        late = any("LATE" in who for _, who, _, _ in files)
        notes = ["Canvas calls it late, and does not say by how much: see `submitted` in the roster."] * late
        members = [((re.sub(r"-\d+(?=\.\w+$)", "", file_name),), file.load) for _, _, file_name, file in files]
        known = {"number": number, "name": name} if number else {}
        label = f"{name}_{number}" if number else name
        paths, last = [file.path for *_, file in files], files[-1][0]
        made.append(Upload(label, known, members, paths, order=(float(last), ""), notes=notes,
                           platform="canvas", reference=f"{number or name}_{last}"))  # fmt: skip
    return made, reasons


def without_late(who: str) -> str:
    return re.sub("_LATE$|^LATE_", "", who)


def canvas_name(name: str, directory: Directory | None) -> tuple[str, str, str, str] | None:
    """(name, number or "", number of the file, name of the file) in the name of a file, or None.

    A name and a file can hold numbers as well, and both are chosen by students. Where there are several ways to read
    it, the last two numbers are Canvas's, unless another way agrees with the roster and cannot bring in a hand-in.
    """
    if match := ANONYMOUS.fullmatch(name):
        return match["name"], "", match["file"], match["file_name"]
    ways = [
        (name[: match.start()], match["number"], match["file"], match["file_name"])
        for match in CANVAS.finditer(name)
        if match.start()
    ]
    if len(ways) > 1 and directory:
        known = [way for way in ways if directory.evidence({"number": way[1]})]
        if len(known) == 1:
            (way,) = known
            match = directory.match({"number": way[1], "name": without_late(way[0])})
            harmless = not ARCHIVE.search(way[3]) and way[3] not in ACCEPTED
            if match.students and match.claim == KNOWN and harmless:
                return way
    return ways[-1] if ways else None


# ----- Moodle -----


def moodle(found: list[File], directory: Directory | None) -> Arranged | None:
    """(mod/assign of Moodle. A number is that of a participant in this assignment, so the name must tell who it is.)"""
    matches = {file: match for file in found if file.load and (match := MOODLE.fullmatch(file.parts[0]))}
    if not matches:
        return None
    accounts, reasons = {}, {}
    for file, match in matches.items():
        rest = tuple(filter(None, (match["file_name"], *file.parts[1:])))
        accounts.setdefault((match["name"], match["number"]), {}).setdefault(match["kind"], []).append((rest, file))
    in_teams = all("-" in name for name, _ in accounts)
    made = []
    for (name, number), kinds in accounts.items():
        typed = [file.path for _, file in kinds.get("onlinetext", [])]
        if "file" not in kinds:
            told = f"typed into Moodle by {readable(name)}_{number}, who handed in no file"
            reasons |= dict.fromkeys(typed, told)
            continue
        files = [(rest, file.load) for rest, file in kinds["file"] if rest]
        paths = [*(file.path for _, file in kinds["file"]), *typed]
        notes = ["Something was typed into Moodle as well."] * bool(typed)
        known = moodle_name(name, in_teams, directory)
        made.append(Upload(f"{name}_{number}", known, files, paths, notes=notes,
                           platform="moodle", reference=number))  # fmt: skip
    return made, reasons


def moodle_name(name: str, in_teams: bool, directory: Directory | None) -> dict[str, str]:
    """What is known of an account by its name, which begins with that of the team where all hand in as teams."""
    ways = [(name[:n], name[n + 1 :]) for n, letter in enumerate(name) if letter == "-"]
    if not in_teams or (directory and directory.evidence({"name": name})):
        return {"name": name}
    known = [way for way in ways if directory and directory.evidence({"name": way[1]})]
    team, person = known[0] if known else ways[0]
    return {"name": person, "team": team}


# ----- Gradescope -----


def gradescope(found: list[File], directory: Directory | None) -> Arranged | None:
    """What a group handed in counts for everybody in it; what is assigned to nobody is a stranger's."""
    loose, folders = tops(found)
    if METADATA not in loose:
        return None
    load = loose[METADATA].load
    assert load is not None  # it is no folder
    listed = metadata(load)
    made = []
    for folder in [*listed, *sorted(folders - listed.keys())]:
        entry = listed.get(folder, {})
        inside = [file for file in found if file.parts[0] == folder and len(file.parts) > 1 and file.load]
        files, paths = [(file.parts[1:], file.load) for file in inside if file.load], [file.path for file in inside]
        submitters = [person for person in entry.get(":submitters") or () if isinstance(person, dict)]
        everybody = ", ".join(readable(str(person.get(":name"))) for person in submitters)
        notes = [f"Handed in by a group: {everybody}."] if len(submitters) > 1 else []
        time = when(entry.get(":created_at"))
        if time is None:
            notes.append(f"Its time cannot be read: {readable(str(entry.get(':created_at')))}.")
        order = (time.timestamp() if time else 0.0, folder)
        back = {"platform": "gradescope", "reference": folder.rpartition("_")[2]}  # submission_1234 is 1234 there
        if not submitters and (inside or entry):
            notes.append("Gradescope assigns it to nobody.")
            made.append(Upload(folder, {}, files, paths, time, order, notes, **back))
        for person in submitters:
            known = {key: str(person.get(f":{column}") or "").strip()
                     for key, column in (("number", "sid"), ("email", "email"), ("name", "name"))}  # fmt: skip
            label = known["number"] or known["email"] or known["name"] or folder
            key = "\n".join(known.values()).strip() or folder
            known["id"] = known["number"]
            made.append(Upload(label, known, files, paths, time, order, list(notes), key, **back))
    if made:
        made[0].paths = [*made[0].paths, loose[METADATA].path]
    return made, {}


def when(value: object) -> datetime | None:
    """A time of the metadata in UTC, which YAML may leave as a text; None for one without a zone."""
    try:
        time = datetime.fromisoformat(re.sub(r" (?=[+Z-])", "", str(value)))
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo else None


def metadata(load: Load) -> dict[str, dict[str, Any]]:
    """submission_metadata.yml as {folder: entry}. Ruby wrote it, so keys have a colon and tags may be Ruby's own."""
    import yaml  # a large class has megabytes of it, so that C's loader is worth asking for

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        def untagged(self, _: str, node: Any) -> Any:
            build = {"scalar": self.construct_scalar, "sequence": self.construct_sequence}
            return build.get(node.id, lambda node: self.construct_mapping(node, deep=True))(node)

    Loader.add_multi_constructor("!", Loader.untagged)
    try:
        entries = dict(yaml.load(load(1 << 30), Loader) or {})
    except (archives.Refused, yaml.YAMLError, TypeError, ValueError) as error:
        raise DownloadError(f"{METADATA} cannot be read: {str(error).splitlines()[0]}") from None
    return {str(folder): entry for folder, entry in entries.items() if isinstance(entry, dict)}


# ----- Blackboard -----


def blackboard(found: list[File], directory: Directory | None) -> Arranged | None:
    """The name of the assignment stands before that of the user, and either may hold the sign between them. Times are
    those of the institution's clocks."""
    loose, _ = tops(found)
    matches = {name: match for name in loose if (match := BLACKBOARD.fullmatch(name))}
    if not matches:
        return None
    users = without_prefix({match["who"] for match in matches.values()}, "_", directory)
    attempts, reasons = {}, {}
    for name, match in matches.items():
        attempts.setdefault((users[match["who"]], match["when"]), []).append((match["file_name"], loose[name]))
    made = []
    for (user, when), files in attempts.items():
        members = [((file_name,), file.load) for file_name, file in files if file_name]
        paths = [file.path for _, file in files]
        if not members:
            reasons |= dict.fromkeys(paths, f"an attempt of {readable(user)} without a file")
            continue
        order = (float(when.replace("-", "")), when)
        try:
            time = datetime.strptime(when, "%Y-%m-%d-%H-%M-%S")
        except ValueError:
            time = None
        made.append(Upload(user, {"id": user}, members, paths, time, order))
    return made, reasons


def without_prefix(names: set[str], sign: str, directory: Directory | None) -> dict[str, str]:
    """{name: what is left of it without what all begin with}, up to a `sign`. Of several such beginnings the one that
    leaves the most ids of the roster."""
    first, last, shortest = min(names), max(names), min(map(len, names))
    common = next((n for n in range(shortest) if first[n] != last[n]), shortest)
    cuts = [n + 1 for n, letter in enumerate(first[:common]) if letter == sign and n + 1 < shortest]
    if not cuts:
        return {name: name for name in names}

    def ids(cut: int) -> int:
        return sum(name[cut:] in directory.exact["id"] for name in names) if directory else 0

    best = max(cuts, key=lambda cut: (ids(cut), cut))
    return {name: name[best:] for name in names}


# ----- folders -----


def plain(found: list[File], source: Path, directory: Directory | None) -> Arranged:
    """One folder or archive for each student. A file's date is that of its last copy: it tells which of two is newer,
    and is no time of a hand-in."""
    loose, folders = tops(found)
    labels = {name: name for name in folders}
    labels |= {name: COPY.sub("", ARCHIVE.sub("", name)) for name in loose if ARCHIVE.search(name)}
    if directory:  # one file with somebody's id for a name is theirs
        stems = {name: Path(name).stem for name in loose.keys() - labels.keys()}
        labels |= {name: stem for name, stem in stems.items() if directory.match({"id": stem}).students}
    cloned = cut_as_cloned(set(labels.values()), directory)
    made = []
    for name, label in labels.items():
        user = cloned.get(label, label)
        inside = [file for file in found if file.parts[0] == name]
        files = [file for file in inside if file.load]
        path = source.joinpath(*Path(inside[0].path).parts[: -len(inside[0].parts)], name) if source.is_dir() else None
        copy = COPY.search(ARCHIVE.sub("", name))
        order = (path.lstat().st_mtime if path else float(copy[1]) if copy else 0.0, name)
        members = [(file.parts if name in loose else file.parts[1:], file.load) for file in inside if file.load]
        notes = [] if files else ["The folder is empty."]
        known = {"id": user} | ({"team": user} if folded(user) else {})
        made.append(Upload(label, known, members, [file.path for file in files], order=order, notes=notes))
    told = "it is neither a folder, an archive nor a file with somebody's id for a name"
    return made, {file.path: told for name, file in loose.items() if name not in labels}


def cut_as_cloned(labels: set[str], directory: Directory | None) -> dict[str, str]:
    """{label: user} where the folders are clones of GitHub Classroom, and users are ids."""
    if not directory or any(label in directory.exact["id"] for label in labels):
        return {}
    users = without_prefix(labels, "-", directory) if labels else {}
    return users if any(user in directory.exact["id"] for user in users.values()) else {}
