"""What lateness costs: the table [late] of rubric.toml, as it holds for one student (exceptions.py)."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

POLICIES = ("none", "per_day", "budget", "cut_off")
LATEST, ON_TIME, BEST = ATTEMPTS = ("latest", "on_time", "best")
LEFT_OUT: dict[str, Any] = {"days_in_all": 0, "attempt": LATEST}  # what a table that does not say so means


class PolicyError(ValueError):
    """The table [late] of rubric.toml cannot be followed, for this reason."""


def due(late: Mapping[str, Any]) -> datetime | None:
    """The due date in the course's time zone. Raises PolicyError for a table that means nothing."""
    late = {**LEFT_OUT, **late}
    for name in ("grace_minutes", "per_day_percent", "last_day", "days_in_all"):
        if not (isinstance(late.get(name), int | float) and 0 <= late[name] < math.inf):
            raise PolicyError(f"[late] of rubric.toml: {name} must be a number, and not below 0")
    if late["days_in_all"] % 1:
        raise PolicyError("[late] of rubric.toml: days_in_all must be a whole number: a day is used up when it begins")
    for name, known in (("policy", POLICIES), ("attempt", ATTEMPTS)):
        if late.get(name) not in known:
            raise PolicyError(f"[late] of rubric.toml: {name} is {late.get(name)!r}, not one of {', '.join(known)}")
    if not late.get("due"):
        if late["policy"] != "none" or late["attempt"] == ON_TIME:
            name = "policy" if late["policy"] != "none" else "attempt"
            raise PolicyError(f"[late] of rubric.toml: {name} {late[name]!r} needs a due date")
        return None
    zone = time_zone(late)
    try:
        return clock(str(late["due"]), zone)
    except ValueError as error:
        told = f"{late['due']!r}, and {error}; write it like 2026-12-01T23:59+01:00"
        raise PolicyError(f"[late] of rubric.toml: due is {told}") from None


def clock(text: str, zone: tzinfo | None) -> datetime:
    """A date with a time of day, as the course's clocks show it, or with its own offset where the course names no zone.
    Raises ValueError for anything else: a date alone would be its first second."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("that is no date and time") from None
    if len(text) <= len("2026-12-01"):
        raise ValueError("the time of day is missing")
    if not (zone or time.tzinfo):
        raise ValueError("the time zone is missing")
    if not zone:
        return time
    return time.astimezone(zone) if time.tzinfo else time.replace(tzinfo=zone)


def attempt(late: Mapping[str, Any]) -> str:
    """Which of several hand-ins counts: one of ATTEMPTS."""
    return late.get("attempt", LATEST)


def time_zone(late: Mapping[str, Any]) -> ZoneInfo | None:
    """The time zone of the table. Where it names none, days are those of the due date's own offset."""
    name = late.get("time_zone", "")
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise PolicyError(
            f"[late] of rubric.toml: time_zone {name!r} is not known here; write it like Europe/Berlin (a system "
            "without time zones needs `pip install tzdata`)"
        ) from None


def days_late(time: datetime | None, extension_days: float, late: Mapping[str, Any]) -> int:
    """Calendar days begun beyond due date, extension and grace: a day ends at the same time of the clock, also in the
    nights in which clocks are changed.

    time  of the hand-in, aware; None, where nobody knows, is in time
    """
    when = due(late)
    if when is None or time is None:
        return 0
    grace, time = timedelta(minutes=late["grace_minutes"]), time.astimezone(UTC)

    def end(days: float) -> datetime:
        whole = int(days)
        ends = when + timedelta(days=whole) if whole else when  # a sum forgets which of two equal hours was meant
        return ends.astimezone(UTC) + timedelta(days=days - whole) + grace

    late_by = time - end(extension_days)
    if late_by <= timedelta(0):
        return 0
    begun = max(1, late_by.days)  # a calendar day can be an hour longer or shorter than 24
    while time > end(extension_days + begun):
        begun += 1
    return begun


def days_used(days: int, late: Mapping[str, Any]) -> int:
    """Late days of the student's budget that a hand-in uses up; none where nothing is given for it."""
    if late["policy"] != "budget" or days > late["last_day"]:
        return 0
    return min(days, int(late.get("days_in_all", 0)))


def penalty(points: float, days: int, late: Mapping[str, Any]) -> float:
    """The points taken off.

    points  all that was earned, by programs and by hand
    days    begun after the due date and the student's extension
    """
    if not days or late["policy"] == "none":
        return 0.0
    if late["policy"] == "cut_off" or days > late["last_day"]:
        return float(points)
    return round(min(points, points * (days - days_used(days, late)) * late["per_day_percent"] / 100), 2)


def in_words(late: Mapping[str, Any]) -> str:
    """The policy as the handout tells it to students, under "Late work". Raises PolicyError."""
    when = due(late)
    if when is None or late["policy"] == "none":
        return "Nothing is taken off."
    last = when if late["policy"] == "cut_off" else when + timedelta(days=late["last_day"])
    after = f"othing after {last.day} {last:%B %Y, %H:%M}."
    if late["policy"] == "cut_off":
        return f"N{after}"
    days = f"{late.get('days_in_all', 0):g} late days in all; after that " if late["policy"] == "budget" else ""
    return f"{days}{late['per_day_percent']:g} % of the points per day begun, and n{after}"
