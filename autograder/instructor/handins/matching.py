"""Whose account is this? What a platform says of an account, held against the roster.

Accounts of different people are never merged: an account finds its student when all that is known of it agrees, and
when no other account has as good a claim. All others stay strangers, with the best guesses beside them.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

from .roster import folded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeVar

    from .roster import Person, Roster

    Key = TypeVar("Key", int, str)  # of an account
    # Of an account: label, name in the class, what is known, whether it is in the last download.
    Facts = tuple[str, str, dict[str, str], bool]

# How good a claim is: by a name or a way of writing an id; by an id or number, with another name; by an id or number.
ALIKE, RENAMED, KNOWN = 1, 2, 3
SIMILAR = 0.75  # of two names, for a guess


@dataclass
class Match:
    """What became of one account.

    students  ids of those whose hand-in it is: one, or the members of a team; empty for a stranger
    claim     how good it is; 0 for a stranger
    note      what staff should know, or ""
    doubt     whether it may be somebody else's as well, such as a group's
    guesses   ids, of a stranger, the best one first
    """

    students: tuple[str, ...] = ()
    claim: int = 0
    note: str = ""
    doubt: bool = False
    guesses: list[str] = field(default_factory=list)


class Exact(TypedDict):
    """Students by what a platform may know them by."""

    id: dict[str, Person]
    number: dict[str, list[Person]]
    email: dict[str, list[Person]]


class Directory:
    """The students of a roster by all that a platform may call them.

    Where the roster has no numbers of a platform, a platform's number may be an id; and it may not.
    """

    def __init__(self, roster: Roster) -> None:
        self.students = roster.students
        self.numbered = any(student.lms_user_id for student in self.students)
        self.exact: Exact = {"id": roster.ids, "number": {}, "email": {}}
        self.alike: dict[str, dict[str, list[Person]]] = {"id": {}, "name": {}}
        for student in self.students:
            self.exact["number"].setdefault(student.lms_user_id if self.numbered else student.id, []).append(student)
            for email in {student.email.casefold(), student.id.casefold()} - {""}:
                self.exact["email"].setdefault(email, []).append(student)
            self.alike["id"].setdefault(written(student.id), []).append(student)
            for name in names(student):
                self.alike["name"].setdefault(name, []).append(student)

    def evidence(self, known: Mapping[str, str]) -> list[tuple[str, int, list[Person]]]:
        """(kind, how good, students) for each kind that a platform tells: id, number, email and name."""
        found = []
        if id := known.get("id"):
            same = self.exact["id"].get(id)
            found.append(("id", KNOWN, [same]) if same else ("id", ALIKE, self.alike["id"].get(written(id), [])))
        if number := known.get("number"):
            found.append(("number", KNOWN if self.numbered else ALIKE, self.exact["number"].get(number, [])))
        if email := known.get("email"):
            found.append(("email", KNOWN, self.exact["email"].get(email.casefold(), [])))
        if name := known.get("name"):
            found.append(("name", ALIKE, self.alike["name"].get(folded(name), [])))
        return [each for each in found if each[2]]

    def match(self, known: Mapping[str, str]) -> Match:
        """What becomes of one account, as if there were no others."""
        evidence = self.evidence(known)
        people = {students[0].id: students[0] for *_, students in evidence if len(students) == 1}
        if len(people) != 1:
            by_name_first = sorted(evidence, key=lambda each: each[0] != "name")
            several = list(dict.fromkeys(student.id for *_, students in by_name_first for student in students))
            told = f"It could be {' or '.join(several)}" if several else "Nobody in the roster has this name or number"
            return Match(note=told, guesses=several)
        (student,) = people.values()
        sure = [kind for kind, claim, students in evidence if claim == KNOWN and students == [student]]
        name = known.get("name")
        if not name or not (student.first_name or student.last_name) or agree(name, student):
            return Match((student.id,), KNOWN if sure else ALIKE)
        told = f"Its {sure[0] if sure else 'number'} is that of {student.id}, but its name, {name}, is another"
        if not sure:
            return Match(note=told, guesses=[student.id])
        if sure == ["number"]:
            return Match((student.id,), RENAMED, f"{told}: perhaps it is a group's", doubt=True)
        return Match((student.id,), RENAMED if len(sure) == 1 else KNOWN, told)

    def resembling(self, label: str, known: Mapping[str, str]) -> str:
        """The id of the student whom a stranger resembles most, or ""."""
        said = [label, *known.values()]
        forms = {folded(text) for text in said} - {""}
        tokens = {folded(word) for text in said for word in words(text)}
        best, closest = "", SIMILAR
        for student in self.students:
            own = {folded(student.id), folded(student.email.partition("@")[0]), *names(student)} - {""}
            theirs = {folded(word) for word in words(f"{student.first_name} {student.last_name}")} - {""}
            inside = any(len(one) > 3 and one in other for one in own for other in forms)
            if inside or (len(theirs) > 1 and theirs <= tokens):
                return student.id
            for one, other in ((one, other) for one in own for other in forms):
                matcher = difflib.SequenceMatcher(None, one, other)
                if matcher.real_quick_ratio() > closest and matcher.quick_ratio() > closest:
                    if (likeness := matcher.ratio()) > closest:
                        best, closest = student.id, likeness
        return best


def written(id: str) -> str:
    """An id without case and punctuation, and without the zeros that spreadsheets take away."""
    text = folded(id)
    return text.lstrip("0") or text if text.isdigit() else text


def words(name: str) -> list[str]:
    return "".join(letter if folded(letter) else " " for letter in name).split()


def names(student: Person) -> set[str]:
    """First and last name in either order, folded."""
    first, last = folded(student.first_name), folded(student.last_name)
    return {last + first, first + last} - {""}


def agree(name: str, student: Person) -> bool:
    """Whether an account's name can be that of a student: some programs leave out, or add, middle and second names."""
    said = folded(name)
    if said in names(student):
        return True
    first, last = (words(text) for text in (student.first_name, student.last_name))
    pairs = [(folded(one), folded(other)) for one in first[:1] for other in last[:1] + last[-1:]]
    return any(
        said.startswith(start) and end in said[len(start) :] for pair in pairs for start, end in (pair, pair[::-1])
    )


def matched(
    accounts: Mapping[Key, Facts], roster: Roster, aliases: Mapping[str, str], teams: Mapping[str, Sequence[str]]
) -> dict[Key, Match]:
    """What becomes of all accounts together.

    aliases  {label, or name in the class: id, or "" for nobody in the class}
    teams    {name of the team: ids}
    """
    directory, found, settled = Directory(roster), {}, set()
    called = {folded(team): team for team in teams}
    for key, (label, name, known, _) in accounts.items():
        alias = aliases.get(name, aliases.get(label))
        team = called.get(folded(known.get("team") or known.get("name") or label)) or called.get(folded(label))
        if alias is not None:
            settled.add(key)
            found[key] = Match((alias,), KNOWN) if alias else Match(note="aliases.csv says: nobody in the class")
            continue
        match = directory.match(known)
        if team and (not match.students or match.doubt):
            members = tuple(id for id in teams[team] if id in roster.ids)
            if set(match.students) <= set(members):
                match = Match(members, ALIKE, f"Handed in by the team {team}")
            else:
                told = f"Its name is that of the team {team}, but {match.students[0]} is not in it"
                match = Match(note=told, guesses=[*match.students, *members])
        found[key] = match
    contradicted(found, accounts, directory)
    rivals(found, settled, accounts)
    return found


def contradicted(found: dict[Key, Match], accounts: Mapping[Key, Facts], directory: Directory) -> None:
    """Make strangers of accounts that a name alone led to a student, while they have a number, an id or an address that
    is nobody's: where those of others are in the roster, theirs would be as well."""
    kinds = ("id", "number", "email")
    used = {
        kind
        for key, (_, _, known, _) in accounts.items()
        for kind in kinds
        if found[key].claim == KNOWN and known.get(kind) and directory.evidence({kind: known[kind]})
    }
    used |= {"number"} if directory.numbered else set()
    for key, (_, _, known, _) in accounts.items():
        match = found[key]
        if match.claim != ALIKE or len(match.students) != 1 or not known.get("name"):
            continue
        student = directory.exact["id"][match.students[0]]
        theirs = {"id": True, "number": student.lms_user_id or not directory.numbered, "email": student.email}
        for kind in kinds:
            if kind in used and theirs[kind] and known.get(kind) and not directory.evidence({kind: known[kind]}):
                what = {"email": "address"}.get(kind, kind)
                told = f"It has the name of {student.id}, but another {what}, {known[kind]}"
                found[key] = Match(note=told, guesses=[student.id])


def rivals(found: dict[Key, Match], settled: set[Key], accounts: Mapping[Key, Facts]) -> None:
    """Make strangers of accounts that claim a student to whom another has a better claim, or as good a one."""
    claims = {}
    for key, match in found.items():
        if match.students and key not in settled:
            claims.setdefault(match.students, []).append(key)
    for students, keys in claims.items():
        best = max(found[key].claim for key in keys)
        first = [key for key in keys if found[key].claim == best]
        if best == KNOWN and sum(accounts[key][3] for key in first) == 1:
            first = first[:1]  # another platform, or another address, than in an earlier download
            keys = [key for key in keys if found[key].claim < KNOWN] + first
        for key in keys if len(first) > 1 else set(keys) - set(first):
            others = ", ".join(accounts[other][0] for other in keys if other != key)
            told = f"It could be {' and '.join(students)}, and so could {others}"
            found[key] = Match(note=told, guesses=list(students))
