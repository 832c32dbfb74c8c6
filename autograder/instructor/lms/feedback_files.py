"""One zip for each platform from which a class was collected, with the feedback of all who have some.

    canvas      ada-lovelace_4711_56789_feedback.html: the number of the student, then that of the last file handed in.
                Canvas takes the first two parts that are numbers, and wants a file of the latest hand-in
    moodle      ada-lovelace_1234_assignsubmission_file_feedback.html: the second part is the participant's number
    gradescope  an autograder that grades nothing: results/1234.json, by the number of the hand-in

(Canvas: infer_comment_context_from_filename; Moodle: importziplib.php of its feedback files; Gradescope:
gradescope-autograders.readthedocs.io.) A file that a group would see is packed only where it is the same for all of it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...files import write
from ...intake.handin import zipped
from ...rubric import REPORT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from ..grades.sheet import Grade
    from ..handins.collecting import HandedIn

    Content = Callable[[str], bytes | None]  # of a student's feedback; None where there is none to be given

CANVAS, MOODLE, GRADESCOPE = "canvas", "moodle", "gradescope"
SCRIPTS = Path(__file__).parent / "gradescope"


@dataclass
class Packed:
    """A zip that was written.

    files  how many are for students
    left   {student: why their feedback is not in it}, of those who have some
    """

    path: Path
    files: int
    left: dict[str, str] = field(default_factory=dict)


def pack(folder: Path, handed_in: Iterable[HandedIn], content: Mapping[str, Content]) -> list[Packed]:
    """Write class/feedback_PLATFORM.zip for each platform that hand-ins of the class came from.

    content  what a student's file for a platform holds, by platform
    """
    known: dict[str, dict[str, list[str]]] = {}
    for entry in handed_in:
        if entry.path and not entry.stranger:
            known.setdefault(entry.platform, {}).setdefault(entry.reference, []).append(entry.student)
    elsewhere = [student for students in known.pop("", {}).values() for student in students]
    made = []
    for platform in sorted(known):
        give, files, left = content[platform], {}, {}
        for reference, students in known[platform].items():
            given = {student: give(student) for student in students}
            (first, *_) = one_of = set(given.values())
            if len(one_of) > 1:
                left |= dict.fromkeys(students, f"{platform} would show one file to all of {', '.join(students)}")
            elif first is not None:
                files[name(platform, students[0], reference)] = first
        left |= {student: f"the hand-in did not come from {platform}" for student in elsewhere if give(student)}
        scripts = {path.name: path.read_bytes() for path in SCRIPTS.iterdir()} if platform == GRADESCOPE else {}
        path = folder / f"feedback_{platform}.zip"
        write(path, zipped(files | scripts))
        made.append(Packed(path, len(files), left))
    return made


def name(platform: str, student: str, reference: str) -> str:
    """What a student's file for a platform is called."""
    if platform == GRADESCOPE:
        return f"results/{reference}.json"
    kind = "feedback.html" if platform == CANVAS else "assignsubmission_file_feedback.html"
    if not reference[:1].isdigit():  # Canvas, where the staff does not see names: anon_x7_56789
        return f"{reference}_{kind}"
    who = re.sub(r"[_\s]+", "-", student).strip("-")
    # A part that is a number would be taken for the student's; what begins with a dot for a hidden file.
    return f"of-{who}_{reference}_{kind}"


def gradescope_results(record: str, grade: Grade, lines: Iterable[str], report: Iterable[Mapping[str, Any]]) -> bytes:
    """results.json of a student once all is marked: the tests as they are, the questions of the report below them, and
    the points with lateness taken off.

    record  the text of results.json of the code
    lines   what is told at the top, in Markdown
    report  {"name", "score", "max_score", "output"} of each question
    """
    results = json.loads(record)
    results["score"] = grade.points
    results["output"] = "\n\n".join([*lines, results.get("output", "")]).strip()
    results["output_format"] = "md"
    first = len(results["tests"]) + 1
    results["tests"] += [{"number": str(n), "output_format": "md", "extra_data": {"part": REPORT}, **question}
                         for n, question in enumerate(report, first)]  # fmt: skip
    return (json.dumps(results, indent=1, allow_nan=False) + "\n").encode()
