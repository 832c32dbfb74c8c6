"""What the world hands in: every file ends as a student's hand-in, a named stranger or a named file that was not
understood, and nobody is a 0 while one of these may be theirs. Nothing is graded here: a stand-in earns the points."""

import csv
import io
import random
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest

from autograder.instructor.classroom import __main__ as command
from autograder.instructor.classroom import session, working
from autograder.instructor.handins import collecting, downloads
from autograder.instructor.handins.collecting import People, class_list, collect
from autograder.instructor.handins.roster import Person, Roster
from autograder.intake.handin import zipped
from autograder.intake.submission import Refused, read
from autograder.record import PASSED, WRONG, CheckResult
from autograder.rubric import Rubric

CODE = b"x = 1\n"
ADA = Person("ada", "Ada", "Lovelace", "ada@x.edu", "4711")
BOB = Person("bob", "Bob", "Young", "bob@x.edu", "4712")
CY = Person("cy", "Cy", "Zee", "", "4713")
DEV = Person("dev", "देवी", "शर्मा", "", "4714")


def lay(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def pack(path, files):
    path.write_bytes(zipped(files))
    return path


@pytest.fixture
def listed(tmp_path):
    """listed(files, *students, folders=()) -> {student: HandedIn}, ClassList of a download in a zip."""

    def listed(files, *students, aliases=None, teams=None):
        source = pack(tmp_path / f"{len(list(tmp_path.iterdir()))}.zip", files)
        found = collect(source, tmp_path / source.stem, Roster(students) if students else None, aliases, teams)
        junk = sum(any(map(downloads.JUNK.fullmatch, name.split("/"))) for name in files)
        assert sum(found.files.values()) == len(files) - junk, "the law"
        return {entry.student: entry for entry in found}, found

    return listed


def taken(entry):
    return entry.path is not None and (entry.path / "scheduler.py").exists()


# ----- the cases that were seen --------------------------------------------------------------------------------------


def test_canvas_keeps_marks_in_names(listed):
    files = {"शर्मादेवी_4714_92_scheduler.py": CODE, "lovelaceada_4711_90_scheduler.py": CODE}
    by, found = listed(files, ADA, DEV)
    assert taken(by["dev"]) and taken(by["ada"]) and not found.open and by["dev"].notes == []


def test_a_group_of_canvas_is_taken_for_its_member_with_a_note_and_holds_up_its_partner(listed):
    files = {"project7_4711_90_scheduler.py": CODE}
    by, found = listed(files, ADA, BOB)
    assert taken(by["ada"]) and "its name, project7, is another" in by["ada"].notes[0]
    assert by["bob"].waits and found.waiting == ["bob"] and found.open
    by, found = listed(files, ADA, BOB, teams={"Project 7": ["ada", "bob", "gone"]})
    assert taken(by["ada"]) and taken(by["bob"]) and not found.open
    assert by["bob"].notes == ["Handed in for the team Project 7: ada, bob.", "Handed in by the team Project 7."]
    by, found = listed(files, ADA, BOB, aliases={"project7_4711": "ada"})
    assert taken(by["ada"]) and by["bob"].path is None and not found.open


def test_text_typed_into_canvas_is_named_and_its_writers_wait(listed):
    files = {"lovelaceada_4711_text.html": b"x", "zeecy_4713_text.html": b"x", "youngbob_4712_91_scheduler.py": CODE}
    by, found = listed(files, ADA, BOB, CY)
    assert taken(by["bob"]) and found.waiting == ["ada", "cy"]
    assert found.unread["zeecy_4713_text.html"] == "typed into Canvas by zeecy_4713, who handed in no file"
    by, found = listed(files | {"lovelaceada_4711_90_scheduler.py": CODE}, ADA, BOB, CY)
    assert taken(by["ada"]) and found.waiting == ["cy"] and "text.html" in by["ada"].notes[-1]


def test_a_number_that_is_anothers_id_does_not_decide(listed):
    people = Person("4712", "Bob", "Young"), Person("4800", "Ada", "Lovelace")
    by, found = listed({"lovelaceada_4712_90_scheduler.py": CODE}, *people)
    assert found.waiting == ["4712", "4800"] and taken(by["lovelaceada_4712"])
    by, found = listed({"lovelaceada_4712_90_scheduler.py": CODE}, Person("4712", "Ada", "Lovelace"))
    assert taken(by["4712"]) and not found.open


@pytest.mark.parametrize("top", ["hw/", "a/b/", "Hand-ins 2026/", ""])
def test_a_class_in_a_folder_of_its_own(listed, top):
    files = {f"{top}ada/scheduler.py": CODE, f"{top}bob/hw/scheduler.py": CODE}
    files |= {"__MACOSX/x/._y": b"", "a/.DS_Store": b""}
    by, found = listed(files, ADA, BOB)
    assert taken(by["ada"]) and taken(by["bob"]) and not found.open
    by, _ = listed(files)
    assert set(by) == {"ada", "bob"}


def test_one_students_folder_is_no_class(listed):
    by, _ = listed({"ada/hw/scheduler.py": CODE, "ada/data/x.npz": b""}, ADA, BOB)
    assert taken(by["ada"])
    by, _ = listed({"ada/hw/scheduler.py": CODE, "ada/data/x.npz": b""})
    assert set(by) == {"ada"}


def test_moodle_with_teams_and_middle_names(listed):
    files = {
        "Group 1-Ada Lovelace_11_assignsubmission_file_/scheduler.py": CODE,
        "Bob Q Young_12_assignsubmission_file_/scheduler.py": CODE,
    }
    by, found = listed(files, ADA, BOB)
    assert found.waiting == ["ada", "bob"] and set(found.strangers) == {"Group_1-Ada_Lovelace_11", "Bob_Q_Young_12"}
    team = {name: CODE for name in files if "Group" in name}
    team |= {"Group 1-Bob Young_12_assignsubmission_file_/scheduler.py": CODE}
    by, found = listed(team, ADA, BOB)
    assert taken(by["ada"]) and taken(by["bob"]) and not found.open


def test_moodle_blind_and_typed(listed):
    files = {
        "Participant_11_assignsubmission_file_/scheduler.py": CODE,
        "Ada Lovelace_12_assignsubmission_onlinetext_/onlinetext.html": b"x",
    }
    by, found = listed(files, ADA, BOB)
    assert taken(by["Participant_11"]) and list(found.strangers) == ["Participant_11"]
    assert "typed into Moodle by Ada Lovelace_12" in next(iter(found.unread.values()))
    assert found.waiting == ["ada", "bob"]
    by, found = listed(
        {"Participant_11_assignsubmission_file_/scheduler.py": CODE}, ADA, aliases={"Participant_11": "ada"}
    )
    assert taken(by["ada"]) and not found.open


def test_gradescope_unassigned(listed):
    metadata = b"submission_1:\n  :submitters: []\nsubmission_2:\n  :submitters:\n"
    metadata += b"  - :name: Bob Young\n    :email: bob@x.edu\n"
    files = {"submission_metadata.yml": metadata, **{f"submission_{n}/scheduler.py": CODE for n in (1, 2, 3)}}
    by, found = listed(files, ADA, BOB)
    assert taken(by["bob"]) and found.waiting == ["ada"] and set(found.strangers) == {"submission_1", "submission_3"}


def test_blackboard(listed):
    name = "Home_work_1_{}_attempt_2026-11-2{}-23-10-05"
    files = {f"{name.format(user, day)}{end}": data
             for user, day in (("ada", 3), ("ada", 4), ("b_ob", 4), ("x_ada", 4))
             for end, data in (("_scheduler.py", b"%d" % day), (".txt", b"Name: x"))}  # fmt: skip
    by, found = listed(files, ADA, replace(BOB, id="b_ob"), CY)
    assert (by["ada"].path / "scheduler.py").read_bytes() == b"4" and "Handed in 2 times" in by["ada"].notes[0]
    assert taken(by["b_ob"]) and list(found.strangers) == ["x_ada"] and found.waiting == ["cy"]


def test_clones_of_github_classroom(listed):
    files = {f"hw-1-{user}/{name}": CODE for user in ("ada", "bob", "x-cy") for name in ("scheduler.py", ".gitignore")}
    by, found = listed(files, ADA, BOB, CY)
    assert taken(by["ada"]) and taken(by["bob"]) and list(found.strangers) == ["hw-1-x-cy"] and found.waiting == ["cy"]


def test_an_empty_folder_is_somebodys(tmp_path):
    lay(tmp_path / "in", {"bob/scheduler.py": CODE})
    (tmp_path / "in" / "ada").mkdir()
    for roster in (None, Roster([ADA, BOB])):
        ada, bob = collect(tmp_path / "in", tmp_path / f"out{bool(roster)}", roster)
        assert taken(bob) and ada.path and ada.notes[0] == "The folder is empty."


def test_a_stray_file_holds_up_who_handed_in_nothing_until_somebody_settles_it(listed):
    files = {"ada/scheduler.py": CODE, "notes of the tutor.txt": b"", "bob.py": CODE}
    by, found = listed(files, ADA, BOB, CY)
    assert found.waiting == ["cy"] and list(found.unread) == ["notes of the tutor.txt"] and by["bob"].path
    by, found = listed(files, ADA, BOB, CY, aliases={"notes of the tutor.txt": "cy"})
    assert not found.open and by["cy"].notes == ["notes of the tutor.txt is all that came, and it was not understood."]
    _, found = listed(files, ADA, BOB, CY, aliases={"notes of the tutor.txt": ""})
    assert not found.open and found.files["not understood"] == 1
    _, found = listed({"ada/scheduler.py": CODE, "x.txt": b""})
    assert found.open and list(found.unread) == ["x.txt"]


def test_what_is_refused_is_refused_by_the_grader_for_the_same_reason(tmp_path, listed):
    by, _ = listed({"ada/hw/scheduler.py": CODE, "ada/.ipynb_checkpoints/report-checkpoint.ipynb": b""}, ADA)
    assert taken(by["ada"]) and not any("refused" in note for note in by["ada"].notes)
    by, _ = listed({"ada/a/scheduler.py": CODE, "ada/b/scheduler.py": CODE}, ADA)
    with pytest.raises(Refused, match=r"no scheduler\.py in it, but a/scheduler\.py"):
        read(by["ada"].path)


# ----- accounts of different people ----------------------------------------------------------------------------------


META = """submission_1:
  :submitters:
  - :name: Jane Doe
    :sid: "jdoe"
    :email: jane@u.edu
  :created_at: 2026-01-01 10:00:00 Z
submission_2:
  :submitters:
  - :name: {name}
    :sid: "{sid}"
    :email: {email}
  :created_at: 2026-01-01 11:00:00 Z
"""
JANE = Person("jdoe", "Jane", "Doe", "jane@u.edu", "12")
MAL = Person("mal", "Mal", "Lory", "mal@u.edu", "9999")


def gradescope(name="x", sid="", email='""'):
    metadata = META.format(name=name, sid=sid, email=email).encode()
    return {
        "submission_metadata.yml": metadata,
        "submission_1/scheduler.py": b"jane",
        "submission_2/scheduler.py": b"mal",
    }


PRETENDERS = {
    "moodle, the same name": {
        "Jane Doe_101_assignsubmission_file_/scheduler.py": b"jane",
        "Jane Doe_999_assignsubmission_file_/scheduler.py": b"mal",
    },
    "moodle, other punctuation": {
        "Jane Doe_101_assignsubmission_file_/scheduler.py": b"jane",
        "Jane-Doe._999_assignsubmission_file_/scheduler.py": b"mal",
    },
    "moodle, a team's prefix": {
        "Jane Doe_101_assignsubmission_file_/scheduler.py": b"jane",
        "x-Jane Doe_999_assignsubmission_file_/scheduler.py": b"mal",
    },
    "gradescope, the same name": gradescope("Jane Doe"),
    "gradescope, a name like the id": gradescope("_jdoe"),
    "gradescope, the id as a name": gradescope("jdoe"),
    "gradescope, the same number": gradescope("Mal", "jdoe", "mal@u.edu"),
    "gradescope, an address like hers": gradescope("y", "", "jane+@u.edu"),
    "canvas, a number in the name": {
        "doejane_12_55_scheduler.py": b"jane",
        "x_12_9999_66_sub.zip": zipped({"scheduler.py": b"mal"}),
    },
    "canvas, her whole record in the name": {
        "doejane_12_55_scheduler.py": b"jane",
        "doejane_12_99_9998_66_sub.zip": zipped({"scheduler.py": b"mal"}),
    },
    "canvas, the same name": {"doejane_12_55_scheduler.py": b"jane", "doejane_9999_66_scheduler.py": b"mal"},
    "canvas, the same name alone": {"doejane_9999_66_scheduler.py": b"mal", "loryx_9998_66_scheduler.py": b"mal"},
    "canvas, the same name from outside": {"doejane_12_55_scheduler.py": b"jane", "doejane_8_66_scheduler.py": b"mal"},
    "blackboard, a name that ends in hers": {
        "hw_jdoe_attempt_2026-11-24-23-10-05_scheduler.py": b"jane",
        "hw_x_jdoe_attempt_2026-11-24-23-10-05_scheduler.py": b"mal",
    },
    "folders, another case": {"jdoe/scheduler.py": b"jane", "JDoe/scheduler.py": b"mal"},
    "folders, another sign": {"jdoe/scheduler.py": b"jane", "j.doe/scheduler.py": b"mal", "_jdoe.zip": b"mal"},
    "folders, a file of the kit": {"jdoe/scheduler.py": b"jane", ".collected.json/scheduler.py": b"mal"},
    "github": {"hw-jdoe/scheduler.py": b"jane", "hw-x-jdoe/scheduler.py": b"mal"},
}


@pytest.mark.parametrize("roster", ["full", "without numbers", "none"])
@pytest.mark.parametrize("trick", PRETENDERS)
def test_nobody_replaces_anothers_hand_in(trick, roster, listed):
    """She has her own, or waits and both are named; and what she handed in lies somewhere."""
    if (trick, roster) == ("canvas, the same name alone", "without numbers"):
        pytest.skip("a name is all that is known, and nobody else has it")
    people = {"full": (JANE, MAL), "without numbers": (replace(JANE, lms_user_id=""), replace(MAL, lms_user_id=""))}
    by, found = listed(PRETENDERS[trick], *people.get(roster, ()))
    held = {id: (entry.path / "scheduler.py").read_bytes() for id, entry in by.items() if taken(entry)}
    assert held.get("jdoe") in (None, b"jane")
    assert (b"jane" in held.values()) == (b"jane" in PRETENDERS[trick].values())
    if roster != "none" and "jdoe" not in held:
        assert "jdoe" in found.waiting and len(found.strangers) > 1


# ----- the law, over generated classes -------------------------------------------------------------------------------

FIRST = "Ada Bob Zoë Jörg 美玲 देवी Нина Ana Maria José O'Neil Li An".split()
LAST = "Lovelace Young Müller शर्मा 王 Silva da-Costa Ångström Петрова Smith Doe".split()


def generated(seed):
    """(files, platform, roster) of 200 hand-ins in one platform's packing, with what the world adds to it."""
    drawn = random.Random(seed)
    platform = ("plain", "canvas", "moodle", "blackboard", "wrapped", "gradescope", "cloned")[seed % 7]
    people = [
        Person(f"s{n:03}", drawn.choice(FIRST), f"{drawn.choice(LAST)}{n // 2}", f"s{n:03}@x.edu", str(5000 + n))
        for n in range(200)
    ]
    roster = Roster([person for person in people if drawn.random() > 0.05])  # some have left
    files, listed = {}, []
    for n, person in enumerate(people):
        kind = drawn.random()
        if kind < 0.06:
            continue
        data = {"scheduler.py": b"%d" % n}
        if kind < 0.3:
            data = {"submission.zip": zipped({"hw/scheduler.py": b"%d" % n, "__MACOSX/hw/._x": b""})}
        elif kind < 0.4:
            data = {"scheduler.py.txt": b"", "infer (1).py": b""}
        elif kind < 0.45:
            data |= {"report.ipynb": drawn.randbytes(9), "notes_1_2_x.txt": b"", "a b/c.bin": b""}
        name = f"{person.first_name} {person.last_name}" + (" jr." if kind > 0.95 else "")
        folded = "".join(letter for letter in f"{person.last_name}{person.first_name}".lower() if letter not in "-' ")
        for file, content in data.items():
            flat = file.replace("/", "-")
            at = {
                "plain": f"{person.id}/{file}",
                "wrapped": f"All of it/{person.id}/{file}",
                "cloned": f"hw-{person.id}/{file}",
                "canvas": f"{folded}{'_LATE' * (kind > 0.8)}_{person.lms_user_id}_{drawn.randrange(10**6)}_{flat}",
                "moodle": f"{name}_{n}_assignsubmission_file_/{file}",
                "blackboard": f"Homework 1_{person.id}_attempt_2026-11-24-10-{n % 60:02}-00_{flat}",
                "gradescope": f"export/submission_{n}/{file}",
            }[platform]
            files[at] = content
        listed.append(f"submission_{n}:\n  :submitters:\n  - :name: {name}\n    :email: {person.email}\n")
    strays = [
        f"{drawn.randrange(99)} stray {n}.{drawn.choice(['txt', 'csv', 'py'])}" for n in range(drawn.randrange(4))
    ]
    prefix = {"wrapped": "All of it/", "gradescope": "export/"}.get(platform, "")
    files |= {f"{prefix}{stray}": b"" for stray in strays}
    if platform == "gradescope":
        files["export/submission_metadata.yml"] = "".join(listed).encode()
    return files, roster, strays


@pytest.mark.parametrize("seed", range(10))
def test_files_in_are_those_of_students_of_strangers_and_not_understood(seed, tmp_path):
    files, roster, strays = generated(seed)
    source = tmp_path / "download"
    if seed % 2:
        source = pack(tmp_path / "download.zip", files)
    else:
        lay(source, files)
    found = collect(source, tmp_path / "in", roster)
    assert sum(found.files.values()) == len(files)
    assert found.files["not understood"] == len(strays) and len(found.unread) == len(strays)
    assert {entry.student for entry in found} >= set(roster.ids)
    for entry in found:
        there = entry.path is not None
        assert there != bool(entry.waits) or not found.open
        code = (entry.path / "scheduler.py").read_bytes() if there and entry.path.is_dir() else b""
        if entry.student in roster.ids and code:  # never another's
            assert entry.student == f"s{int(code):03}"
    absent = [entry for entry in found if not entry.path]
    assert absent and (found.open == all(entry.waits for entry in absent))


# ----- the whole run -------------------------------------------------------------------------------------------------


class Pools:
    """One thread instead of workers."""

    def __init__(self, *_):
        self.thread = ThreadPoolExecutor(1)

    def executor(self, *_):
        return self.thread

    def width(self):
        return 1

    def close(self, at_once=False):
        self.thread.shutdown()


@pytest.fixture
def make(tmp_path, monkeypatch):
    """make(*arguments) -> exit status of `make class`, on tmp_path/class. Everything earns all points, but for checks
    whose ids stand in scheduler.py."""

    def graded(kit, path, submission, stage, found, gpu):
        for id, entry in Rubric.load().checks.items():
            if entry.part in stage.parts:
                lost = id.encode() in submission.files["scheduler.py"]
                verdict = WRONG if lost else PASSED
                found.results[id] = CheckResult(id, entry.part, entry.title, entry.points, verdict)
        return found

    monkeypatch.setattr(working, "stage", graded)
    monkeypatch.setattr(session, "Local", Pools)
    monkeypatch.setattr(session.Expectations, "load", lambda *_: SimpleNamespace(metadata={"seed": "a seed"}))
    monkeypatch.setattr(session, "kit", lambda *_: "a kit")

    def run(*arguments, does="grade"):
        return command.main([does, "--class", str(tmp_path / "class"), "--device", "cpu", *map(str, arguments)])

    return run


def grades(tmp_path):
    text = (tmp_path / "class" / "grades.csv").read_text(encoding="utf-8")
    return {row["id"]: row for row in csv.DictReader(io.StringIO(text))}


ROSTER = "id,first_name,last_name\nada,Ada,Lovelace\nbob,Bob,Young\ncy,Cy,Zee\n"


def test_the_run_counts_names_and_waits_until_somebody_settles_it(make, tmp_path, capsys):
    (tmp_path / "r.csv").write_text(ROSTER)
    files = {"Group 1-Ada Lovelace_11_assignsubmission_file_/scheduler.py": CODE,
             "Bob Q Young_12_assignsubmission_file_/scheduler.py": CODE}  # fmt: skip
    source = pack(tmp_path / "submissions (1).zip", files)
    assert make("--roster", tmp_path / "r.csv", "--", source) == 3
    told = capsys.readouterr().out
    assert "Of 2 files, 0 are of students, 2 of strangers, 0 not understood." in told
    assert "Stranger: Bob_Q_Young_12. Nobody in the roster has this name" in told
    assert "3 handed in nothing and wait, as their work may be among these: ada, bob, cy" in told
    rows = grades(tmp_path)
    assert [rows[id]["complete"] for id in ("ada", "bob", "cy")] == ["no"] * 3
    assert [rows[id]["points"] for id in ("ada", "bob", "cy")] == [""] * 3
    page = (tmp_path / "class" / "index.html").read_text(encoding="utf-8")
    assert "Bob_Q_Young_12" in page and "Of 2 files in the last download" in page
    assert not (tmp_path / "class" / "results" / "ada").exists()

    aliases = tmp_path / "class" / "aliases.csv"
    text = aliases.read_text(encoding="utf-8")
    assert "#? Bob_Q_Young_12,bob\n" in text and "#? Group_1-Ada_Lovelace_11,ada\n" in text
    aliases.write_text(text.replace("#? Bob", "Bob").replace("#? Group", "Group"), encoding="utf-8")
    assert make() == 0
    rows = grades(tmp_path)
    assert rows["ada"]["schedule"] == "15" and rows["bob"]["schedule"] == "15" and "Bob_Q_Young_12" not in rows
    assert rows["cy"]["points"] == "0" and rows["cy"]["complete"] == "yes"
    assert "\n#? " not in aliases.read_text(encoding="utf-8")


def test_absent_are_absent_until_the_next_download(make, tmp_path, capsys):
    (tmp_path / "r.csv").write_text(ROSTER)
    source = pack(tmp_path / "d.zip", {"ada/scheduler.py": CODE, "mallory/scheduler.py": CODE})
    assert make("--roster", tmp_path / "r.csv", "--", source) == 3 and grades(tmp_path)["bob"]["points"] == ""
    assert make("--absent-are-absent") == 0 and grades(tmp_path)["bob"]["points"] == "0"
    assert "1 of strangers" in capsys.readouterr().out.splitlines()[-1]
    assert make() == 0
    pack(source, {"ada/scheduler.py": CODE, "mallory/scheduler.py": CODE, "bob/scheduler.py": CODE})
    assert make("--", source) == 3
    rows = grades(tmp_path)
    assert rows["bob"]["schedule"] == "15", "what was graded as nothing is graded at once"
    assert rows["cy"]["points"] == "" and "see aliases.csv" in rows["cy"]["notes"]


def test_a_roster_alone_and_edits_of_it_count(make, tmp_path, capsys):
    source = pack(tmp_path / "d.zip", {"ada/scheduler.py": CODE})
    assert make("--", source) == 0 and list(grades(tmp_path)) == ["ada"]
    (tmp_path / "r.csv").write_text("id\nada\ndan\n")
    assert make("--roster", tmp_path / "r.csv") == 0
    assert grades(tmp_path)["dan"]["points"] == "0"
    (tmp_path / "class" / "roster.csv").write_text("id,submitted\nada,2026-12-03T10:00+01:00\n")
    assert make() == 0 and grades(tmp_path)["ada"]["submitted"] == "2026-12-03T10:00:00+01:00"


def test_points_for_one_who_dropped_are_a_warning(make, tmp_path, capsys):
    lay(
        tmp_path / "class", {"overrides.toml": b"[[override]]\nstudent='cyd'\ncheck='ddim.eta'\npoints=5\nreason='x'\n"}
    )
    assert make("--", pack(tmp_path / "d.zip", {"ada/scheduler.py": CODE})) == 0
    assert "overrides.toml names cyd, who is not in this class" in capsys.readouterr().out
    assert grades(tmp_path)["ada"]["schedule"] == "15"


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("aliases.csv", "stranger,id\nx,nobody\n", "aliases.csv, line 2, column id: 'nobody' is not in the roster"),
        ("aliases.csv", "stranger,id\nx,ada\nx,bob\n", "line 3, column stranger: 'x' is there already"),
        ("aliases.csv", "a;b\n", "it needs the columns stranger and id, and has a, b"),
        ("teams.csv", "team\n", "it needs the columns team and id"),
        ("roster.csv", "id\nada,b\n", "line 2, column id: 2 cells, and the first line has 1"),
    ],
)
def test_a_file_of_staff_that_cannot_be_read_is_one_line(make, tmp_path, capsys, name, text, told):
    pack(tmp_path / "d.zip", {"ada/scheduler.py": CODE})
    lay(tmp_path / "class", {"roster.csv": ROSTER.encode()} | {name: text.encode()})
    assert make("--", tmp_path / "d.zip") == 2
    said = capsys.readouterr().err
    assert told in said and len(said.splitlines()) == 1


def test_aliases_as_excel_saves_them(tmp_path):
    pack(tmp_path / "d.zip", {"x y/scheduler.py": CODE, "z/scheduler.py": CODE})
    lay(tmp_path / "class", {"roster.csv": b"id\nada\nbob\n"})
    collecting.collect_class(tmp_path / "d.zip", tmp_path / "class")
    path = tmp_path / "class" / "aliases.csv"
    assert class_list(tmp_path / "class")[0].waiting == ["ada", "bob"] and "#? x_y," in path.read_text()
    lines = path.read_text().replace("#? x_y,", "x_y,ada").replace(",", ";").splitlines()
    path.write_bytes("\r\n".join(lines).encode("utf-16"))
    found, _ = class_list(tmp_path / "class")
    assert found.waiting == ["bob"] and taken(found[0]) and "#? z;" in path.read_text(encoding="utf-8")


def test_a_large_notebook_and_one_with_merge_markers_wait_and_the_code_counts(make, tmp_path):
    merged = b'{"cells": [\n<<<<<<< HEAD\n]}'
    files = {"ada/report.ipynb": b"0" * 12_000_000, "bob/report.ipynb": merged}
    files |= {f"{id}/scheduler.py": CODE for id in ("ada", "bob")}
    assert make("--", pack(tmp_path / "d.zip", files)) == 0
    page = (tmp_path / "class" / "index.html").read_text(encoding="utf-8")
    assert "The report waits: report.ipynb is larger than 10 MB." in page and "merge markers" in page
    assert all(row["schedule"] == "15" for row in grades(tmp_path).values())


def test_a_full_disk_of_ours_stops_the_run_and_leaves_no_litter(make, tmp_path, monkeypatch, capsys):
    from autograder import files

    def full(*_):
        raise OSError(28, "No space left on device")

    source = pack(tmp_path / "d.zip", {"ada/scheduler.py": CODE})
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", full)
        assert make("--", source) == 3
    assert "No space left on device" in capsys.readouterr().err
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path != source]
    assert make("--", source) == 0 and grades(tmp_path)["ada"]["schedule"] == "15"


def test_names_that_no_file_system_knows(tmp_path):
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as file:
        for name in (
            "a\tb/scheduler.py",
            "../../x/scheduler.py",
            "/etc/scheduler.py",
            "C:\\x\\scheduler.py",
            "x" * 2000,
        ):
            file.writestr(name, CODE)
    found = collect(tmp_path / "d.zip", tmp_path / "in", Roster([ADA]))
    assert sum(found.files.values()) == 5 and found.open and found.waiting == ["ada"]
    folder = tmp_path / "surrogates"
    try:
        lay(folder, {"\udcff/scheduler.py": CODE, "ada/scheduler.py": CODE})
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    found = collect(folder, tmp_path / "in2", Roster([ADA]))
    assert taken(found[0]) and len(found.strangers) == 1
    assert collecting.load_class(tmp_path / "in2", People(Roster([ADA]))) == found
