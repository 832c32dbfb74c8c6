"""The gradebook in PostgreSQL, where there is one: several people mark at one time and nothing is lost, and a dump that
is restored gives the same grades. The server is one of the test's own, on loopback, and ends with it."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from nbgrader import api
from test_gradebook import Classroom, notebook, record, rubric

from autograder.instructor.gradebook.__main__ import DONE, MISSING, main
from autograder.instructor.gradebook.filling import fill
from autograder.instructor.handins.collecting import collect
from autograder.instructor.handins.roster import Person
from autograder.paths import ROOT

BIN = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
DRIVER = importlib.util.find_spec("psycopg")
STUDENTS = [f"s{n}" for n in range(6)]
QUESTIONS = {"warmup": 2, "steps_answer": 3}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not BIN, reason="needs PostgreSQL: postgresql of Debian"),
    pytest.mark.skipif(not DRIVER, reason="needs a driver for PostgreSQL: pip install 'psycopg[binary]'"),
]


class Server:
    """A PostgreSQL in a folder, which root may not run by itself."""

    def __init__(self, folder):
        self.folder = folder / "data"
        self.user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self.user:
            shutil.chown(folder, "postgres")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder_option = ["-D", str(self.folder)]
        self.run("initdb", *self.folder_option, "-A", "trust", "-U", "grader", "--no-sync")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        self.start = ["pg_ctl", *self.folder_option, "-w", "-l", str(folder / "log"), "-o", options, "start"]
        self.run(*self.start)

    def run(self, program, *arguments, **options):
        """One of PostgreSQL's programs. What it starts must not hold a pipe of ours."""
        quiet = {"stdout": subprocess.DEVNULL} | options
        return subprocess.run([*self.user, str(BIN / program), *arguments], check=True, cwd="/", **quiet)

    def ask(self, program, *arguments, **options):
        return self.run(program, "-h", "127.0.0.1", "-p", str(self.port), "-U", "grader", *arguments, **options)

    def url(self, name):
        return f"postgresql+psycopg://grader@127.0.0.1:{self.port}/{name}"

    def stop(self):
        self.run("pg_ctl", *self.folder_option, "-m", "fast", "-w", "stop")


@pytest.fixture
def server():
    with tempfile.TemporaryDirectory() as folder:  # not pytest's own, which other users may not enter
        made = Server(Path(folder))
        yield made
        made.stop()


@pytest.fixture
def classroom(tmp_path, monkeypatch, server):
    """A class whose gradebook is in PostgreSQL; everybody answered two questions, and nothing is marked yet."""
    monkeypatch.setattr(api, "get_alembic_version", lambda: "asking takes seconds")
    server.ask("createdb", "one")
    made = Classroom(tmp_path / "class", [Person(id, "Ada", id) for id in STUDENTS])
    for id in STUDENTS:
        made.hand_in(id, json.dumps(notebook(warmup=f"The mean, says {id}.", steps_answer="Few.")).encode())
        made.record(id, record(losing=["ddim.eta"]))
    made.handed_in = collect(made.source, made.folder / "submissions", made.roster)
    made.now = made.roster
    filled = fill(made.folder, made.handed_in, rubric(), made.roster, server.url("one"))
    assert filled.done == len(STUDENTS) and filled.failed == {}
    return made


MARKER = """
import sys
from autograder.instructor.gradebook.course import Course
from autograder.instructor.gradebook.filling import grades
folder, cell, students = sys.argv[1], sys.argv[2], sys.argv[3:]
for round in range(5):
    for n, student in enumerate(students):
        with Course(folder).gradebook() as gradebook:
            for grade in grades(gradebook, student):
                if grade.name == cell:
                    grade.manual_score, grade.needs_manual_grade = n / 4 + round / 100, False
            gradebook.find_comment(cell, "report", "homework", student).manual_comment = f"{cell} of {student}, {round}"
            gradebook.db.commit()
"""


def test_two_mark_the_same_students_at_once_and_nothing_is_lost(classroom):
    """One marks the first question of everybody and one the second, in opposite order, while grades are reckoned."""
    processes = [
        subprocess.Popen([sys.executable, "-c", MARKER, classroom.folder, cell, *students], cwd=ROOT)
        for cell, students in (("warmup", STUDENTS), ("steps_answer", STUDENTS[::-1]))
    ]
    while any(process.poll() is None for process in processes):
        classroom.grades()  # writes lateness and due dates
    assert [process.wait() for process in processes] == [0, 0]
    assert {id: grade.missing for id, grade in classroom.grades().items()} == {id: [] for id in STUDENTS}
    listed = classroom.course.api().get_notebook_submissions("homework", "report")  # as formgrader lists them
    assert {each["student"]: each["needs_manual_grade"] for each in listed} == dict.fromkeys(STUDENTS, False)
    for id, grade in classroom.grades().items():
        assert grade.parts["report"] == pytest.approx(5 / 4 + 0.08)
        with classroom.course.gradebook() as gradebook:
            for cell in QUESTIONS:
                comment = gradebook.find_comment(cell, "report", "homework", id)
                assert comment.manual_comment == f"{cell} of {id}, 4"


def test_a_dump_that_is_restored_gives_the_same_grades(classroom, server, tmp_path, capsys):
    for id in STUDENTS:
        classroom.by_hand(id, **QUESTIONS)
    (classroom.folder / "roster.csv").write_text("\n".join(["id", *STUDENTS]))
    assert main(["feedback", str(classroom.folder)]) == DONE
    made = (classroom.folder / "grades.csv").read_bytes()
    dump = server.ask("pg_dump", "one", stdout=subprocess.PIPE).stdout
    server.ask("dropdb", "one")
    assert main(["feedback", str(classroom.folder)]) == MISSING
    told = capsys.readouterr().err
    assert "The gradebook cannot be used: " in told and "Traceback" not in told
    server.ask("createdb", "two")
    server.ask("psql", "-q", "-v", "ON_ERROR_STOP=1", "two", input=dump)
    same = fill(classroom.folder, classroom.handed_in, rubric(), classroom.roster, server.url("two"))
    assert (same.same, same.done) == (len(STUDENTS), 0)
    (classroom.folder / "grades.csv").unlink()
    assert main(["feedback", str(classroom.folder)]) == DONE
    assert (classroom.folder / "grades.csv").read_bytes() == made


def test_a_server_that_is_away_is_one_line_and_loses_nothing(classroom, server, capsys):
    for id in STUDENTS:
        classroom.by_hand(id, **QUESTIONS)
    before = classroom.grades()
    server.stop()
    try:
        assert main(["feedback", str(classroom.folder)]) == MISSING
        told = capsys.readouterr().err
        assert "is its server up?" in told and "Traceback" not in told
    finally:
        server.run(*server.start)
    assert classroom.grades() == before
