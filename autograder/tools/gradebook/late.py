"""What lateness costs: the policy of rubric.toml, and where it meets nbgrader."""

import math
from datetime import UTC, datetime

from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor

from ...rubric import Rubric

DAY = 86_400  # seconds
POLICIES = ("none", "per_day", "cut_off")


class PolicyError(ValueError):
    """The table [late] of rubric.toml cannot be followed, for this reason."""


def due(late):
    """The due date in UTC, or None. Raises PolicyError for a table that means nothing."""
    if late["policy"] not in POLICIES:
        raise PolicyError(f"[late] of rubric.toml: policy is {late['policy']!r}, not one of {', '.join(POLICIES)}")
    if not late["due"]:
        if late["policy"] != "none":
            raise PolicyError(f"[late] of rubric.toml: policy {late['policy']!r} needs a due date")
        return None
    try:
        time = datetime.fromisoformat(str(late["due"]))
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise PolicyError(f"[late] of rubric.toml: due is {late['due']!r}; write it like 2026-12-01T23:59+01:00")
    return time.astimezone(UTC)


def days_late(seconds, late):
    """Days begun beyond due date, extension and grace."""
    return max(0, math.ceil((seconds - 60 * late["grace_minutes"]) / DAY))


def penalty(points, seconds, late):
    """The points taken off.

    points   all that was earned, by programs and by hand
    seconds  after the due date and the student's extension
    """
    days = days_late(seconds, late)
    if not days or late["policy"] == "none":
        return 0.0
    if late["policy"] == "cut_off" or days > late["last_day"]:
        return float(points)
    return round(min(points, points * days * late["per_day_percent"] / 100), 2)


def settle(submission, late):
    """Write the penalty of an nbgrader submission anew: it depends on points that are given after autograding."""
    for notebook in submission.notebooks:
        notebook.late_submission_penalty = penalty(notebook.score, submission.total_seconds_late, late) or None


class SettleLateness(NbGraderPreprocessor):
    """Before feedback is made, also by the button in formgrader: the penalty is that of the points as they are now."""

    def preprocess(self, nb, resources):
        known = resources["nbgrader"]
        with Gradebook(known["db_url"]) as gradebook:
            settle(gradebook.find_submission(known["assignment"], known["student"]), Rubric.load().late)
            gradebook.db.commit()
        return nb, resources
