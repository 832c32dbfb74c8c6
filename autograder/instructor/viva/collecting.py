"""From the folder of a class to a desk: what a student handed in, what the class run found, and earlier attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..classroom import publishing
from ..classroom.keeping import Kept
from ..classroom.running import Conditions
from ..handins import collecting
from ..store import Store
from .desk import Attempt, Desk
from .lab import SCHEDULER, Lab, as_text

if TYPE_CHECKING:
    from pathlib import Path

    from ...box import Box
    from ...rubric import Rubric
    from ..handins.collecting import ClassList, HandedIn

INTAKE = Conditions(kit="", points="", seed="", gpu=False)  # all that is asked of it is what was handed in


class Nothing(Exception):
    """There is nothing to talk about, for this reason."""


class Class:
    """A class, its records, and the folders of earlier runs of it.

    earlier  folders of a class like `folder`, the oldest first
    Raises FileNotFoundError where nothing was collected, DownloadError and RosterError.
    """

    def __init__(self, folder: Path, earlier: list[Path], rubric: Rubric) -> None:
        self.folder, self.rubric = folder, rubric
        self.students = {entry.student: entry for entry in collecting.class_list(folder)[0]}
        self.earlier: list[tuple[Path, ClassList]] = [(each, collecting.class_list(each)[0]) for each in earlier]

    def desk(self, student: str, box: Box, secret: str) -> Desk:
        """What is known of one student. Raises Nothing."""
        entry = self.students[student]
        now, submission = INTAKE.intake(entry)
        if submission is None:
            raise Nothing(now.refused)
        desk = Desk(student, Lab(box, self.rubric, submission.files), secret)
        attempts = [attempt for each in self.earlier if (attempt := self.attempt(*each, student))]
        kept = Store(self.folder / "kept", Kept).get(student)
        if kept and (record := publishing.record(kept, self.rubric, {})):
            if kept.depends.get("submission") == now.depends["submission"]:
                desk.record = record if record.checks else None
            else:  # the newest hand-in is not graded yet
                attempts.append(Attempt("your hand-in before this one", "", record))
        desk.earlier = attempts
        return desk

    def attempt(self, folder: Path, class_list: ClassList, student: str) -> Attempt | None:
        """What a student handed in to an earlier run, and what it found."""
        kept = Store(folder / "kept", Kept).get(student)
        record = publishing.record(kept, self.rubric, {}) if kept else None
        if record is None:
            return None
        entry: HandedIn | None = next((each for each in class_list if each.student == student), None)
        submission = INTAKE.intake(entry)[1] if entry else None
        text = as_text(submission.files[SCHEDULER]) if submission else ""
        return Attempt(f"“{folder.name}”", text, record)
