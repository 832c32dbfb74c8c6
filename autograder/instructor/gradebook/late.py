"""Where lateness meets nbgrader."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor

from ...rubric import Rubric
from ..grades import lateness

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from nbformat import NotebookNode
    from nbgrader.api import SubmittedAssignment


def settle(submission: SubmittedAssignment, late: Mapping[str, Any]) -> int:
    """Write the penalty of an nbgrader submission anew: it depends on points that are given after autograding. Returns
    the days late."""
    time = submission.timestamp and submission.timestamp.replace(tzinfo=UTC)  # nbgrader keeps UTC, without saying so
    days = lateness.days_late(time, (submission.extension or timedelta()) / timedelta(days=1), late)
    for notebook in submission.notebooks:
        notebook.late_submission_penalty = lateness.penalty(notebook.score, days, late) or None
    return days


class SettleLateness(NbGraderPreprocessor):
    """Before feedback is made, also by the button in formgrader: the penalty is that of the points as they are now."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        known = resources["nbgrader"]
        with Gradebook(known["db_url"]) as gradebook:
            settle(gradebook.find_submission(known["assignment"], known["student"]), Rubric.load().late)
            gradebook.db.commit()
        return nb, resources
