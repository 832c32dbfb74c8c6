"""Fifty submissions through the gradebook, one command per stage, and every number of grades.csv reckoned again."""

import csv
import json
import math
import random
import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from courses import TO_5
from hostile import compose
from test_gradebook import DUE, LATE, NONE, NOTEBOOKS, notebook
from test_submissions import ACCEPTED, BROKEN, source

from autograder.instructor.authoring import patches
from autograder.instructor.gradebook import guide
from autograder.instructor.gradebook.__main__ import DONE, MISSING, main
from autograder.instructor.gradebook.course import PART, Course
from autograder.instructor.gradebook.filling import grades as grades_of
from autograder.intake.handin import zipped
from autograder.reports import gradescope
from autograder.rubric import Rubric

HOSTILE = ("equal_to_everything", "exit_at_import", "forged_reply", "write_results")
HANGING = {"fork_bomb_small", "infinite_loop", "infinite_loop_at_import", "memory_bomb", "memory_bomb_bytes", "sleeps"}
WHOLE = ("s01", "s16", "s46", "s49")  # graded in all parts, with training and infer.py; the others in the exact ones
DAYS = (-1, 0, 5 / 1440, 0.3, 1.2, 3, 6.9, 8, None)  # late; None: nobody knows
EXTENDED = {"s03": 2, "s13": 1, "s31": 10}


@pytest.fixture(scope="module")
def strict():
    return replace(Rubric.load(), late=LATE)


def submissions(drawn):
    """{student: {name: bytes}}: right, mistaken, broken and hostile ones, with good and bad notebooks."""
    right = [{path.name: path.read_bytes() for path in folder.glob("*.py")} for folder in ACCEPTED[:14]]
    right[1] = patches.reference()
    mistaken = [patch.files for patch in drawn.sample(patches.load_all(), 18)]
    broken = [source(path) for name, path in sorted(BROKEN.items()) if name not in HANGING][:14]
    hostile = [{"scheduler.py": compose(name, {}).encode()} for name in HOSTILE]
    bad = [data for data, _ in NONE.values()]
    for spoil in NOTEBOOKS.values():
        spoiled = answered(drawn)
        spoil(spoiled)
        bad.append(json.dumps(spoiled).encode())
    made = {}
    for n, files in enumerate([*right, *mistaken, *broken, *hostile]):
        report = bad[n // 3 % len(bad)] if n % 3 == 0 else json.dumps(answered(drawn)).encode()
        made[f"s{n:02}"] = files | ({"report.ipynb": report} if report is not None else {})
    assert len(made) == 50
    return made


def answered(drawn):
    ids = drawn.sample(list(guide.guide()), drawn.randint(0, 7))
    return notebook(**{id: f"Answer {drawn.random()}" for id in ids})


def export(made, when):
    """The zip that Gradescope makes of them."""
    files, listed = {}, ["---"]
    for n, (student, contents) in enumerate(made.items()):
        files |= {f"export/submission_{n}/{name}": data for name, data in contents.items()}
        listed += [f"submission_{n}:", "  :submitters:", f"  - :name: {student.upper()}", f"    :sid: {student}"]
        time = when[student] and when[student].isoformat(" ")
        listed += [f"  :created_at: {time or ''}"]
    return zipped(files | {"export/submission_metadata.yml": "\n".join(listed).encode()})


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty(grade, strict, tmp_path, monkeypatch, capsys):
    drawn = random.Random(7)
    monkeypatch.setattr(Rubric, "load", lambda: strict)
    folder = tmp_path / "class"
    made = submissions(drawn)
    days = {student: drawn.choice(DAYS) for student in made}
    when = {student: None if late is None else datetime.fromisoformat(DUE) + timedelta(days=late)
            for student, late in days.items()}  # fmt: skip
    (tmp_path / "download.zip").write_bytes(export(made, when))
    folder.mkdir()
    roster = [f'{id},"Last, {id}",=First,{EXTENDED.get(id, "")}' for id in [*made, "absent"]]
    (folder / "roster.csv").write_text("\n".join(["id,last_name,first_name,extension_days", *roster]))

    assert main(["fill", str(folder), "--submissions", str(tmp_path / "download.zip")]) == DONE
    assert main(["feedback", str(folder)]) == MISSING
    assert not list((folder / "nbgrader").rglob("feedback/*/*/*.html"))

    # What `make class` does, or `make grade` for each.
    course = Course(folder)
    for student in made:
        where = folder / "submissions" / student
        record = grade(where if (where / "scheduler.py").exists() else where / "refused.zip",
                       only=() if student in WHOLE else TO_5, asked=Rubric.load())  # fmt: skip
        path = course.results(student)
        path.parent.mkdir(parents=True)
        path.write_text(gradescope.render(record, Rubric.load()))

    assert main(["fill", str(folder)]) == DONE
    assert main(["fill", str(folder)]) == DONE
    assert capsys.readouterr().out.splitlines()[-1] == "0 filled in, 50 as before, 1 handed in nothing."
    assert main(["feedback", str(folder)]) == MISSING
    by_hand = mark(course, made, drawn)
    assert main(["feedback", str(folder)]) == DONE

    rows = {row["id"]: row for row in csv.DictReader((folder / "grades.csv").open(encoding="utf-8"))}
    assert list(rows) == [*made, "absent"] and rows["absent"]["points"] == "0"
    marked = 0
    for student in made:
        parts = points_of(course.results(student))
        assert set(parts) == {*Rubric.load().parts} if student in WHOLE else {*TO_5}
        earned = sum((parts | by_hand[student]).values())
        late = 0 if days[student] is None else days[student] - EXTENDED.get(student, 0)
        begun = math.ceil(late - 10 / 1440)
        off = 0 if begun <= 0 else earned if begun > 7 else round(0.1 * begun * earned, 2)
        row = rows[student]
        assert float(row["points"]) == pytest.approx(earned - off, abs=0.005), (student, row)
        assert float(row["late_penalty"]) == pytest.approx(off, abs=0.005) and row["complete"] == "yes"
        assert sum(float(row[part]) for part in [*Rubric.load().parts, "report"]) == pytest.approx(earned)
        page = course.page(student).read_text(encoding="utf-8")
        words = " ".join(re.sub("<[^>]*>", " ", page.partition("<body>")[2]).split())
        assert words.startswith(f"{student} {row['points']} of 120 points"), words[:80]
        assert not any(line in page for line in guide.lines())
        marked += bool(by_hand[student])
    assert marked > 30 and len({row["points"] for row in rows.values()}) > 25
    assert sum(row["late_penalty"] != "0" for row in rows.values()) > 10
    assert float(rows["s01"]["schedule"]) == 15 and float(rows["s01"]["infer"]) == 12


def points_of(path):
    """{part: points} of a results.json, by the plainest reading of it."""
    parts = {}
    for test in json.loads(path.read_text())["tests"]:
        part = test["extra_data"]["part"]
        parts[part] = parts.get(part, 0) + test["score"]
    return parts


def mark(course, made, drawn):
    """Give points by hand where any are missing, also for parts that were not graded: {student: {cell: points}}."""
    given = {}
    with course.gradebook() as gradebook:
        for student in made:
            given[student] = {}
            for grade in grades_of(gradebook, student):
                if grade.needs_manual_grade:
                    points = drawn.randint(0, int(2 * grade.max_score)) / 2
                    grade.manual_score, grade.needs_manual_grade = points, False
                    given[student][grade.name.removeprefix(PART)] = points
        gradebook.db.commit()
    return given
