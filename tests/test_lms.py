"""Back to the LMS: each platform's own rules find in our zips, and in its worksheet, whom every file is for."""

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_collecting import CLASS, CODE, EXPORTS, unpack

from autograder.instructor.grades.sheet import Grade
from autograder.instructor.handins.collecting import HandedIn, collect
from autograder.instructor.handins.roster import Person, Roster
from autograder.instructor.handins.tables import TableError, read
from autograder.instructor.lms import LMSError, moodle_worksheet
from autograder.instructor.lms.feedback_files import gradescope_results, pack
from autograder.intake.handin import zipped
from autograder.rubric import Rubric

# ----- what the platforms' own importers take for whose a file is ---------------------------------------------------


def canvas_takes(path, anonymous=()):
    """(user, attachment) as Canvas tells them from a name, or None for a file that it ignores.

    By infer_comment_context_from_filename of its assignments: parts between underscores, without LATE; of anon the two
    that follow, of others the first two that are numbers.
    """
    parts = [part for part in path.rpartition("/")[2].split("_") if part != "LATE"]
    if parts[-1].startswith("link") or path.startswith("._"):
        return None
    if parts[0] == "anon":
        return tuple(parts[1:3])
    numbers = [part for part in parts if part.isascii() and part.isdigit()]
    return tuple(numbers[:2]) if len(numbers) > 1 else None


def moodle_takes(path):
    """(participant, plugin, name of the file), or None, by importziplib.php of Moodle's feedback files: in the first
    part of the path with four pieces or more, the second is a number and the next two name a plugin."""
    *folders, last = parts = path.split("/")
    if last.startswith((".", "~")):
        return None
    for n, part in enumerate(parts):
        pieces = part.split("_", 4)
        if len(pieces) < 4 or not pieces[1].isdecimal():
            continue
        if pieces[2] in ("assignsubmission", "assignfeedback"):
            return int(pieces[1]), "_".join(pieces[2:4]), "/".join([*pieces[4:], *parts[n + 1 :]])
    return None


def content_of(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def packed(folder, entries, give=lambda student: f"for {student}".encode()):
    """({platform: {name: bytes}}, {student: why left out})"""
    made = pack(folder, entries, dict.fromkeys(("canvas", "moodle", "gradescope"), give))
    files = {each.path.stem.removeprefix("feedback_"): content_of(each.path) for each in made}
    assert [each.files for each in made] == [
        sum(data.startswith(b"for ") for data in content.values()) for content in files.values()
    ]
    return files, {student: why for each in made for student, why in each.left.items()}


letters = st.text(st.sampled_from("abczZüñ李 -'.1209_"), min_size=1, max_size=12).filter(str.strip)
numbers = st.integers(1, 10**17).map(str)  # beyond what a float holds


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_canvas_takes_every_page_for_the_one_it_is_for(data):
    """Whatever names are, also numbers, LATE, or those of groups; and the ids of the class, which may be numbers."""
    several = data.draw(
        st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=3, unique_by=lambda n: n[0])
    )
    ids = data.draw(st.lists(st.sampled_from(["ada", "4711", "anon", "LATE", "s_12_3", "b.c@d.e", "李"]), unique=True,
                             min_size=len(several), max_size=len(several)))  # fmt: skip
    files, wanted = {}, {}
    for id, (user, *attachments) in zip(ids, several, strict=True):
        who = data.draw(st.sampled_from(["lovelaceada", "4711", "anon", "mcx", "LATE"]))
        late = data.draw(st.sampled_from(["", "_LATE"]))
        for name, attachment in zip(("scheduler.py", "infer-2.py"), attachments, strict=True):
            files[f"{who}{late}_{user}_{attachment}_{name}"] = CODE
        wanted[id] = {(user, attachment) for attachment in attachments}
    roster = Roster([Person(id, lms_user_id=user) for id, (user, *_) in zip(ids, several, strict=True)])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "d.zip").write_bytes(zipped(files))
        entries = collect(folder / "d.zip", folder / "in", roster)
        assume(not any(entry.stranger for entry in entries))  # a name that looks like another's number
        made, left = packed(folder, entries)
        assert left == {} and len(made["canvas"]) == len(ids)
        for path, page in made["canvas"].items():
            assert canvas_takes(path) in wanted[page.decode().removeprefix("for ")], path


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(letters, st.integers(1, 10**9)), min_size=1, max_size=3, unique_by=lambda each: each[1]))
def test_moodle_takes_every_page_for_the_participant(several):
    assume(not any(name.startswith(".") for name, _ in several))  # the folders of these are hidden, and so are ._files
    files = {f"{name.replace('_', ' ')}_{number}_assignsubmission_file_/scheduler.py": CODE for name, number in several}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        unpack(files, folder / "d")
        entries = collect(folder / "d", folder / "in")
        made, _ = packed(folder, entries)
        found = {moodle_takes(path) for path in made["moodle"]}
    assert found == {(number, "assignsubmission_file", "feedback.html") for _, number in several}


@pytest.mark.parametrize("platform", ["canvas", "moodle", "gradescope"])
def test_feedback_goes_back_where_the_hand_in_came_from(platform, tmp_path):
    entries = collect(unpack(EXPORTS[platform], tmp_path / "d"), tmp_path / "in", CLASS)
    made, left = packed(tmp_path, entries)
    assert list(made) == [platform]
    said = {path: data.decode() for path, data in made[platform].items() if data.startswith(b"for ")}
    if platform == "gradescope":  # ada and bob handed in together, and what they get differs
        assert said == {"results/2.json": "for zoe"} and set(left) == {"ada", "bob"}
        assert left["ada"] == "gradescope would show one file to all of ada, bob"
        made, left = packed(tmp_path, entries, lambda student: b"for all")
        assert made[platform]["results/1.json"] == b"for all" and left == {}
        return
    takes = {"canvas": canvas_takes, "moodle": moodle_takes}[platform]
    assert (
        left == {}
        and {takes(path)[0]: who for path, who in said.items()}
        == {
            "canvas": {"4711": "for ada", "4712": "for bob", "4713": "for zoe"},
            "moodle": {11: "for ada", 4713: "for bob", 13: "for zoe"},
        }[platform]
    )


def test_where_names_are_hidden_canvas_finds_its_own(tmp_path):
    files = {"anon_a7Xz_90_scheduler.py": CODE, "LATE_anon_B2cd_95_scheduler.py": CODE}
    made, _ = packed(tmp_path, collect(unpack(files, tmp_path / "d"), tmp_path / "in"))
    assert {canvas_takes(path) for path in made["canvas"]} == {("a7Xz", "90"), ("B2cd", "95")}


def test_a_later_hand_in_of_canvas_takes_the_page(tmp_path):
    """Canvas wants a file of the latest hand-in, also where an earlier one counts."""
    roster = Roster([Person("ada", lms_user_id="4711")])
    for attachment in ("90", "120"):
        source = tmp_path / attachment
        collect(
            unpack({f"a_4711_{attachment}_scheduler.py": CODE + attachment.encode()}, source), tmp_path / "in", roster
        )
    (entry,) = entries = collect(source, tmp_path / "in", roster)
    assert [each.reference for each in entry.attempts] == ["4711_120", "4711_120"]
    assert {canvas_takes(path) for path in packed(tmp_path, entries)[0]["canvas"]} == {("4711", "120")}


def test_who_has_no_feedback_or_came_another_way_is_not_in_it(tmp_path):
    unpack({"a_4711_1_scheduler.py": CODE, "b_4712_2_scheduler.py": CODE, "x_99_3_scheduler.py": CODE}, tmp_path / "d")
    roster = Roster([Person("ada", lms_user_id="4711"), Person("bob", lms_user_id="4712"), Person("cy"), Person("dan")])
    collect(tmp_path / "d", tmp_path / "in", roster)
    unpack({"cy/scheduler.py": CODE, "dan/scheduler.py": CODE}, tmp_path / "e")
    entries = collect(tmp_path / "e", tmp_path / "in", roster)
    made, left = packed(tmp_path, entries, lambda student: None if student in ("bob", "dan") else b"for it")
    assert set(map(canvas_takes, made["canvas"])) == {("4711", "1")} and set(left) == {"cy"}
    assert packed(tmp_path, collect(tmp_path / "e", tmp_path / "in2", roster)) == ({}, {})


# ----- Gradescope runs what is in its zip ---------------------------------------------------------------------------


def gradescope(zip, number, home):
    """What Gradescope does with an autograder and one submission, in the documented folders, and the results.json."""
    with zipfile.ZipFile(zip) as file:
        file.extractall(home / "source")
        assert all(file.getinfo(name).external_attr >> 16 & 0o111 for name in ("setup.sh", "run_autograder"))
    (home / "submission").mkdir(exist_ok=True)
    (home / "results").mkdir(exist_ok=True)
    (home / "submission_metadata.json").write_text(json.dumps({"id": number, "users": [{"email": "a@x", "id": 7}]}))
    subprocess.run(
        [sys.executable, home / "source" / "run_autograder"], cwd=home, env={"AUTOGRADER": str(home)}, check=True
    )
    return json.loads((home / "results" / "results.json").read_text(encoding="utf-8"))


def test_gradescope_hands_out_the_final_grade_and_to_strangers_none(tmp_path):
    record = {
        "score": 95.0,
        "output": "95 of 100",
        "tests": [{"number": "1", "name": "a", "score": 95, "max_score": 100}],
    }
    grade = Grade("zoe", {"schedule": 95.0, "report": 12.0}, penalty=10.7)
    asked = [{"name": "Question 1, Warm-up", "score": 12.0, "max_score": 20.0, "output": "Well *seen*."}]
    entries = collect(unpack(EXPORTS["gradescope"], tmp_path / "d"), tmp_path / "in", CLASS)
    text = gradescope_results(json.dumps(record), grade, ["**96.3 of 120 points**"], asked)
    (made,) = pack(tmp_path, entries, {"gradescope": lambda student: text if student == "zoe" else None})
    assert made.files == 1 and made.left == {}
    found = gradescope(made.path, 2, tmp_path / "autograder")
    assert found["score"] == 96.3 and found["output"] == "**96.3 of 120 points**\n\n95 of 100"
    assert [(test["number"], test["name"], test["score"]) for test in found["tests"]] == [
        ("1", "a", 95), ("2", "Question 1, Warm-up", 12.0)]  # fmt: skip
    for number in (1, 3):  # ada and bob, who have no grade yet; somebody who handed in later
        found = gradescope(made.path, number, tmp_path / "autograder")
        assert "score" not in found and "Tell your instructor" in found["output"]


# ----- Moodle's worksheet -------------------------------------------------------------------------------------------

WORKSHEET = """\ufeffIdentifier,"Full name","Email address",Status,Grade,"Maximum Grade","Last modified (grade)",Notes
"Participant 11","Ada Lovelace",ada@x,Submitted,,120.00,-,
"Participant 4713","Robert O'Neil-Smith",bob@x,Submitted,3.00,120.00,"Tuesday, 1 December 2026, 9:00 AM",old
"Participant 13","Zoë Müller",zoe@x,Submitted,7.00,120.00,-,
"Participant 77","Dan Absent",dan@x,"No submission",,120.00,-,
"""
FULL = dict.fromkeys(Rubric.load().parts, 10.0) | {"report": 0.25}


def worksheet(tmp_path, text=WORKSHEET, column=None, made=None):
    entries = collect(unpack(EXPORTS["moodle"], tmp_path / "d"), tmp_path / "in", CLASS)
    (tmp_path / "w.csv").write_text(text, encoding="utf-8")
    made = made or [Grade("ada", FULL), Grade("bob", FULL, status="withheld"), Grade("zoe", FULL, 1.0)]
    return moodle_worksheet.fill(tmp_path / "w.csv", column, made, entries)


def test_moodles_worksheet_gets_points_by_the_participants_number(tmp_path):
    """Of Robert, a number as Moodle counts is the number by which the roster knows Zoë."""
    text, left, lost = worksheet(tmp_path)
    assert left == {"Participant 4713": "bob: withheld", "Participant 77": "nothing was handed in"} and lost == []
    (tmp_path / "made.csv").write_text(text, encoding="utf-8")
    before, after = read(tmp_path / "w.csv"), read(tmp_path / "made.csv")
    assert [cells[4] for _, cells in after.rows] == ["70.25", "3.00", "69.25", ""]
    assert [cells[:4] + cells[5:] for _, cells in after.rows] == [cells[:4] + cells[5:] for _, cells in before.rows]
    assert after.head == before.head


def test_moodle_in_another_language_needs_the_name_of_the_column(tmp_path):
    text = WORKSHEET.replace("Grade,", "Bewertung,", 1).replace("Participant", "Teilnehmer/in")
    with pytest.raises(LMSError, match=r"no column 'Grade'.*say which one: COLUMN=name"):
        worksheet(tmp_path, text)
    assert (
        "Bewertung" in worksheet(tmp_path, text, "Bewertung")[0]
        and "70.25" in worksheet(tmp_path, text, "Bewertung")[0]
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (WORKSHEET.replace("120.00", "50,0".replace(",", ".")), r"line 2, column Maximum Grade: ada has 70.25 points"),
        ("", "no column 'Grade'. Columns: none"),
        ('Identifier,Grade\n"Participant 11,\n', "unexpected end of data"),
    ],
)
def test_a_worksheet_that_cannot_be_filled_is_one_line(tmp_path, text, reason):
    with pytest.raises((LMSError, TableError), match=reason) as told:
        worksheet(tmp_path, text)
    assert "\n" not in str(told.value)


def test_a_class_from_elsewhere_has_no_line_in_a_worksheet(tmp_path):
    (tmp_path / "w.csv").write_text(WORKSHEET, encoding="utf-8")
    with pytest.raises(LMSError, match="Nothing in this class was collected from Moodle"):
        moodle_worksheet.fill(tmp_path / "w.csv", None, [Grade("bob", FULL)], [HandedIn("bob", tmp_path)])
    missing = WORKSHEET.replace('"Participant 13"', '"Participant 14"')
    assert worksheet(tmp_path, missing)[2] == ["zoe"]
