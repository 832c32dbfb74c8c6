"""nbgrader's course folder, below the folder of the class: laid when it is missing, brought up to date when the report
or the rubric changed.

    class/roster.csv          who is in the class (handins/roster.py)
    class/submissions/        what was collected (handins/collecting.py)
    class/results/ID/         results.json of each student
    class/nbgrader/           nbgrader's: source/, release/, submitted/, autograded/, feedback/, gradebook.db

nbgrader's source holds the stripped notebook, never an answer, and one locked cell for each part that a program grades.
Students never get these cells: they stand in the staging copy only, and `restoring` puts them into what was handed in.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import sys
import warnings
from contextlib import contextmanager
from datetime import UTC
from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import nbgrader
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config
from traitlets.log import get_logger

from ...files import write
from ...intake.handin import STUBS
from ...paths import ROOT
from ...rubric import Rubric
from ..authoring import course as authoring
from ..authoring import skeleton
from ..grades import lateness
from ..grades.exceptions import WITHHELD

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from typing import Any


ASSIGNMENT, NOTEBOOK = "homework", "report"
PART = "part_"  # the id of a locked cell is this and the part
HERE = __package__
TEMPLATES = (  # ours come first
    Path(__file__).parent / "templates",
    Path(nbgrader.__file__).parent / "server_extensions" / "formgrader" / "templates",
)


class CourseError(Exception):
    """The gradebook cannot be made or filled, for this reason."""


class Course:
    """The paths of a class, and nbgrader's own ways into it."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).resolve()
        self.root = self.folder / "nbgrader"
        self.source = self.root / "source" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
        self.release = self.root / "release" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
        self.config = self.root / "nbgrader_config.py"

    def submitted(self, student: str) -> Path:
        return self.root / "submitted" / student / ASSIGNMENT

    def autograded(self, student: str) -> Path:
        return self.root / "autograded" / student / ASSIGNMENT / f"{NOTEBOOK}.ipynb"

    def feedback(self, student: str) -> Path:
        return self.root / "feedback" / student / ASSIGNMENT / f"{NOTEBOOK}.html"

    def page(self, student: str) -> Path:
        """What the student gets."""
        return self.folder / "feedback" / f"{student}.html"

    def results(self, student: str) -> Path:
        return results(self.folder, student)

    def configuration(self) -> Config:
        """nbgrader's configuration for this folder, wherever it lies now. Raises CourseError."""
        config = Config()
        configure(config, self.root, **self.database())
        return config

    def database(self) -> dict[str, str]:
        """What configure() has to know of a gradebook elsewhere, as the configuration says it."""
        calls = ast.walk(ast.parse(self.config.read_text(encoding="utf-8")))
        (call,) = [each for each in calls if isinstance(each, ast.Call) and getattr(each.func, "id", "") == "configure"]
        return {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}

    def configure(self, db_url: str | None = None) -> None:
        """Write the configuration, for nbgrader started in the folder; db_url as in build()."""
        known = {"db_url": db_url, "belongs_to": str(self.root)} if db_url else {}
        if not db_url and self.config.exists():
            known = self.database()
        arguments = "".join(f", {name}={value!r}" for name, value in known.items() if known["db_url"])
        write(self.config, CONFIG.format(kit=str(ROOT), arguments=arguments))

    def api(self) -> NbGraderAPI:
        """nbgrader in this process, as the course configures it."""
        config = self.configuration()
        Path(config.Exchange.root).mkdir(exist_ok=True)
        api = NbGraderAPI(config=config)
        api.log_level = "ERROR"
        return api

    @contextmanager
    def gradebook(self) -> Generator[Gradebook]:
        config = self.configuration()
        with Gradebook(config.CourseDirectory.db_url, config.CourseDirectory.course_id) as gradebook:
            yield gradebook


@contextmanager
def quiet() -> Generator[None]:
    """nbgrader says in its result why it failed; what it, nbformat and SQLAlchemy print on the way helps nobody."""
    log = get_logger()
    assert isinstance(log, Logger)
    propagate, log.propagate = log.propagate, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.propagate = propagate


def configure(c: Config, root: Path, db_url: str | None = None, belongs_to: str | None = None) -> None:
    """What nbgrader does differently here. Preprocessors are given by name, as formgrader shows the configuration.

    root        the course folder
    db_url      of a gradebook elsewhere, which is that of the course folder `belongs_to`
    Raises CourseError for a copy of that folder: it must not write into the gradebook of the original.
    """
    if db_url and belongs_to and Path(belongs_to) != Path(root):
        raise CourseError(
            f"{root} was copied or moved from {belongs_to}, whose gradebook is {db_url}. Say which one is for this "
            'folder: make gradebook ARGS="--db-url URL"'
        )
    ng = "nbgrader.preprocessors."
    c.CourseDirectory.course_id = "course"
    c.CourseDirectory.root = str(root)
    c.CourseDirectory.db_url = db_url or f"sqlite:///{root}/gradebook.db"
    c.ClearSolutions.text_stub = STUBS[Rubric.load().course["language"]]
    # Instead of all that sanitizes: the cells as they were released, with answers and plots put back.
    c.Autograde.sanitize_preprocessors = [f"{HERE}.restoring.RestoreCells"]
    # Instead of Execute, SaveAutoGrades and AssignLatePenalties: no kernel, no student code, points from the record.
    c.Autograde.autograde_preprocessors = [f"{HERE}.scores.ExternalScores", f"{ng}LimitOutput"]
    c.HTMLExporter.preprocessors = [f"{HERE}.guide.ShowGuide"]
    if importlib.util.find_spec("jupyter_server_mathjax"):  # else formulas need the network
        c.HTMLExporter.extra_template_basedirs = [str(each) for each in TEMPLATES]
    c.HTMLExporter.filters = {"markdown2html": f"{HERE}.rendering.markdown2html"}
    c.GenerateFeedback.preprocessors = [
        f"{HERE}.late.SettleLateness",
        f"{ng}GetGrades",
        "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
        f"{HERE}.guide.RefuseGuide",
    ]
    c.RestoreCells.release = str(Path(root) / "release")
    c.ExternalScores.folder = str(Path(root).parent)
    c.ExternalScores.release = str(Path(root) / "release")
    c.SettleLateness.folder = str(Path(root).parent)
    c.Exchange.root = str(Path(root) / "exchange")  # not used; without it formgrader complains


def results(folder: Path, student: str) -> Path:
    """The grade record of a student, wherever it lies: what is withheld is not among the results."""
    withheld = folder / WITHHELD / student / "results.json"
    return withheld if withheld.exists() else folder / "results" / student / "results.json"


CONFIG = """# Written by the kit, for nbgrader started in this folder; db_url is yours to change.
import sys
from pathlib import Path

if {kit!r} not in sys.path:
    sys.path.insert(0, {kit!r})
from autograder.instructor.gradebook.course import configure

configure(get_config(), Path(__file__).parent{arguments})
"""


def master(rubric: Rubric) -> str:
    """The notebook of the gradebook as text: the one that students got, and a locked cell for each part."""
    asked = skeleton.generate(authoring.Course(rubric))
    if skeleton.NOTEBOOK not in asked:
        raise CourseError(
            "There is no report to mark: [parts.report] of rubric.toml is off. All grades stand in grades.csv already"
        )
    notebook = nbformat.reads(asked[skeleton.NOTEBOOK].decode(), 4)
    cells = [new_markdown_cell("## Parts 1 to 6, graded by programs", id="parts")]
    cells[0].metadata.nbgrader = metadata("parts")
    for part, title in rubric.parts.items():
        points = sum(check.points for check in rubric.checks.values() if check.part == part and not check.bonus)
        # Whoever runs nbgrader's own Execute gives nothing for it; a mere comment would give all points.
        cell = new_code_cell(f'raise RuntimeError("{title}: graded by the autograder, not here")', id=PART + part)
        cell.metadata.nbgrader = metadata(PART + part, grade=True) | {"points": points}
        cells.append(cell)
    notebook.cells += cells
    return nbformat.writes(notebook) + "\n"


def metadata(grade_id: str, grade: bool = False) -> dict[str, Any]:
    return {
        "grade": grade,
        "grade_id": grade_id,
        "locked": True,
        "schema_version": 3,
        "solution": False,
        "task": False,
    }


def build(folder: Path, rubric: Rubric, db_url: str | None = None) -> Course:
    """The course in the folder of a class, as solution/report.ipynb and the rubric have it now.

    db_url  of nbgrader's gradebook, for anything but SQLite in the course folder; kept until another is given
    Raises CourseError, and lateness.PolicyError.
    """
    course = Course(folder)
    # nbgrader asks the program `alembic` for its version when it makes a gradebook.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    course.configure(db_url)
    text = master(rubric)
    made = course.source.exists() and course.release.exists() and in_gradebook(course)
    if not made or course.source.read_text(encoding="utf-8") != text:
        before = course.source.read_bytes() if course.source.exists() else None
        write(course.source, text)
        done = course.api().generate_assignment(ASSIGNMENT)
        if not done["success"]:
            course.source.write_bytes(before) if before else course.source.unlink()
            told = re.findall(r"\[ERROR\] (.*)", done.get("log", "")) or [done["error"].splitlines()[-1]]
            raise CourseError(
                f"nbgrader does not take the new report.ipynb: {told[-1]}. Questions and parts cannot come or go once "
                "there are grades: move class/nbgrader away to begin anew"
            )
    with course.gradebook() as gradebook:
        update_due(gradebook, rubric.late)
    return course


def update_due(gradebook: Gradebook, policy: Mapping[str, Any]) -> None:
    when = lateness.due(policy)
    # nbgrader keeps times in UTC, without saying so.
    gradebook.update_or_create_assignment(ASSIGNMENT, duedate=when and when.astimezone(UTC).replace(tzinfo=None))


def in_gradebook(course: Course) -> bool:
    with course.gradebook() as gradebook:
        return any(assignment.name == ASSIGNMENT and assignment.notebooks for assignment in gradebook.assignments)
