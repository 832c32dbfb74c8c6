"""Grades and feedback to Canvas by its API: what would be sent, and then sending it.

What Canvas has is asked first and each time, so nothing is kept here of what was sent: a run that broke off is run
again and sends what is missing. A comment holds a mark of its page and points, by which it is known again. (canvasapi
speaks the API; Canvas: doc/api, Submissions, Pagination and Throttling.)
"""

from __future__ import annotations

import hashlib
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from canvasapi.course import Course
from canvasapi.exceptions import (
    BadRequest,
    CanvasException,
    Conflict,
    Forbidden,
    InvalidAccessToken,
    ResourceDoesNotExist,
    Unauthorized,
    UnprocessableEntity,
)
from canvasapi.requester import Requester
from canvasapi.upload import Uploader
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException

from ...text import readable
from ..grades.exceptions import EXCUSED
from ..grades.sheet import written
from ..handins.matching import matched
from . import LMSError
from .canvas_export import account

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import TypeVar

    from ..handins.roster import Roster

    T = TypeVar("T")

TIMEOUT = 60  # seconds without a word from Canvas
WAITS = (1, 2, 4, 8, 16, 32, 64)  # seconds, while Canvas says that it is asked too often
LOOPBACK = ("127.0.0.1", "::1", "localhost")
THIS_ONE = (BadRequest, Conflict, Forbidden, ResourceDoesNotExist, UnprocessableEntity)  # of one student, not of all


@dataclass
class Given:
    """What a student gets: a line of grades.csv.

    points  None while they are not known, and with a status
    page    of the feedback, or None
    """

    student: str
    points: float | None
    status: str = ""
    page: Path | None = None


@dataclass
class Sending:
    """What Canvas lacks of one student.

    user     number in Canvas, and the name there
    there    the grade in Canvas now, as text
    points   to be sent, in Canvas's scale; None where the grade is there, or the student is excused
    excuse   whether to excuse
    comment  to be sent with the page, or ""
    """

    student: str
    user: int
    name: str
    there: str
    points: float | None
    excuse: bool
    comment: str
    page: Path | None


@dataclass
class Plan:
    """What there is to send.

    left     {student, or name in Canvas: why nothing is sent}
    same     how many have in Canvas what they should have
    at_once  whether students see a grade as soon as it is sent
    """

    sendings: list[Sending] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    same: int = 0
    at_once: bool = True


class Broken(LMSError):
    """Sending broke off, for this reason; what is sent is sent."""


class Limited(HTTPAdapter):
    """Gives up on a server that says nothing, which canvasapi does not."""

    def send(self, *arguments: Any, **options: Any) -> Any:
        return super().send(*arguments, **{**options, "timeout": options.get("timeout") or TIMEOUT})


class Canvas:
    """One assignment in Canvas.

    url    https://..., where Canvas is
    token  of somebody who may grade there; never printed and never kept
    Raises LMSError where that is no address, Canvas refuses the token, or has no such assignment.
    """

    def __init__(self, url: str, token: str, course: int, assignment: int) -> None:
        parts = urlsplit(url)
        if not parts.hostname or parts.scheme not in ("http", "https"):
            raise LMSError(f"{url!r} is no address of Canvas; write it like https://canvas.example.edu")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise LMSError(f"{url} would send the token for everybody to read; Canvas has https://")
        if not token.isascii() or not token.isprintable() or " " in token:
            raise LMSError("CANVAS_API_TOKEN holds characters that no token has; copy it anew")
        requester = Requester(f"{parts.scheme}://{parts.netloc}", token)
        for scheme in ("https://", "http://"):
            requester._session.mount(scheme, Limited())
        self.requester, self.course = requester, Course(requester, {"id": course})
        with translated(f"Canvas has no assignment {assignment} in a course {course}, or not for this token"):
            self.assignment = asked(lambda: self.course.get_assignment(assignment))

    def plan(
        self, given: Iterable[Given], absent: Iterable[str], most: float, roster: Roster, scale: bool | None = None
    ) -> Plan:
        """What there is to send.

        absent  who handed in nothing: what stands in Canvas stays
        most    points that can be had
        scale   where Canvas has other points possible: True to scale to these, False for the points as they are
        Raises LMSError.
        """
        factor, made = self.factor(most, scale), Plan(at_once=not getattr(self.assignment, "post_manually", False))
        with translated("Canvas shows no students or no submissions to this token"):
            users = asked(lambda: list(self.course.get_users(enrollment_type=["student"], include=["email"])))
            there = asked(lambda: list(self.assignment.get_submissions(include=["submission_comments"])))
        accounts = {user.id: account(facts(user)) for user in users}
        found = matched(accounts, roster, {}, {})
        theirs = {match.students[0]: user for user, match in found.items() if len(match.students) == 1}
        made.left = {accounts[user][0]: match.note for user, match in found.items() if not match.students}
        submissions, absent = {each.user_id: each for each in there}, set(absent)
        for each in given:
            user = theirs.get(each.student)
            now = submissions.get(user)
            if user is None:
                made.left[each.student] = "not among the students in Canvas"
            elif why := reason(each, each.student in absent, now):
                made.left[each.student] = why
            elif sending := missing(each, accounts[user][0], user, now, factor, most):
                made.sendings.append(sending)
            else:
                made.same += 1
        return made

    def factor(self, most: float, scale: bool | None) -> float:
        """What points are multiplied by. Raises LMSError where that has to be asked, or grades cannot be sent."""
        kind = getattr(self.assignment, "grading_type", "points")
        if kind in ("pass_fail", "not_graded"):
            raise LMSError(f"The assignment is graded as {kind} in Canvas, and these are points. Change it there")
        together = not getattr(self.assignment, "grade_group_students_individually", False)
        if getattr(self.assignment, "group_category_id", None) and together:
            raise LMSError(
                "Canvas would give each grade of this assignment to a whole group, and here late days and what is "
                'agreed are of single students. Tick "Assign grades to each student individually" there'
            )
        possible = getattr(self.assignment, "points_possible", None)
        if possible is None or possible == most:
            return 1.0
        if scale is None:
            raise LMSError(
                f"Canvas has {possible:g} points possible, and these grades are of {most:g}. Change it there, or say "
                f"--scale yes ({most:g} become {possible:g}) or --scale no (the points as they are)"
            )
        return possible / most if scale else 1.0

    def send(self, sendings: Iterable[Sending]) -> Iterator[tuple[Sending, str]]:
        """Send them one after the other. Yields each with "", or why Canvas took none of it or made something else
        of it. Raises Broken where Canvas cannot be reached any more, or refuses the token."""
        for sending in sendings:
            try:
                yield sending, self.send_one(sending)
            except THIS_ONE as error:
                yield sending, f"Canvas refuses it: {readable(str(error), limit=200)}"
            except (CanvasException, RequestException, ValueError) as error:
                raise Broken(in_words(error)) from None

    def send_one(self, sending: Sending) -> str:
        path = f"courses/{self.course.id}/assignments/{self.assignment.id}/submissions/{sending.user}"
        data: dict[str, Any] = {}
        if sending.excuse:
            data["submission[excuse]"] = True
        elif sending.points is not None:
            data["submission[posted_grade]"] = written(sending.points)
        if sending.comment and sending.page:
            page = sending.page
            done, file = asked(lambda: Uploader(self.requester, f"{path}/comments/files", page).start())
            if not done:
                return "Canvas did not take the page"
            data |= {"comment[text_comment]": sending.comment, "comment[file_ids][]": file["id"]}
        made = asked(lambda: self.requester.request("PUT", path, _kwargs=list(data.items()))).json()
        if sending.points is not None and (now := made.get("score")) != sending.points:
            return other(now, sending.points)
        return ""


def reason(given: Given, absent: bool, there: Any) -> str:
    """Why nothing is sent for a student, or "".

    there  the submission in Canvas, or None
    """
    if given.status == EXCUSED:
        return ""
    if getattr(there, "excused", False):
        return "EX in Canvas stays"
    if given.points is None:
        return given.status or "the grade is not complete"
    return "nothing was handed in, and what stands in Canvas stays" if absent else ""


def missing(given: Given, name: str, user: int, there: Any, factor: float, most: float) -> Sending | None:
    """What Canvas lacks of a student; None where it has all of it.

    there  the submission in Canvas, or None
    """
    entered = getattr(there, "entered_score", getattr(there, "score", None))
    shown = "" if entered is None else written(entered)
    if given.status == EXCUSED:
        return (
            None
            if getattr(there, "excused", False)
            else Sending(given.student, user, name, shown, None, True, "", None)
        )
    points = round((given.points or 0.0) * factor, 2)
    comment = ""
    if given.page:
        mark = hashlib.sha256(given.page.read_bytes() + written(points).encode()).hexdigest()[:8]
        comment = f"{written(points)} of {written(round(most * factor, 2))} points. The page has the details. ({mark})"
        if any(f"({mark})" in (each.get("comment") or "") for each in getattr(there, "submission_comments", ())):
            comment = ""
    same = entered == points
    if same and not comment:
        return None
    page = given.page if comment else None
    return Sending(given.student, user, name, shown, None if same else points, False, comment, page)


def other(now: float | None, wanted: float) -> str:
    shown = "no grade" if now is None else written(now)
    return f"Canvas made {shown} of {written(wanted)}: has the course a late policy of its own?"


def facts(user: Any) -> Mapping[str, str]:
    """A user of Canvas as a line of its export."""
    return {
        "Student": getattr(user, "sortable_name", "") or getattr(user, "name", ""),
        "ID": str(user.id),
        "SIS User ID": str(getattr(user, "sis_user_id", None) or ""),
        "SIS Login ID": str(getattr(user, "email", None) or getattr(user, "login_id", None) or ""),
    }


def asked(call: Callable[[], T]) -> T:
    """What Canvas answers, asked again after a while where it says that it is asked too often (with 429, or with 403
    and these words)."""
    for wait in WAITS:
        try:
            return call()
        except Forbidden as error:  # canvasapi's RateLimitExceeded is one
            if "rate limit exceeded" not in str(error).lower():
                raise
        time.sleep(wait)
    return call()


@contextmanager
def translated(absent: str) -> Generator[None]:
    """What canvasapi raises becomes an LMSError.

    absent  what to say where there is nothing of that kind
    """
    try:
        yield
    except (ResourceDoesNotExist, Forbidden):
        raise LMSError(absent) from None
    except (CanvasException, RequestException) as error:
        raise LMSError(in_words(error)) from None


def in_words(error: Exception) -> str:
    if isinstance(error, InvalidAccessToken | Unauthorized):
        return "Canvas refuses the token: it is wrong, has ended, or may not grade there"
    if isinstance(error, RequestException):
        return f"Canvas cannot be reached: {type(error).__name__}"
    return f"Canvas cannot do it now: {readable(str(error), limit=200)}"
