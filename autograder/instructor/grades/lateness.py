"""What lateness costs: the policy of rubric.toml."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

POLICIES = ("none", "per_day", "cut_off")


class PolicyError(ValueError):
    """The table [late] of rubric.toml cannot be followed, for this reason."""


def due(late: Mapping[str, Any]) -> datetime | None:
    """The due date in the course's time zone. Raises PolicyError for a table that means nothing."""
    for name in ("grace_minutes", "per_day_percent", "last_day"):
        if not (isinstance(late.get(name), int | float) and 0 <= late[name] < math.inf):
            raise PolicyError(f"[late] of rubric.toml: {name} must be a number, and not below 0")
    if late.get("policy") not in POLICIES:
        raise PolicyError(f"[late] of rubric.toml: policy is {late.get('policy')!r}, not one of {', '.join(POLICIES)}")
    if not late.get("due"):
        if late["policy"] != "none":
            raise PolicyError(f"[late] of rubric.toml: policy {late['policy']!r} needs a due date")
        return None
    zone = time_zone(late)
    try:
        time = datetime.fromisoformat(str(late["due"]))
    except ValueError:
        time = None
    if time is None or not (time.tzinfo or zone):
        raise PolicyError(f"[late] of rubric.toml: due is {late['due']!r}; write it like 2026-12-01T23:59+01:00")
    if not zone:
        return time
    return time.astimezone(zone) if time.tzinfo else time.replace(tzinfo=zone)


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
        return (when + timedelta(days=whole)).astimezone(UTC) + timedelta(days=days - whole) + grace

    late_by = time - end(extension_days)
    if late_by <= timedelta(0):
        return 0
    begun = max(1, late_by.days)  # a calendar day can be an hour longer or shorter than 24
    while time > end(extension_days + begun):
        begun += 1
    return begun


def penalty(points: float, days: int, late: Mapping[str, Any]) -> float:
    """The points taken off.

    points  all that was earned, by programs and by hand
    days    begun after the due date and the student's extension
    """
    if not days or late["policy"] == "none":
        return 0.0
    if late["policy"] == "cut_off" or days > late["last_day"]:
        return float(points)
    return round(min(points, points * days * late["per_day_percent"] / 100), 2)
