"""What is known of each student, kept on disk: a run that was killed goes on from here.

One JSON file per student is written whenever a stage of grading ends. It says what the grade depends on, so that one of
another submission, kit or seed is never taken for the present one.
"""

import dataclasses
import json
from dataclasses import dataclass, field

import numpy as np

from ... import checks
from ...diagnosis import Suspects
from ...files import write
from ...grading import Found
from ...record import UNGRADED, CheckResult, Evidence


@dataclass
class Kept:
    """What is kept of one student.

    depends  what the grade depends on: digests of the submission, the kit and the rubric's points, fingerprint of the
             seed
    name     of the submission, for the reports
    notes    about what was handed in
    refused  why nothing was run, or ""
    failed   why grading broke off, or "": a fault of ours
    done     names of the stages that were run
    """

    depends: dict
    name: str
    notes: list
    refused: str = ""
    failed: str = ""
    done: list = field(default_factory=list)
    found: Found = field(default_factory=Found)

    def missing(self, parts):
        """The stages that are still to be run, to have these parts."""
        stages = () if self.refused else checks.STAGES
        return [stage for stage in stages if set(stage.parts) <= set(parts) and stage.name not in self.done]

    @property
    def parts(self):
        """The parts that were run, in all their cases or some."""
        return {part for stage in checks.STAGES if stage.name in self.done for part in stage.parts}

    def changed(self, now):
        """Names of what another Kept depends on, and this one not."""
        return [name for name, value in now.depends.items() if self.depends.get(name) != value]

    def repriced(self, depends, rubric):
        """The same findings, with the points and titles of another rubric."""

        def at_new_prices(results):
            return {
                id: dataclasses.replace(result, max_points=rubric.checks[id].points, title=rubric.checks[id].title)
                for id, result in results.items()
            }

        both = {name: at_new_prices(getattr(self.found, name)) for name in ("results", "waiting")}
        return dataclasses.replace(self, depends=depends, found=dataclasses.replace(self.found, **both))

    @property
    def broken(self):
        """Whether it has to be graded again, as something of ours failed."""
        return bool(self.failed) or any(result.verdict == UNGRADED for result in self.found.results.values())

    def text(self):
        return json.dumps(plain(self), indent=0) + "\n"

    @classmethod
    def load(cls, text):
        """Raises ValueError, KeyError or TypeError for a text that is not of this version."""
        data = json.loads(text)
        return cls(**data | {"found": found_from(data["found"])})


def plain(value):
    """Dataclasses and arrays as plain JSON values; floats come back as they are."""
    if dataclasses.is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return {"shape": value.shape, "values": np.float64(value).ravel().tolist()}
    return value


def found_from(data):
    """What `plain` made of a Found, as it was."""
    results, waiting = (
        {id: CheckResult(**each | {"evidence": evidence(each["evidence"])}) for id, each in data[name].items()}
        for name in ("results", "waiting")
    )
    suspects = {id: Suspects(**each) for id, each in data["suspects"].items()}
    return Found(**data | {"results": results, "waiting": waiting, "suspects": suspects})


def evidence(data):
    if data is None:
        return None
    arrays = {name: array(data[name]) for name in ("got", "expected")}
    return Evidence(**data | arrays | {"cases": [tuple(case) for case in data["cases"]]})


def array(data):
    return np.array(data["values"]).reshape(data["shape"])


class Shelf:
    """The kept files of a folder."""

    def __init__(self, folder):
        self.folder = folder

    def path(self, student):
        return self.folder / f"{student}.json"

    def get(self, student):
        """Kept, or None: what cannot be read, of a damaged disk or of another version, is graded again."""
        try:
            return Kept.load(self.path(student).read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, student, kept):
        write(self.path(student), kept.text())
