"""Several hand-ins of one student, and what is agreed with single students, through whole runs. Nothing is graded here:
a stand-in earns the points (test_hand_ins.py)."""

import html
import json
import random
import re
from dataclasses import replace
from datetime import datetime
from urllib.parse import unquote

import pytest
from test_hand_ins import CODE, grades, lay, make, pack

from autograder.instructor.classroom import page
from autograder.instructor.grades import lateness
from autograder.instructor.grades.sheet import Grade
from autograder.instructor.handins.collecting import People, class_list, collect, load_class
from autograder.instructor.handins.roster import Person, Roster
from autograder.intake.handin import zipped
from autograder.rubric import Rubric

__all__ = ["make"]  # a fixture
LATE = {"due": "2026-12-01T23:59", "time_zone": "Europe/Berlin", "policy": "budget", "grace_minutes": 10,
        "per_day_percent": 10, "last_day": 7, "days_in_all": 1}  # fmt: skip
# Of ada: 95 points in time, then 94 in time, then 100 more than a day late; of bob 100 within the grace.
FIRST, SECOND, THIRD = b"# schedule.linear\n", b"# schedule.cosine\n", b"# all right\n"


def uploads(*attempts):
    """A download of Blackboard, of (user, day and time in December, scheduler.py)."""
    return {f"Homework_{user}_attempt_2026-12-{when}_scheduler.py": code for user, when, code in attempts}


ADA = [("ada", "01-10-00-00", FIRST), ("ada", "01-23-59-00", SECOND), ("ada", "03-00-09-01", THIRD)]
BOB = [("bob", "02-00-09-00", CODE)]


@pytest.fixture
def course(monkeypatch):
    """course(**late) changes [late] of the rubric."""

    def course(**late):
        made = replace(Rubric.load(), late=LATE | late)
        monkeypatch.setattr(Rubric, "load", lambda *_, **__: made)

    return course


def agree(tmp_path, text):
    lay(tmp_path / "class", {"exceptions.csv": text.encode()})


def shown(tmp_path, student):
    path = tmp_path / "class" / "results" / student / "report.html"
    return path.read_text(encoding="utf-8") if path.exists() else None


def test_a_change_of_what_counts_counts_at_the_next_run(make, course, tmp_path):
    source = pack(tmp_path / "d.zip", uploads(*ADA, *BOB))
    course()
    assert make("--", source) == 0
    row = grades(tmp_path)["ada"]
    assert (row["code"], row["days_late"], row["late_days_used"]) == ("100", "2", "1")
    assert row["submitted"] == "2026-12-03T00:09:01+01:00" and "hand-ins" not in shown(tmp_path, "ada")
    assert grades(tmp_path)["bob"]["days_late"] == "0", "the last second of the grace"
    for attempt, code, days, number in (("on_time", "94", "0", 2), ("best", "95", "0", 1), ("latest", "100", "2", 0)):
        course(attempt=attempt)
        assert make() == 0
        row = grades(tmp_path)["ada"]
        assert (row["code"], row["days_late"]) == (code, days)
        told = f"Of 3 hand-ins, number {number} "
        assert (told in shown(tmp_path, "ada")) == (told in row["notes"]) == bool(number)
        results = json.loads((tmp_path / "class/results/ada/results.json").read_text(encoding="utf-8"))
        assert results["score"] == float(code)
    course(attempt="best")
    agree(tmp_path, "student,extra_days\nada,1\n")
    assert make() == 0 and grades(tmp_path)["ada"]["code"] == "100", "two late days are enough for the last"
    assert class_list(tmp_path / "class")[0][0].path.name == "ada", "and for the commands to come"
    agree(tmp_path, "student,used_days\nada,1\n")
    assert make() == 0 and grades(tmp_path)["ada"]["code"] == "95"
    assert (class_list(tmp_path / "class")[0][0].path / "scheduler.py").read_bytes() == FIRST


def test_once_more_nothing_is_graded_again_and_a_later_hand_in_is_one_more(make, course, tmp_path, capsys):
    course(attempt="best")
    assert make("--", pack(tmp_path / "d.zip", uploads(*ADA[:2], *BOB))) == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "class/kept").iterdir()}
    assert len(before) == 3 and make("--", tmp_path / "d.zip") == 0
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "class/kept").iterdir()}
    # The latest is another file now: as ever, a published grade changes with a regrade only, and none is lost.
    capsys.readouterr()
    assert make("--", pack(tmp_path / "d.zip", uploads(*ADA[1:], ("ada", "01-23-00-00", THIRD), *BOB))) == 0
    assert "1 were graded before something changed (submission for 1)" in capsys.readouterr().out
    row = grades(tmp_path)["ada"]
    assert row["code"] == "100" and row["days_late"] == "0" and "number 2 (2026-12-01 23:00:00+01:00)" in row["notes"]
    assert make("--student", "ada", does="regrade") == 0
    assert make("--student", "ada", "--publish", does="regrade") == 0
    assert grades(tmp_path)["ada"]["code"] == "100" and make() == 0


def test_the_same_files_again_and_late_cost_nothing_where_the_best_counts(make, course, tmp_path):
    course(attempt="best", days_in_all=0)
    again = [("ada", "01-10-00-00", CODE), ("ada", "01-11-00-00", FIRST), ("ada", "04-10-00-00", CODE)]
    assert make("--", pack(tmp_path / "d.zip", uploads(*again))) == 0
    assert grades(tmp_path)["ada"]["submitted"] == "2026-12-01T10:00:00+01:00"
    course()
    assert make() == 0 and grades(tmp_path)["ada"]["days_late"] == "3"


def test_excused_is_no_0_and_withheld_lies_where_no_student_looks(make, course, tmp_path, capsys):
    course()
    lay(tmp_path / "class", {"roster.csv": b"id\nada\nbob\ncy\ndan\n"})
    agree(tmp_path, "student,status,note\nbob,withheld,asked to come by\ncy,excused,ill\n")
    source = pack(tmp_path / "d.zip", uploads(*ADA, *BOB) | {"stray.txt": b""})
    assert make("--", source) == 3, "dan waits, as the stray file may be his"
    rows = grades(tmp_path)
    assert rows["cy"]["points"] == rows["cy"]["schedule"] == rows["cy"]["code"] == ""
    assert (rows["cy"]["status"], rows["cy"]["complete"]) == ("excused", "yes") and "ill" in rows["cy"]["notes"]
    assert (rows["bob"]["status"], rows["bob"]["points"], rows["bob"]["code"]) == ("withheld", "", "100")
    assert rows["dan"]["complete"] == "no" and "Waits" in rows["dan"]["notes"]
    assert shown(tmp_path, "ada") and not shown(tmp_path, "bob") and not shown(tmp_path, "cy")
    results = [path for path in (tmp_path / "class/results").rglob("*") if "bob" in str(path) or "cy" in str(path)]
    assert results == [] and (tmp_path / "class/withheld/bob/report.html").exists()
    agree(tmp_path, "student,status\nada,withheld\n")
    assert make("--absent-are-absent") == 0
    assert shown(tmp_path, "bob") and not shown(tmp_path, "ada") and not (tmp_path / "class/withheld/bob").exists()
    assert grades(tmp_path)["cy"]["points"] == "0"


@pytest.mark.parametrize(
    ("text", "late", "told"),
    [
        (
            "student,due\nadda,2026-12-03\n",
            {},
            "exceptions.csv, line 2, column student: nobody in the class has the id",
        ),
        (
            "student,due\nada,soon\n",
            {},
            "exceptions.csv, line 2, column due: 'soon', and that is no date; write it like",
        ),
        ("", {"policy": "harsh"}, "[late] of rubric.toml: policy is 'harsh'"),
    ],
)
def test_what_makes_no_sense_is_one_line_before_anything_is_graded(make, course, tmp_path, capsys, text, late, told):
    course(**late)
    agree(tmp_path, text)
    assert make("--", pack(tmp_path / "d.zip", uploads(*ADA))) == 2
    said = capsys.readouterr().err
    assert told in said and len(said.splitlines()) == 1 and not (tmp_path / "class/kept").exists()
    agree(tmp_path, "")
    course()
    assert make() == 0 and grades(tmp_path)["ada"]["code"] == "100", "and what was collected is there"


# ----- the page for staff --------------------------------------------------------------------------------------------


def test_the_staff_page_leads_to_what_was_handed_in(make, course, tmp_path):
    """With names, lateness, what is agreed and which hand-in counts. A refusal is told once."""
    course(attempt="best")
    roster = "id,first_name,last_name\nada,Ada,Lovelace\nbob,Bob,Young\ncy,Cy,Zee\ndan,Dan,Ü & <b>Co\neve,,\n"
    lay(tmp_path / "class", {"roster.csv": roster.encode()})
    agree(tmp_path, "student,due,status,note\nbob,2026-12-03,withheld,asked to come by\ncy,,excused,ill\n")
    files = uploads(*ADA, *BOB, ("x", "01-10-00-00", CODE)) | {"stray.txt": b""}
    files |= {"Homework_dan_attempt_2026-12-01-10-00-00_notes.txt": b"see my repository"}
    assert make("--", pack(tmp_path / "d.zip", files)) == 3
    shown = (tmp_path / "class/index.html").read_text(encoding="utf-8")
    links = [unquote(html.unescape(link)) for link in re.findall('href="([^"#]*)"', shown)]
    assert len(links) >= 12 and [link for link in links if not (tmp_path / "class" / link).exists()] == []
    assert any(link.startswith("submissions/ada~") for link in links) and "withheld/bob/report.html" in links
    words = " ".join(html.unescape(re.sub("<[^>]*>", " ", shown.partition("<body>")[2])).split())
    assert "Ada Lovelace" in words and "Dan Ü & <b>Co" in words
    assert "Due 2026-12-01 23:59+01:00. Late work: 1 late days in all; after that 10 %" in words
    assert "The class: 5 students and 1 stranger" in words and "stranger x : Nobody in the roster" in words
    assert words.index("not understood stray.txt") < words.rindex("To look at") < words.rindex("Distribution")
    assert "1 handed in nothing and wait, as their work may be among these: eve" in words
    assert "Due 2026-12-03 23:59+01:00. Agreed: asked to come by" in words and "Agreed: ill" in words
    assert "Of 3 hand-ins, number 1 (2026-12-01 10:00:00+01:00) counts." in words
    assert words.count("there is no scheduler.py in it") == 2, "in a sentence of To look at, and in Dan's own line"
    row = re.search(r'<tr data-words="dan;.*?</tr>', shown, re.DOTALL)[0]
    assert len(re.findall("refused", re.sub("<tr[^>]*>|<a.*?</a>", "", row))) == 1


def test_make_feedback_brings_the_page_up_to_date(make, course, tmp_path):
    """With the points for the report, which only the gradebook knows, and the total."""
    course()
    assert make("--", pack(tmp_path / "d.zip", uploads(*ADA, *BOB))) == 0
    folder = tmp_path / "class"
    listed, roster = class_list(folder, zone=lateness.time_zone(LATE))
    parts = dict.fromkeys(Rubric.load().parts, 0.0) | {"reverse": 35.0, "report": 17.5}
    made = [Grade("ada", parts, 5.25, rate=10.0), Grade("bob", parts | {"report": None}, missing=["warmup"])]
    page.show(folder, Rubric.load(), listed, roster, made)
    rows = re.findall(r"<tr data-words=.*?</tr>", (folder / "index.html").read_text(encoding="utf-8"), re.DOTALL)
    (ada, bob) = ([re.search(f'data-label="{name}" data-value="(.*?)"', row)[1] for name in ("report", "total")]
                  for row in rows)  # fmt: skip
    assert ada == ["17.5", "47.25"] and bob == ["", ""]
    page.show(tmp_path / "nowhere", Rubric.load(), listed, roster, made)
    assert not (tmp_path / "nowhere").exists(), "nothing was graded there"


# ----- what is kept ---------------------------------------------------------------------------------------------------


def contents(entry):
    return [((each.path / "scheduler.py").read_bytes(), each.time) for each in entry.attempts]


@pytest.mark.parametrize("seed", range(6))
def test_no_hand_in_is_lost_whichever_downloads_it_came_in(seed, tmp_path):
    """Downloads of growing lists, some as folders, some whose run was killed before it wrote its list."""
    drawn, zone = random.Random(seed), lateness.time_zone(LATE)
    into, people = tmp_path / "in", People(Roster([Person("ada"), Person("bob")]), zone=zone)
    log = [(drawn.choice(["ada", "bob"]), f"{day:02}-{drawn.randrange(24):02}-00-0{drawn.randrange(10)}",
            b"# %d\n" % drawn.randrange(6)) for day in range(1, 20)]  # fmt: skip
    sent = set()
    for reached in [*sorted(drawn.sample(range(1, len(log)), 4)), len(log)]:
        window = log[max(0, reached - drawn.randrange(3, 9)) : reached]
        files, sent = uploads(*window), sent | set(window)
        before = (into / ".collected.json").read_text() if into.exists() else None
        collect(pack(tmp_path / "d.zip", files), into, people.roster)
        if before and drawn.random() < 0.5:
            (into / ".collected.json").write_text(before)
            collect(tmp_path / "d.zip", into, people.roster)
    found = {entry.student: contents(entry) for entry in load_class(into, people)}
    for user in found:
        theirs = [(code, moment(when)) for who, when, code in log if who == user and (who, when, code) in sent]
        assert found[user][-1] == theirs[-1]
        seen = {code for code, _ in theirs}
        assert {code for code, _ in found[user]} == seen, "each of them is there"
        for code, time in found[user][:-1]:
            assert time == min(each for other, each in theirs if other == code), "with the time of the first"
        assert [time for _, time in found[user]] == sorted(time for _, time in found[user])


def test_what_an_older_version_collected_is_still_there(tmp_path):
    """Its list knew of no earlier hand-ins."""
    into, people = tmp_path / "in", People(Roster([Person("ada")]), zone=lateness.time_zone(LATE))
    collect(pack(tmp_path / "d.zip", uploads(("ada", "01-10-00-00", FIRST))), into, people.roster)
    index = into / ".collected.json"
    data = json.loads(index.read_text())
    for account in data["accounts"].values():
        del account["digest"], account["earlier"]
    data.pop("counting", None)
    index.write_text(json.dumps(data, indent=1) + "\n")
    assert contents(load_class(into, people)[0]) == [(FIRST, moment("01-10-00-00"))]
    collect(pack(tmp_path / "e.zip", uploads(("ada", "02-10-00-00", SECOND))), into, people.roster)
    assert contents(load_class(into, people)[0]) == [(FIRST, moment("01-10-00-00")), (SECOND, moment("02-10-00-00"))]


def moment(when):
    return datetime.strptime(f"2026-12-{when}", "%Y-%m-%d-%H-%M-%S").replace(tzinfo=lateness.time_zone(LATE))


def test_what_the_grader_refuses_is_a_hand_in_too(tmp_path):
    broken = zipped({"../scheduler.py": CODE})
    files = {"Homework_ada_attempt_2026-12-01-10-00-00_work.zip": broken} | uploads(("ada", "02-10-00-00", CODE))
    (ada,) = collect(pack(tmp_path / "d.zip", files), tmp_path / "in", Roster([Person("ada")]))
    first, last = ada.attempts
    assert first.path.name == "work.zip" and first.path.is_file() and "To be refused" in first.notes[0]
    assert last.path.name == "ada" and first.key.startswith("ada~") and last.key == "ada"
