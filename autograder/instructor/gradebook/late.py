"""Where lateness, and what is agreed with single students, meet nbgrader."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Unicode

from ...rubric import Rubric
from ..grades.exceptions import WITHHELD, Terms, agreed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from nbformat import NotebookNode
    from nbgrader.api import SubmittedAssignment


def settle(submission: SubmittedAssignment, terms: Terms, late: Mapping[str, Any]) -> None:
    """Write the penalty of an nbgrader submission anew: it depends on points that are given after autograding."""
    time = submission.timestamp and submission.timestamp.replace(tzinfo=UTC)  # nbgrader keeps UTC, without saying so
    days = terms.days_late(time, late)
    for notebook in submission.notebooks:
        notebook.late_submission_penalty = terms.penalty(notebook.score, days, late) or None


def terms_of(submission: SubmittedAssignment, folder: Path, late: Mapping[str, Any]) -> Terms:
    """What is agreed with a student, by what the folder of the class says now; an extension in days, which may stand in
    the roster, is known to the gradebook."""
    terms = agreed(folder, late)[submission.student.id]
    days = (submission.extension or timedelta()) / timedelta(days=1)
    return terms if terms.due else replace(terms, extension_days=days)


class SettleLateness(NbGraderPreprocessor):
    """Before feedback is made, also by the button in formgrader: the penalty is that of the points as they are now, and
    nobody whose grade is withheld gets any."""

    folder = Unicode(help="The folder of the class.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        known, late = resources["nbgrader"], Rubric.load().late
        with Gradebook(known["db_url"]) as gradebook:
            submission = gradebook.find_submission(known["assignment"], known["student"])
            terms = terms_of(submission, Path(str(self.folder)), late)
            if terms.status == WITHHELD:
                raise RuntimeError(f"the grade of {known['student']} is withheld: exceptions.csv says so")
            settle(submission, terms, late)
            gradebook.db.commit()
        return nb, resources
