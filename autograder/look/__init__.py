"""What the student's code shows so far: `make look`, and the pictures of report.html.

views    what there is to see, after which section of the handout
plane    a spiral, and a small network that knows it
drawing  arrays as pictures

Student code runs in the box, as for a grade, and nothing here decides about points. What cannot be drawn is told in a
line, whatever the reason.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..box import BoxError
from ..diagnosis import catalogue
from ..language import N_, _
from ..record import NOT_IMPLEMENTED, Failed, Shown
from ..student import Budget, Student
from .drawing import Grid, alone, moving, stacked
from .views import QUICK, VIEWS, View

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from ..box import Box
    from ..intake.submission import Submission
    from ..record import GradeRecord
    from ..rubric import Rubric
    from .drawing import Drawing
    from .views import Advance

__all__ = ["QUICK", "VIEWS", "Sight", "View", "as_text", "film", "for_report", "look", "of_parts", "offered", "picture"]


@dataclass
class Sight:
    """What came of a view.

    said     what there is to see, or why there is nothing
    wrong    what is not right yet of what is to be seen, or ""
    drawing  None where there is nothing
    waits    whether that is only because something is not written yet
    """

    view: View
    said: str
    wrong: str = ""
    drawing: Drawing | None = None
    waits: bool = False

    @property
    def title(self) -> str:
        return _("After {section}: {title}", section=self.view.section, title=_(self.view.title))

    @property
    def text(self) -> str:
        return _("{said} {wrong}", said=self.said, wrong=self.wrong) if self.wrong else self.said


def look(
    submission: Submission,
    box: Box,
    rubric: Rubric,
    record: GradeRecord,
    views: Sequence[View] = VIEWS,
    advance: Advance = lambda images: None,
) -> list[Sight]:
    """What came of each view of a part that is asked for.

    record   the grade, which says what is not right yet
    advance  is told how many images went through a network since it was told last
    What a student did never raises, and neither does a fault of this host.
    """
    limits, sights = rubric.limits, []
    views = [view for view in views if view.part in rubric.parts]
    budget = Budget(limits["exact_seconds"], limits["wall_factor"])
    try:
        with Student.at_work(box, submission.files, limits, budget) as student:
            for view in views:
                if sights and not student.imported:  # nor will it be for the others
                    sights.append(replace(sights[0], view=view))
                else:
                    sights.append(attempt(view, student, record, advance))
    except (BoxError, OSError) as error:
        sights += [Sight(view, str(error)) for view in views[len(sights) :]]
    return sights


def attempt(view: View, student: Student, record: GradeRecord, advance: Advance) -> Sight:
    """What came of one view."""
    try:
        drawing, said = view.make(student, advance)
    except Failed as failed:
        if failed.verdict != NOT_IMPLEMENTED:
            return Sight(view, _("not drawn: {why}", why=failed.message))
        return Sight(view, _("waits for {what}", what=failed.said), waits=True)
    except (BoxError, OSError) as error:  # of this host
        return Sight(view, _("not drawn: {why}", why=error))
    except Exception as error:  # a fault of ours must not cost the grade that it would stand beside
        what = f"{type(error).__name__}: {error}"
        return Sight(view, _("not drawn: the grader failed, please tell your instructor: {what}", what=what))
    return Sight(view, said, trouble(view, record), drawing)


def trouble(view: View, record: GradeRecord) -> str:
    """What the grade finds wrong with what a view shows, the mistake in words where it is named; "" for nothing."""
    written = {check.id for check in record.checks if check.verdict != NOT_IMPLEMENTED}
    wrong = record.first_wrong(written.intersection(view.needs))
    if wrong is None:
        return ""
    if wrong.mistake:
        did = _(catalogue()[wrong.mistake].did)
        says = N_("Not right yet ({check}, handout {section}). What your code does: {did}")
        return _(says, check=wrong.id, section=wrong.section, did=did)
    says = N_("Not right yet ({check}, handout {section}: {verdict}). `make check` says more.")
    return _(says, check=wrong.id, section=wrong.section, verdict=wrong.in_words)


def of_parts(parts: Collection[str]) -> Sequence[View]:
    """The views of some parts, or all of them."""
    return [view for view in VIEWS if not parts or view.part in parts]


def offered(views: Iterable[View], rubric: Rubric) -> list[View]:
    """Those of what the course asks for, as far as it has the trained network that they take."""
    asked = [view for view in views if view.needs[-1] in rubric.checks and (not view.work or view.network())]
    if rubric.on("v_prediction"):
        return asked
    plain = {"reverse.predict_v": "reverse.predict_epsilon"}  # of the network that ships then
    return [view._replace(needs=tuple(plain.get(need, need) for need in view.needs)) for view in asked]


def as_text(sights: Sequence[Sight]) -> str:
    """What came of each, in a line."""
    if any(sight.drawing for sight in sights):
        return "\n".join(_("  {sight.title}: {what}", sight=sight, what=came(sight)) for sight in sights)
    if sights and all(sight.waits for sight in sights):
        return _("There is nothing to see yet. Begin with 1.1 and 1.4 of the handout, then look again.")
    reasons = dict.fromkeys(sight.said for sight in sights)  # one, where scheduler.py cannot be imported
    return "\n".join(_("There is nothing to see yet: {reason}", reason=reason) for reason in reasons)


def came(sight: Sight) -> str:
    """What came of one, in words."""
    if not sight.drawing:
        return sight.said
    return _("drawn. {wrong}", wrong=sight.wrong) if sight.wrong else _("drawn.")


def picture(sights: Iterable[Sight]) -> bytes:
    """All that can be drawn as one tall PNG."""
    return stacked((sight.title, sight.text, sight.drawing) for sight in sights if sight.drawing)


def film(sights: Iterable[Sight]) -> bytes | None:
    """What was drawn step by step, as a GIF: of the last such view, if there is one."""
    films = [sight.drawing.film for sight in sights if isinstance(sight.drawing, Grid) and sight.drawing.film]
    return moving(films[-1]) if films else None


def for_report(sights: Iterable[Sight]) -> list[Shown]:
    """The same for report.html, each picture by itself."""
    return [
        Shown(sight.title, sight.text, base64.b64encode(alone(sight.drawing)).decode() if sight.drawing else "")
        for sight in sights
    ]
