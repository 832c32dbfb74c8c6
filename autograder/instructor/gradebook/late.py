"""Where lateness meets nbgrader."""

from datetime import UTC, timedelta

from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor

from ...rubric import Rubric
from ..grades import lateness


def settle(submission, late):
    """Write the penalty of an nbgrader submission anew: it depends on points that are given after autograding. Returns
    the days late."""
    time = submission.timestamp and submission.timestamp.replace(tzinfo=UTC)  # nbgrader keeps UTC, without saying so
    days = lateness.days_late(time, (submission.extension or timedelta()) / timedelta(days=1), late)
    for notebook in submission.notebooks:
        notebook.late_submission_penalty = lateness.penalty(notebook.score, days, late) or None
    return days


class SettleLateness(NbGraderPreprocessor):
    """Before feedback is made, also by the button in formgrader: the penalty is that of the points as they are now."""

    def preprocess(self, nb, resources):
        known = resources["nbgrader"]
        with Gradebook(known["db_url"]) as gradebook:
            settle(gradebook.find_submission(known["assignment"], known["student"]), Rubric.load().late)
            gradebook.db.commit()
        return nb, resources
