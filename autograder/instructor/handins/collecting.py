"""Collecting: the list of a class, everybody in the roster, then the strangers, with what each handed in.

It is made anew by each command, from what was collected and from the files of the class as they are now: roster.csv,
aliases.csv (`stranger,id`: whose a stranger's hand-in, or nobody's where the id is empty) and teams.csv (`team,id`).

The law of a class stands here: every file of a download is a student's, a named stranger's, or named as not understood.
While one of the two is open, who handed in nothing waits: the work may be theirs, and they are no 0.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from ...files import write
from ...language import N_, _
from ...text import readable
from . import roster, tables
from .matching import Directory, Match, matched
from .roster import Roster, RosterError
from .taking import Collection, fold_name, take_all, unique

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .taking import Account

    # What tells the latest of several accounts, and what one of them handed in, the oldest first.
    Dated = tuple[tuple[bool, float, str], list["HandedIn"]]

SUBMISSIONS, ROSTER, ALIASES, TEAMS = "submissions", "roster.csv", "aliases.csv", "teams.csv"
GUESS = "#? "  # before a line of aliases.csv that the kit proposes
EXPLAINED = """# Whose is it? `stranger,id` gives a stranger's hand-in to a student; of a file that was not understood
# it says that the student sent nothing else. `stranger,` says that it is nobody's in this class. Both settle it.
# Lines with #? are guesses: take #? away where they are right.
"""
LATER = "Not in the last download; what was collected before it counts."


@dataclass
class HandedIn:
    """What counts as handed in by one student.

    student   the id in the roster, or what the class calls somebody who is not there
    path      a folder with the files that are graded, or what the grader has to refuse; None where there is nothing
    time      when; aware, or None where nobody knows
    notes     for staff: which of several counts and why, what was left out, who is not in the roster
    stranger  whether nobody in the roster is meant
    waits     why somebody who handed in nothing is not graded yet, or ""
    report    why the report cannot be marked as it was handed in, or ""
    digest    of its files, where it is not the latest of the student's hand-ins; else ""
    several   all that the student handed in, the oldest first, where that is more than this
    platform, reference: where feedback goes back to, as in platforms.Upload; those of the account's latest hand-in
    """

    student: str
    path: Path | None = None
    time: datetime | None = None
    notes: list[str] = field(default_factory=list)
    stranger: bool = False
    waits: str = ""
    report: str = ""
    digest: str = ""
    several: list[HandedIn] = field(default_factory=list)
    platform: str = ""
    reference: str = ""

    @property
    def key(self) -> str:
        """What its grade is kept by: the student, and for an earlier hand-in its digest. (No id has a ~.)"""
        return f"{self.student}~{self.digest}" if self.digest else self.student

    @property
    def attempts(self) -> list[HandedIn]:
        """All that the student handed in, the oldest first."""
        return [replace(each, student=self.student) for each in self.several] or [self]

    @property
    def place(self) -> str:
        """Which of several this is, in words; "" where there is no other."""
        if not self.several:
            return ""
        number = 1 + [each.digest for each in self.several].index(self.digest)
        says = N_("Of {count} hand-ins, number {n} counts")
        if self.time:
            says = N_("Of {count} hand-ins, number {n} ({time}) counts")
        time = self.time.isoformat(" ", "seconds") if self.time else ""
        return _(says, count=len(self.several), n=number, time=time)


class ClassList(list[HandedIn]):
    """What everybody in the roster handed in, in its order, then what strangers did.

    files      {"students", "strangers", "not understood": number of files of the last download}
    strangers  {name: why nobody is meant}, of those that are open
    unread     {file: why it was not understood}, of those that are open
    doubts     {name: what is doubtful}, of hand-ins that may be somebody else's as well
    waiting    ids of those who handed in nothing, while it may be among these
    """

    files: dict[str, int]
    strangers: dict[str, str]
    unread: dict[str, str]
    doubts: dict[str, str]

    def __init__(self, entries: Iterable[HandedIn] = ()) -> None:
        super().__init__(entries)
        self.files = {"students": 0, "strangers": 0, "not understood": 0}
        self.strangers, self.unread, self.doubts = {}, {}, {}

    @property
    def waiting(self) -> list[str]:
        return [entry.student for entry in self if entry.waits]

    @property
    def open(self) -> bool:
        """Whether anything has to be settled by a person."""
        return bool(self.strangers or self.unread or self.waiting)

    def summary(self) -> list[str]:
        """Lines for staff: where every file went, and what is open."""
        of, few = self.files, dict(list(self.strangers.items())[:10])
        lines = [
            f"Of {sum(of.values())} files, {of['students']} are of students, {of['strangers']} of strangers, "
            f"{of['not understood']} not understood."
        ]
        lines += [f"Stranger: {name}. {why}." for name, why in few.items()]
        lines += [f"Not understood: {file}: {why}." for file, why in list(self.unread.items())[:10]]
        lines += [f"In doubt: {name}. {why}." for name, why in list(self.doubts.items())[:10] if self.waiting]
        hidden = sum(max(0, len(each) - 10) for each in (self.strangers, self.unread))
        lines += [f"{hidden} more are on index.html."] * bool(hidden)
        if self.open:
            lines.append(f"To settle these: {ALIASES}, where the best guesses stand; then the same command again.")
        if self.waiting:
            names = ", ".join(self.waiting[:10]) + (" ..." if len(self.waiting) > 10 else "")
            lines.append(
                f"{len(self.waiting)} handed in nothing and wait, as their work may be among these: {names}. With "
                "ARGS=--absent-are-absent they get 0."
            )
        return lines


@dataclass
class People:
    """Who is in a class: its roster; {stranger: id, or "" for nobody}; {team: ids}; the time zone of its clocks."""

    roster: Roster | None = None
    aliases: dict[str, str] = field(default_factory=dict)
    teams: dict[str, list[str]] = field(default_factory=dict)
    zone: tzinfo | None = None

    @classmethod
    def read(cls, folder: Path) -> People:
        """From what staff wrote into the folder of the class, as it is now. Raises RosterError."""
        path, aliases, teams = Path(folder, ROSTER), {}, {}
        known = roster.read(path) if path.exists() else None
        for where, name, id in pairs(Path(folder, ALIASES), "stranger"):
            if id:
                if known is None:
                    raise RosterError(f"{where}, column id: there is no roster, so nobody has the id {id!r}")
                if id not in known.ids:
                    raise RosterError(f"{where}, column id: {id!r} is not in the roster")
            if aliases.get(name, id) != id:
                raise RosterError(f"{where}, column stranger: {name!r} is there already, with another id")
            aliases[name] = id
        for _name, team, id in pairs(Path(folder, TEAMS), "team"):  # who has left the roster is nobody's concern
            teams.setdefault(team, []).append(id)
        return cls(known, aliases, teams)


def pairs(path: Path, name: str) -> list[tuple[str, str, str]]:
    """(where, name, id) for each row of a table with two columns; none where there is no table. Raises RosterError."""
    if not path.exists():
        return []
    try:
        table = tables.read(path, comments=True)
    except tables.TableError as error:
        raise RosterError(str(error)) from None
    if not table.head:
        return []
    names = [column.lower() for column in table.head]
    if name not in names or "id" not in names:
        raise RosterError(f"{path}, line 1: it needs the columns {name} and id, and has {', '.join(table.head)}")
    first, second = names.index(name), names.index("id")
    return [(table.where(line), cells[first].strip(), cells[second].strip()) for line, cells in table.rows]


def collect(
    source: Path,
    into: Path,
    roster: Roster | None = None,
    aliases: dict[str, str] | None = None,
    teams: dict[str, list[str]] | None = None,
) -> ClassList:
    """Collect a download into the folder `into`.

    source  a folder of folders and archives, or what a platform makes, zipped or unpacked
    roster  without one the ids are those of the download
    Raises DownloadError, and OSError where this machine fails. What a student did never raises.
    """
    people = People(roster, aliases or {}, teams or {})
    take_all(source, into, roster, lambda accounts: owners(accounts, people))
    return load_class(into, people)


def load_class(into: Path, people: People | None = None) -> ClassList:
    """The list of what lies in the folder `into`. Raises FileNotFoundError where nothing was collected."""
    people, collection = people or People(), Collection.load(into)
    return listing(collection, whose(collection.accounts, people), people, Path(into))


def keep_roster(path: Path, folder: Path) -> None:
    """Make a file the roster of a class. Raises RosterError for one that cannot be."""
    roster.read(path)
    write(Path(folder, ROSTER), Path(path).read_bytes())


def collect_class(source: Path, folder: Path) -> None:
    """Collect a download into the folder of a class. Raises DownloadError, RosterError and OSError."""
    people = People.read(folder)
    take_all(source, Path(folder, SUBMISSIONS), people.roster, lambda accounts: owners(accounts, people))


def class_list(folder: Path, settle: bool | None = None, zone: tzinfo | None = None) -> tuple[ClassList, Roster | None]:
    """The list and the roster of a class as it is now; brings the guesses in aliases.csv up to date.

    settle  whether staff said just now that who is absent is absent; None to keep what was said
    zone    of the course, for times that a platform tells without one
    Raises FileNotFoundError where nothing was collected, and RosterError.
    """
    folder, people = Path(folder), replace(People.read(folder), zone=zone)
    collection = Collection.load(folder / SUBMISSIONS)
    if settle is not None and settle != collection.settled:
        collection.settled = settle
        collection.save(folder / SUBMISSIONS)
    found = whose(collection.accounts, people)
    listed = listing(collection, found, people, folder / SUBMISSIONS)
    propose(folder / ALIASES, {collection.accounts[key].name: (collection.accounts[key], match)
                               for key, match in found.items()}, listed, people)  # fmt: skip
    return listed, people.roster


def keep_counting(folder: Path, class_list: ClassList) -> None:
    """Keep which hand-in of each student counts now, for the commands to come."""
    counting = {entry.student: entry.digest for entry in class_list if entry.digest}
    collection = Collection.load(Path(folder, SUBMISSIONS))
    if (collection.counting or {}) != counting:
        collection.counting = counting
        collection.save(Path(folder, SUBMISSIONS))


def owners(accounts: Mapping[str, Account], people: People) -> dict[str, str | None]:
    """{key: id of the one whose account it is, or None}, for the names of folders."""
    found = whose(accounts, people)
    return {key: match.students[0] if len(match.students) == 1 else None for key, match in found.items()}


def whose(accounts: Mapping[str, Account], people: People) -> dict[str, Match]:
    """Whose each account is, by its key. Without a roster everybody is who the platform says."""
    if not people.roster:
        return {key: Match((account.name,)) for key, account in accounts.items()}
    facts = {key: (account.label, account.name, account.known, account.last) for key, account in accounts.items()}
    return matched(facts, people.roster, people.aliases, people.teams)


def listing(collection: Collection, found: Mapping[str, Match], people: People, into: Path) -> ClassList:
    """The list of what was collected, once it is known whose each account is."""
    accounts, listed = collection.accounts, ClassList()
    mine, strangers = {}, []
    for key, match in found.items():
        account = accounts[key]
        told = f"{match.note}." if match.students else f"{account.name} is not in the roster. {match.note}."
        notes = [told] * bool(match.note or not match.students)
        entries = handed_in(account, into, notes, not match.students, people.zone)
        for id in match.students:
            theirs = [replace(entry, student=id) for entry in entries]
            mine.setdefault(id, []).append(((account.last, *account.order), theirs))
        if not match.students:
            strangers.append(entries)
            if people.aliases.get(account.name, people.aliases.get(account.label)) is None:
                listed.strangers[account.name] = match.note
        if match.doubt:
            listed.doubts[account.name] = match.note
    listed.unread = {file: why for file, why in collection.unread.items() if file not in people.aliases}
    only = {}
    for file in collection.unread.keys() & people.aliases.keys():
        only.setdefault(people.aliases[file], []).append(f"{file} is all that came, and it was not understood.")
    count(listed, collection, found)
    chosen = {id: latest(entries) for id, entries in mine.items()}
    for team, ids in people.teams.items():
        share(team, [id for id in ids if people.roster and id in people.roster.ids], chosen)
    all_of = {id: entries for id, (_, entries) in chosen.items()}
    for student in people.roster.students if people.roster else []:
        *earlier, entry = all_of.pop(student.id, None) or [HandedIn(student.id, notes=only.get(student.id, []))]
        entry = replace(entry, student=student.id, time=student.submitted or entry.time)
        listed.append(one_of([*earlier, entry], collection.counting or {}))
    used = {fold_name(entry.student) for entry in listed}
    for *earlier, entry in sorted([*all_of.values(), *strangers], key=lambda entries: entries[-1].student):
        entry = replace(entry, student=unique(entry.student, used))
        listed.append(one_of([*earlier, entry], collection.counting or {}))
        used.add(fold_name(entry.student))
    if collection.settled:
        listed.strangers, listed.unread, listed.doubts = {}, {}, {}
    elif listed.strangers or listed.unread or listed.doubts:
        told = "Nothing is known to be handed in, but strangers or files that were not understood are: see aliases.csv"
        settled = only.keys()
        listed[:] = [
            entry if entry.path or entry.student in settled else replace(entry, waits=told) for entry in listed
        ]
    return listed


def handed_in(account: Account, into: Path, notes: list[str], stranger: bool, zone: tzinfo | None) -> list[HandedIn]:
    """All that an account handed in, the oldest first."""
    last = [LATER] * (not account.last)

    def aware(time: datetime | None) -> datetime | None:
        if time is None or time.tzinfo:
            return time
        return time.replace(tzinfo=zone) if zone else None

    return [
        HandedIn(account.name, into / each.path, aware(each.time), [*notes, *each.notes, *last], stranger=stranger,
                 report=each.waits, digest=each.digest, platform=account.platform, reference=account.reference)
        for each in (*account.earlier, account)
    ]  # fmt: skip


def one_of(attempts: list[HandedIn], counting: Mapping[str, str]) -> HandedIn:
    """The one of a student's hand-ins, the oldest first, that counts: the latest, or what `counting` says."""
    *earlier, latest = attempts
    apart: dict[str, HandedIn] = {}
    for each in earlier:  # of several with the same files the first is enough
        if each.digest != latest.digest or each.time not in (None, latest.time):
            apart.setdefault(each.digest, each)
    latest = replace(latest, digest="")
    several = [*apart.values(), latest] if apart else []
    entry = apart.get(counting.get(latest.student, ""), latest)
    return replace(entry, student=latest.student, several=several)


def count(listed: ClassList, collection: Collection, found: Mapping[str, Match]) -> None:
    """Each file of the last download once, also where a group shares it."""
    counted = set()
    for key, account in sorted(collection.accounts.items(), key=lambda each: not found[each[0]].students):
        if account.last and account.shared not in counted - {""}:
            counted.add(account.shared)
            listed.files["students" if found[key].students else "strangers"] += account.files
    listed.files["not understood"] = len(collection.unread)


def latest(entries: list[Dated]) -> Dated:
    """All that several accounts of one student handed in; the last of it counts."""
    *older, (order, attempts) = sorted(entries, key=lambda each: each[0])
    names = ", ".join(readable(each[-1].path.name) for _, each in older if each[-1].path)
    told = [f"The latest of {len(entries)} counts, and not {names}."] * bool(older)
    *earlier, entry = [attempt for _, each in [*older, (order, attempts)] for attempt in each]
    return order, [*earlier, replace(entry, notes=[*entry.notes, *told])]


def share(team: str, members: list[str], chosen: dict[str, Dated]) -> None:
    """Give the hand-ins of a team to those of its members who have none: those of whoever came last."""
    there = [chosen[id] for id in members if id in chosen]
    note = f"Handed in for the team {readable(team)}: {', '.join(members)}."
    for id in members if there else ():
        order, (*earlier, entry) = chosen.get(id) or max(there, key=lambda each: each[0])
        entry = replace(entry, notes=[note, *(text for text in entry.notes if text != note)])
        chosen[id] = order, [*earlier, entry]


def propose(path: Path, matches: Mapping[str, tuple[Account, Match]], listed: ClassList, people: People) -> None:
    """Write the best guesses into aliases.csv, as comments below what staff wrote.

    matches  by what the class calls each account
    """
    students = people.roster.students if people.roster else []
    waiting = set(listed.waiting)
    directory = Directory(Roster([student for student in students if student.id in waiting]))
    wanted = {}
    for name in listed.strangers:
        account, match = matches[name]
        sure = [id for id in match.guesses if id in directory.exact["id"]] or match.guesses
        wanted[name] = sure[0] if sure else directory.resembling(account.label, account.known)
    if listed.waiting:
        wanted |= {name: matches[name][1].students[0] for name in listed.doubts}
    wanted |= {file: directory.resembling(file, {}) for file in listed.unread}
    if not wanted and not path.exists():
        return
    before, delimiter = f"{EXPLAINED}stranger,id\n", ","
    if path.exists():
        before = tables.decoded(path.read_bytes())
        delimiter = tables.read(path, comments=True).delimiter
    kept = [line for line in before.splitlines() if not line.startswith(GUESS)]
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator="\n").writerows(wanted.items())
    text = "\n".join([*kept, *(f"{GUESS}{line}" for line in buffer.getvalue().splitlines())]) + "\n"
    if not path.exists() or text != before:
        write(path, text)
