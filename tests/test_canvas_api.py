"""Grades by Canvas's API: nothing is sent unasked, nothing twice, nothing to the wrong student, and the token to nobody
but Canvas."""

import pytest
from fake_canvas import ASSIGNMENT, COURSE, TOKEN, Canvas, served
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.instructor.grades.sheet import Grade, write_sheet
from autograder.instructor.handins.collecting import class_list, collect_class
from autograder.instructor.lms import canvas_api
from autograder.instructor.lms.__main__ import DONE, MISSING, USAGE, main
from autograder.rubric import Rubric

PEOPLE = {"ada": 4711, "bob": 4712, "cy": 4713, "dan": 4714, "eve": 4715}
USERS = [
    {"id": 4711, "name": "Ada Lovelace", "sortable_name": "Lovelace, Ada", "login_id": "ada@x.edu"},
    {"id": 4712, "name": "Bob [red]Young", "sortable_name": "[red]Young, Bob", "sis_user_id": "bob"},
    {"id": 4713, "name": "Cy", "sortable_name": "Cy", "email": "cy@x.edu"},
    {"id": 4714, "name": "Dan", "sortable_name": "Dan"},
    {"id": 4715, "name": "Eve", "sortable_name": "Eve"},
    {"id": 9, "name": "Somebody Else", "sortable_name": "Else, Somebody"},
]
FULL = dict.fromkeys(Rubric.load().parts, 10.0) | {"report": 0.25}


class Course:
    """A class whose grades are made, and Canvas."""

    def __init__(self, folder, url, canvas, capsys):
        self.folder, self.url, self.canvas, self.capsys = folder / "class", url, canvas, capsys
        self.rubric = Rubric.load()
        download = folder / "download"
        for id in ("ada", "bob", "cy", "eve"):
            (download / id).mkdir(parents=True)
            (download / id / "scheduler.py").write_text("x = 1\n")
        self.folder.mkdir()
        rows = "".join(f"{id},{number}\n" for id, number in PEOPLE.items())
        (self.folder / "roster.csv").write_text(f"id,lms_user_id\n{rows}gone,\n")
        collect_class(download, self.folder)
        self.publish()

    def publish(self, **points):
        """As `make feedback` does: ada and bob have 70.25; cy is excused; dan handed in nothing; eve is withheld."""
        made = [Grade(id, FULL | {"report": points.get(id, 0.25)}) for id in PEOPLE]
        made[2].status, made[4].status = "excused", "withheld"
        made[3].parts = dict.fromkeys(FULL, 0.0)
        listed, roster = class_list(self.folder)
        write_sheet(self.folder, [*made, Grade("gone", dict.fromkeys(FULL, 0.0))], listed, self.rubric, roster)
        (self.folder / "nbgrader").mkdir(exist_ok=True)
        (self.folder / "feedback").mkdir(exist_ok=True)
        for grade in made[:3]:
            (self.folder / "feedback" / f"{grade.student}.html").write_text(f"<p>{grade.student} {grade.points}")

    def run(self, *arguments, assignment=ASSIGNMENT):
        """(exit status, what was printed)."""
        status = main([str(self.folder), f"--course={COURSE}", f"--assignment={assignment}", *arguments])
        told = self.capsys.readouterr()
        assert TOKEN not in told.out + told.err and "Traceback" not in told.err
        assert not any(TOKEN.encode() in path.read_bytes() for path in self.folder.rglob("*") if path.is_file())
        return status, told.out + told.err

    def state(self):
        """{user: (score, excused, comments)}"""
        return {number: (entry.get("entered_score"), entry.get("excused", False), len(entry["submission_comments"]))
                for number, entry in self.canvas.submissions.items()}  # fmt: skip


DONE_STATE = {4711: (70.25, False, 1), 4712: (70.25, False, 1), 4713: (None, True, 0),
              4714: (None, False, 0), 4715: (None, False, 0), 9: (None, False, 0)}  # fmt: skip


@pytest.fixture
def course(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(canvas_api, "WAITS", (0, 0, 0))
    monkeypatch.setenv("COLUMNS", "150")
    canvas = Canvas(USERS)
    with served(canvas) as url:
        monkeypatch.setenv("CANVAS_API_URL", f"{url}/")
        monkeypatch.setenv("CANVAS_API_TOKEN", f" {TOKEN}\n")
        yield Course(tmp_path, url, canvas, capsys)


def test_it_is_shown_first_and_then_sent_and_then_there(course):
    status, told = course.run()
    assert status == DONE and course.canvas.puts() == [] and course.canvas.files == {}
    assert "3 to send, 0 as they should be, 4 left out." in told and "Nothing was sent" in told
    assert [line.split("│")[1:6] for line in told.splitlines() if "bob" in line and "│" in line] == [
        [" bob     ", " [red]Young, Bob (4712) ", " none ", " 70.25 ", " bob.html "]
    ]
    for line in (
        "dan: nothing was handed in",
        "eve: withheld",
        "gone: not among the students",
        "Else, Somebody: Nobody",
    ):
        assert f"Not sent, {line}" in told
    status, told = course.run("--send")
    assert status == DONE and "Sent: 3 of 3." in told and course.state() == DONE_STATE
    (comment,) = course.canvas.submissions[4711]["submission_comments"]
    assert (
        comment["comment"].startswith("70.25 of 120 points.")
        and comment["attachments"][0]["display_name"] == "ada.html"
    )
    assert b"<p>ada 70.25" in course.canvas.files[comment["attachments"][0]["id"]]["data"]
    before = len(course.canvas.puts())
    status, told = course.run("--send")
    assert status == DONE and "0 to send, 3 as they should be" in told and len(course.canvas.puts()) == before


def test_a_change_is_sent_alone(course):
    course.run("--send")
    course.publish(ada=12.0)
    (course.folder / "feedback" / "bob.html").write_text("a comment more")
    course.canvas.requests.clear()
    status, told = course.run("--send")
    assert status == DONE and "Sent: 2 of 2." in told and "the same" in told
    assert [path.rpartition("/")[2] for path in course.canvas.puts()] == ["4711", "4712"]
    assert course.state()[4711] == (82.0, False, 2) and course.state()[4712] == (70.25, False, 2)


faults = st.sampled_from(
    [(verb, words, what) for verb, words in (("GET", "users"), ("GET", "/submissions"), ("GET", "assignments/"),
                                             ("POST", "/comments/files"), ("POST", "/upload/"), ("PUT", "/4711"),
                                             ("PUT", "/4712"), ("PUT", "/4713"))
     for what in ("cut", "lost", 429, 403, 500, 502) if what in ("cut",) or words != "/upload/"]
)  # fmt: skip


def test_whatever_breaks_running_it_again_ends_the_same(course):
    """Faults at any place, also where Canvas did what it was asked and the answer was lost: nobody gets a comment
    twice, or another's grade."""

    @settings(max_examples=25, deadline=None, database=None)
    @given(st.lists(faults, min_size=1, max_size=4))
    def check(several):
        fresh = Canvas(USERS)
        for name in ("submissions", "files", "requests"):
            setattr(course.canvas, name, getattr(fresh, name))
        course.canvas.faults = list(several)
        for _ in range(len(several) + 1):
            status, told = course.run("--send")
            if status == DONE:
                break
            assert told.strip().splitlines()[-1].startswith(("Canvas", "ada: Canvas", "bob: Canvas", "cy: Canvas")), (
                told
            )
        assert status == DONE and course.state() == DONE_STATE

    check()


def test_a_connection_that_breaks_says_what_is_open(course):
    course.canvas.faults = [("PUT", "/4712", "cut")]
    status, told = course.run("--send")
    assert status == MISSING and course.state()[4711] == (70.25, False, 1)
    assert (
        "Canvas cannot be reached: ConnectionError. Sent: 1, open: 2; the same command sends what is missing." in told
    )
    course.canvas.requests.clear()
    assert course.run("--send")[0] == DONE and course.state() == DONE_STATE
    assert [path.rpartition("/")[2] for path in course.canvas.puts()] == ["4712", "4713"]


@pytest.mark.parametrize("status", [429, 403])
def test_who_is_asked_too_often_is_asked_later(course, status):
    course.canvas.faults = [("PUT", "/4711", status)] * 2 + [("GET", "users", status)] * 3
    assert course.run("--send")[0] == DONE and course.state() == DONE_STATE
    assert sum(path.endswith("/4711") for path in course.canvas.puts()) == 3
    course.publish(ada=1.0)
    course.canvas.faults = [("PUT", "/4711", status)] * 9
    status, told = course.run("--send")
    assert status == MISSING and told.count("Canvas") >= 1 and course.state()[4711][0] == 70.25


def test_what_canvas_refuses_of_one_student_stops_no_other(course):
    course.canvas.faults = [("PUT", "/4711", 400), ("POST", "4712/comments", 404)]
    status, told = course.run("--send")
    assert status == MISSING and "ada: Canvas refuses it: " in told and "bob: Canvas refuses it: Not Found" in told
    assert course.state()[4713] == (None, True, 0) and "Sent: 1 of 3." in told
    assert course.run("--send")[0] == DONE and course.state() == DONE_STATE


def test_who_is_excused_in_canvas_stays_so(course):
    """As in the column of its gradebook: a person wrote that there."""
    course.canvas.submissions[4711]["excused"] = True
    status, told = course.run("--send")
    assert status == DONE and "Not sent, ada: EX in Canvas stays." in told
    assert course.state() == DONE_STATE | {4711: (None, True, 0)}


def test_a_late_policy_of_canvas_is_noticed(course):
    course.canvas.policy = 0.9
    status, told = course.run("--send")
    assert status == MISSING
    assert "ada: Canvas made 63.23 of 70.25: has the course a late policy of its own?" in told


def test_other_points_possible_are_asked_about(course):
    course.canvas.assignment["points_possible"] = 60
    status, told = course.run("--send")
    assert status == USAGE and course.canvas.puts() == [] and "Canvas has 60 points possible" in told
    assert course.run("--send", "--scale=yes")[0] == DONE and course.state()[4711][0] == 35.12
    assert course.run("--send", "--scale=no")[0] == DONE and course.state()[4711][0] == 70.25


def write(course, text):
    (course.folder / "grades.csv").write_text(text)


def cut_off(course):
    course.canvas.faults = [("GET", "", "cut")]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda course: setattr(course.canvas, "token", "another"), "Canvas refuses the token"),
        (lambda course: course.canvas.assignment.update(grading_type="pass_fail"), "is graded as pass_fail in Canvas"),
        (lambda course: course.canvas.assignment.update(group_category_id=3), "to a whole group"),
        (cut_off, "Canvas cannot be reached: ConnectionError"),
        (lambda course: course.canvas.faults.append(("GET", "users", 404)), "shows no students or no submissions"),
        (lambda course: (course.folder / "grades.csv").unlink(), "There is no "),
        (lambda course: write(course, "id,points\n"), "line 1: there is no column status"),
        (lambda course: write(course, "id,status,points,max_points\nada,,x,1\n"), "line 2, column points: 'x' is no"),
        (lambda course: (course.folder / "roster.csv").write_text("x\n"), "has no column `id`"),
    ],
)
def test_what_cannot_be_sent_is_one_line(course, change, reason):
    change(course)
    status, told = course.run("--send")
    assert status == USAGE and reason in told and len(told.strip().splitlines()) == 1 and course.canvas.puts() == []


def test_an_assignment_that_is_not_there_is_one_line(course):
    status, told = course.run(assignment=346)
    assert status == USAGE and told.strip() == "Canvas has no assignment 346 in a course 12, or not for this token."


@pytest.mark.parametrize(
    ("url", "token", "reason"),
    [
        ("", TOKEN, "Set CANVAS_API_URL"),
        ("https://canvas.example.edu", "", "and CANVAS_API_TOKEN, in the environment"),
        ("http://canvas.example.edu", TOKEN, "would send the token for everybody to read"),
        ("canvas.example.edu", TOKEN, "is no address of Canvas"),
        ("https://canvas.example.edu", "a\nb", "holds characters that no token has"),
    ],
)
def test_the_token_goes_to_nobody_else(course, monkeypatch, url, token, reason):
    monkeypatch.setenv("CANVAS_API_URL", url)
    monkeypatch.setenv("CANVAS_API_TOKEN", token)
    status, told = course.run("--send")
    assert status == USAGE and reason in told and course.canvas.requests == []
