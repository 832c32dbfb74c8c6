"""Collecting: what platforms export becomes one folder per student, whatever students put into it."""

import io
import json
import os
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from autograder.instructor.handins import roster as rosters
from autograder.instructor.handins.collecting import People, collect, load_class
from autograder.instructor.handins.matching import Directory
from autograder.instructor.handins.platforms import DownloadError
from autograder.instructor.handins.roster import Person, Roster, RosterError
from autograder.intake import submission
from autograder.intake.archives import Refused
from autograder.intake.handin import zipped

CODE, INFER, REPORT = b"x = 1\n", b"y = 2\n", b"{}"
GOOD = {"scheduler.py": CODE, "infer.py": INFER, "report.ipynb": REPORT}
ADA = Person("ada", "Ada", "Lovelace", "ada@example.edu", "4711")
BOB = Person("bob", "Robert", "O'Neil-Smith", "bob@example.edu", "4712")
ZOE = Person("zoe", "Zoë", "Müller", "zoe@example.edu", "4713")
CLASS = Roster([ADA, BOB, ZOE])

METADATA = """---
submission_1:
  :submitters:
  - :name: Ada Lovelace
    :sid: ''
    :email: ada@example.edu
  - :name: Robert O'Neil-Smith
    :sid: bob
    :email: bob@home.example
  :created_at: 2026-11-24 21:59:58.123456000 Z
  :score: !ruby/object:BigDecimal 18:0.1e2
  :history:
  - :id: 12
    :created_at: 2026-11-23 10:00:00.000000000 Z
submission_2:
  :submitters:
  - :name: Zoë Müller
    :sid:
    :email:
  :created_at: 2026-11-25 08:00:00 +0100
"""

EXPORTS = {
    "canvas": {
        "lovelaceada_4711_90_scheduler-1.py": CODE,
        "lovelaceada_4711_91_infer.py": INFER,
        "lovelaceada_4711_92_report.ipynb": REPORT,
        "oneilsmithrobert_LATE_4712_70_submission-2.zip": zipped(GOOD),
        "müllerzoë_4713_71_scheduler.py": CODE,
        "müllerzoë_4713_73_infer.py": INFER,
        "müllerzoë_4713_72_report.ipynb": REPORT,
    },
    "moodle": {
        "Ada Lovelace_11_assignsubmission_file_/scheduler.py": CODE,
        "Ada Lovelace_11_assignsubmission_file_/infer.py": INFER,
        "Ada Lovelace_11_assignsubmission_file_/report.ipynb": REPORT,
        "Ada Lovelace_11_assignsubmission_onlinetext_/onlinetext.html": b"<p>done</p>",
        "Robert O'Neil-Smith_4713_assignsubmission_file/submission.zip": zipped(GOOD),
        "Zoë Müller_13_assignsubmission_file_scheduler.py": CODE,
        "Zoë Müller_13_assignsubmission_file_infer.py": INFER,
        "Zoë Müller_13_assignsubmission_file_report.ipynb": REPORT,
    },
    "gradescope": {
        "assignment_5_export/submission_metadata.yml": METADATA.encode(),
        **{f"assignment_5_export/submission_1/{name}": data for name, data in GOOD.items()},
        **{f"assignment_5_export/submission_2/homework/{name}": data for name, data in GOOD.items()},
        "__MACOSX/assignment_5_export/._submission_metadata.yml": b"\0",
    },
    "plain": {
        **{f"ada/{name}": data for name, data in GOOD.items()},
        "Bob.zip": zipped(GOOD),
        "zoe.zip": zipped({f"homework/{name}": data for name, data in GOOD.items()}),
        "grades of last year.csv": b"id,score\n",
        ".DS_Store": b"\0",
    },
}


def unpack(files, folder):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def files_in(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


def by_student(entries):
    return {entry.student: entry for entry in entries}


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("platform", EXPORTS)
def test_every_export_gives_everybody_the_same(platform, packed, tmp_path):
    """As a zip and unpacked. In Moodle's, the number of one is that by which the roster knows another."""
    source = tmp_path / "download.zip"
    if packed:
        source.write_bytes(zipped(EXPORTS[platform]))
    else:
        source = unpack(EXPORTS[platform], tmp_path / "download")
    entries = collect(source, tmp_path / "in", CLASS)
    assert [entry.student for entry in entries] == ["ada", "bob", "zoe"]
    for entry in entries:
        assert entry.path == tmp_path / "in" / entry.student
        assert files_in(entry.path) == GOOD, entry
        assert submission.read(entry.path).files == GOOD
    assert entries == load_class(tmp_path / "in", People(CLASS))


def test_what_the_platforms_tell_of_times_is_told(tmp_path):
    ada, bob, zoe = collect(unpack(EXPORTS["gradescope"], tmp_path / "g"), tmp_path / "in", CLASS)
    assert ada.time == bob.time == datetime(2026, 11, 24, 21, 59, 58, 123456, UTC)
    assert zoe.time == datetime(2026, 11, 25, 7, tzinfo=UTC)
    assert ada.notes == ["Handed in by a group: Ada Lovelace, Robert O'Neil-Smith."]
    (tmp_path / "g/assignment_5_export/submission_metadata.yml").write_text(METADATA.replace(" +0100", ""))
    *_, zoe = collect(tmp_path / "g", tmp_path / "in", CLASS)
    assert zoe.time is None and zoe.notes[0] == "Its time cannot be read: 2026-11-25 08:00:00."
    ada, bob, zoe = collect(unpack(EXPORTS["canvas"], tmp_path / "c"), tmp_path / "in2", CLASS)
    assert ada.time is None and ada.notes == [] and "Canvas calls it late" in bob.notes[0]
    known = Roster([Person("ada", lms_user_id="4711", submitted=datetime(2026, 1, 1, tzinfo=UTC)), BOB, ZOE])
    assert collect(tmp_path / "c", tmp_path / "in2", known)[0].time == datetime(2026, 1, 1, tzinfo=UTC)


def test_nothing_handed_in_and_strangers(tmp_path):
    files = {"ada/scheduler.py": CODE, "mallory/scheduler.py": CODE, "../eve.zip": b"", "-rf/scheduler.py": CODE}
    source = tmp_path / "download.zip"
    source.write_bytes(zipped(files))
    entries = by_student(collect(source, tmp_path / "in", CLASS))
    assert list(entries) == ["ada", "bob", "zoe", "eve", "mallory", "rf"]
    assert entries["bob"].path is None and entries["bob"].waits and entries["bob"].notes == []
    assert entries["mallory"].notes == ["mallory is not in the roster. Nobody in the roster has this name or number."]
    assert files_in(entries["mallory"].path) == {"scheduler.py": CODE}
    assert list(by_student(collect(source, tmp_path / "other"))) == ["ada", "eve", "mallory", "rf"]
    assert {path.name for path in tmp_path.iterdir()} == {"download.zip", "in", "other"}


def test_two_of_one_name_are_not_guessed_at(tmp_path):
    twins = Roster([Person("a1", "Ada", "Lovelace"), Person("a2", "Ada", "Lovelace")])
    entries = collect(unpack(EXPORTS["moodle"], tmp_path / "m"), tmp_path / "in", twins)
    assert [(entry.student, entry.path is None) for entry in entries[:3]] == [
        ("a1", True),
        ("a2", True),
        ("Ada_Lovelace_11", False),
    ]


REFUSED = {
    "no scheduler.py": {"ada/Scheduler.py": CODE},
    "larger than 200 kB": {"ada/scheduler.py": b"#" * 200_001},
    "holds both": {"ada/scheduler.py": CODE, "ada/Scheduler.py": CODE},
    "is neither a folder nor a zip": {"ada.zip": zipped(GOOD)[:-30] + b"\0" * 9},
    "leads outside": {"ada.zip": zipped({"../scheduler.py": CODE})},
    "ada.7z is neither": {"ada.7z": b"7z"},
    "there is no scheduler.py": {"ada/notes.txt": b"sorry"},
}


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("reason", REFUSED)
def test_what_must_be_refused_is_left_to_the_grader_for_the_same_reason(reason, packed, tmp_path):
    files = REFUSED[reason] | {f"bob/{name}": data for name, data in GOOD.items()}
    source = unpack(files, tmp_path / "download")
    if packed:
        source = tmp_path / "download.zip"
        source.write_bytes(zipped(files))
    ada, bob, _ = collect(source, tmp_path / "in", CLASS)
    with pytest.raises(Refused, match=reason) as refused:
        submission.read(ada.path)
    assert ada.notes == [f"To be refused: {refused.value}."]
    assert files_in(bob.path) == GOOD


@pytest.mark.parametrize("platform", ["plain", "gradescope"])
def test_links_are_never_followed(platform, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    source = unpack(EXPORTS[platform], tmp_path / "download")
    place = next(source.rglob("scheduler.py")).parent
    (place / "scheduler.py").unlink()
    (place / "scheduler.py").symlink_to(secret)
    (place / "report.ipynb").unlink()
    (place / "report.ipynb").symlink_to(secret)
    entries = collect(source, tmp_path / "in", CLASS)
    assert any("a link" in note for entry in entries for note in entry.notes)
    assert sum(entry.path.is_file() for entry in entries) >= 1
    for path in (tmp_path / "in").rglob("*"):
        assert not path.is_symlink() and (path.is_dir() or b"x" != path.read_bytes())


def test_a_link_in_a_zip_of_the_class_is_one_students_affair(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        link = zipfile.ZipInfo("ada/scheduler.py")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
        file.writestr("bob/scheduler.py", CODE)
    (tmp_path / "download.zip").write_bytes(buffer.getvalue())
    ada, bob, _ = collect(tmp_path / "download.zip", tmp_path / "in", CLASS)
    assert "it holds a link" in ada.notes[0] and files_in(bob.path) == {"scheduler.py": CODE}
    with pytest.raises(Refused):
        submission.read(ada.path)


def test_of_several_the_latest_counts_and_staff_are_told(tmp_path):
    source = unpack({"ada/scheduler.py": b"old", "ada.zip": zipped({"scheduler.py": b"new"})}, tmp_path / "download")
    os.utime(source / "ada", (1, 1))
    ada, *_ = collect(source, tmp_path / "in", CLASS)
    assert files_in(ada.path) == {"scheduler.py": b"new"}
    assert ada.notes == ["Handed in 2 times; the latest, ada.zip, counts, and not ada."]
    names = ("lovelaceada_4711_{}_scheduler{}.py", "lovelaceada_4711_{}_report{}.ipynb")
    again = {names[0].format(8, ""): b"old", names[0].format(10, "-1"): b"new", names[1].format(9, " (1)"): REPORT}
    ada, *_ = collect(unpack(again, tmp_path / "canvas"), tmp_path / "in2", CLASS)
    assert files_in(ada.path) == {"scheduler.py": b"new", "report.ipynb": REPORT}
    assert ada.notes == [
        "scheduler.py was handed in more than once; the last one counts.",
        "report (1).ipynb was taken for report.ipynb.",
    ]


def test_files_beside_an_archive_complete_it(tmp_path):
    name = "lovelaceada_4711_{}"
    files = {name.format("1_work.zip"): zipped({"scheduler.py": CODE}), name.format("2_report.ipynb"): REPORT}
    ada, *_ = collect(unpack(files, tmp_path / "a"), tmp_path / "in", CLASS)
    assert files_in(ada.path) == {"scheduler.py": CODE, "report.ipynb": REPORT}
    files |= {name.format("3_scheduler.py"): b"loose"}
    ada, *_ = collect(unpack(files, tmp_path / "b"), tmp_path / "in", CLASS)
    assert files_in(ada.path) == {"scheduler.py": b"loose", "report.ipynb": REPORT}
    assert ada.notes == ["Not looked at: work.zip."]


def test_running_it_again_writes_only_what_changed(tmp_path):
    source, into = unpack(EXPORTS["plain"], tmp_path / "download"), tmp_path / "in"
    first = collect(source, into, CLASS)
    written = {path: path.stat().st_mtime_ns for path in into.rglob("*.*") if path.is_file()}
    time.sleep(0.01)
    (source / "ada" / "infer.py").write_bytes(b"better")
    (source / "Bob.zip").unlink()
    ada, bob, zoe = collect(source, into, CLASS)
    assert files_in(ada.path)["infer.py"] == b"better" and zoe == first[2]
    assert files_in(bob.path) == GOOD and bob.notes == [
        "Not in the last download; what was collected before it counts."
    ]
    untouched = {path for path, when in written.items() if path.stat().st_mtime_ns == when}
    assert {path.parent.name for path in untouched} == {"bob", "zoe"}
    assert collect(source, into, CLASS) == [ada, bob, zoe]
    assert json.loads((into / ".collected.json").read_text())["accounts"]["ada"]["path"] == "ada"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"accounts": {}}'])
def test_a_damaged_list_of_what_was_collected_is_one_line(tmp_path, text):
    """Nobody's earlier hand-in is forgotten for it."""
    source, into = unpack(EXPORTS["plain"], tmp_path / "download"), tmp_path / "in"
    collect(source, into, CLASS)
    (into / ".collected.json").write_text(text, encoding="utf-8")
    for again in (lambda: load_class(into), lambda: collect(source, into, CLASS)):
        with pytest.raises(DownloadError, match=r"\.collected\.json, .* cannot be read.* collect every download again"):
            again()
    with pytest.raises(FileNotFoundError):
        load_class(tmp_path / "nowhere")


def test_sources_that_are_none(tmp_path):
    for files, reason in ((None, "There is no"), (GOOD, "is one submission")):
        source = unpack(files, tmp_path / "x") if files else tmp_path / "nowhere"
        with pytest.raises(DownloadError, match=reason):
            collect(source, tmp_path / "in")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(DownloadError, match="neither a folder nor a zip"):
        collect(tmp_path / "text", tmp_path / "in")
    for metadata in (b"a: [", b"- a", b"7", b"!!python/object/apply:os.system [ls]"):
        bad = {"submission_metadata.yml": metadata, "submission_1/scheduler.py": CODE}
        with pytest.raises(DownloadError, match=r"submission_metadata.yml cannot be read"):
            collect(unpack(bad, tmp_path / "y"), tmp_path / "in")


ODD = [  # each stopped the whole class once
    {"bob/x": b"", "bob": b"", "ada/scheduler.py": CODE},
    {"Bob_11_assignsubmission_file_": b"", "Ada Lovelace_11_assignsubmission_file_/scheduler.py": CODE},
    {"submission_metadata.yml/x": b"", "ada/scheduler.py": CODE},
]


@pytest.mark.parametrize("files", ODD)
def test_odd_names_stop_nobody_else(files, tmp_path):
    (tmp_path / "download.zip").write_bytes(zipped(files))
    assert files_in(collect(tmp_path / "download.zip", tmp_path / "in", CLASS)[0].path) == {"scheduler.py": CODE}


def test_a_file_packed_in_an_unusual_way_is_one_students_affair(tmp_path):
    with zipfile.ZipFile(tmp_path / "download.zip", "w", zipfile.ZIP_LZMA) as file:
        file.writestr("ada/scheduler.py", CODE)
        file.writestr("bob/scheduler.py", CODE, zipfile.ZIP_STORED)
    ada, bob, _ = collect(tmp_path / "download.zip", tmp_path / "in", CLASS)
    assert "packed in an unusual way" in ada.notes[0] and files_in(bob.path) == {"scheduler.py": CODE}


def test_a_large_class_is_read_in_seconds(tmp_path):
    people = [Person(f"s{i}", f"First{i}", f"Last{i}", lms_user_id=str(i)) for i in range(1000)]
    files = {f"last{i}first{i}_{i}_{3 * i + j}_{name}": data
             for i in range(1000) for j, (name, data) in enumerate(GOOD.items())}  # fmt: skip
    (tmp_path / "download.zip").write_bytes(zipped(files))
    entries = collect(tmp_path / "download.zip", tmp_path / "in", Roster(people))
    assert [entry.student for entry in entries] == [student.id for student in people]
    assert all(entry.path and not entry.notes for entry in entries)


# ----- the roster --------------------------------------------------------------------------------------------


def read(tmp_path, text):
    Path(tmp_path, "roster.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return rosters.read(tmp_path / "roster.csv")


def test_rosters_as_they_are_saved(tmp_path):
    """nbgrader's columns, a byte order mark, Excel's semicolons, columns of others and empty lines."""
    text = '\ufeffid;First_Name;last_name;section;extension_days;submitted\r\nada;Ada;"Smith; A.";1;2;\r\n;;;;;\r\n'
    roster = read(tmp_path, text + "bob;Bob;B;1;;2026-11-25T10:00+01:00\r\n")
    assert roster.students[0] == Person("ada", "Ada", "Smith; A.", extension_days=2.0)
    assert roster.students[1].submitted == datetime(2026, 11, 25, 9, tzinfo=UTC)
    directory = Directory(roster)
    assert directory.match({"id": "Bob"}).students == ("bob",)
    assert directory.match({"name": "smith, a, ada"}).students == ("ada",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name,mail\nx,y\n", "no column `id`; its first line is: name,mail"),
        ("", r"no column `id`; its first line is: \(empty\)"),
        ("id\n../x\n", r"line 2, column id: '\.\./x' is no id"),
        ("id,email\n,x@y\n", "line 2, column id: '' is no id"),
        ("id\nada\nAda\n", "line 3, column id: Ada is there already, in line 2"),
        ("id,extension_days\nada,two\n", "line 2, column extension_days: could not convert string to float: 'two'"),
        ("id,submitted\nada,2026-11-25 10:00\n", "has no time zone"),
        (b"id\n\x81\n", "save it as UTF-8"),
        ("id,lms_user_id\na,7\nb,7\n", "line 3, column lms_user_id: 7 is there already, in line 2"),
        ("id,extension_days\nada,nan\n", "line 2, column extension_days: nan is not between 0 and 3650"),
        ("id,extension_days\nada,inf\n", "inf is not between"),
        ("id,extension_days\nada,-1\n", "-1 is not between"),
        (
            "id,last_name,first_name\nada,Smith, Jr.,Ada\n",
            "line 2, column first_name: 4 cells, and the first line has 3",
        ),
        ("id,last_name,first_name,email\nada,Smith, Jr.,Ada\n", "line 2, column email: 'Ada' has no @"),
        ('id,last_name\nada,"Love\nbob,Young\n', "line 3: unexpected end of data; is a quotation mark missing"),
        ('id,last_name\nada,"Love\nbob,Young"\n', "line 3, column last_name: this cell runs over several lines"),
        ("id,email,email\nada,,\n", "line 1, column email: this column is there twice"),
    ],
)
def test_a_bad_roster_is_one_line(text, reason, tmp_path):
    with pytest.raises(RosterError, match=reason):
        read(tmp_path, text)


NAMES = 'id,first_name,last_name\n0042,Zoë,Müller\n7,देवी,शर्मा\nbob,Bo\u2028b,"O\'Neil, Jr."\n'


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_a_roster_in_any_encoding_is_the_same(tmp_path, delimiter, encoding, ends):
    """Leading zeros stay, a line separator within a name is a space, and vowel signs are letters."""
    text = NAMES if encoding != "cp1252" else NAMES.replace("देवी,शर्मा", "Ana,Sá").replace("\u2028", "\xa0")
    lines = [line.split(",", 2) for line in text.split("\n")[:-1]]
    text = ends.join(delimiter.join(cells) for cells in lines) + ends
    found = [
        (student.id, student.first_name, student.last_name)
        for student in read(tmp_path, text.encode(encoding)).students
    ]
    assert found == [
        ("0042", "Zoë", "Müller"),
        ("7", "Ana", "Sá") if encoding == "cp1252" else ("7", "देवी", "शर्मा"),
        ("bob", "Bo b", "O'Neil, Jr."),
    ]


def test_excels_own_first_line_and_ids_in_every_script(tmp_path):
    assert [student.id for student in read(tmp_path, "sep=;\r\nid;x\r\nदेवी;1\r\n김;2\r\n李;3\r\n").students] == [
        "देवी",
        "김",
        "李",
    ]
    for text in ("id\n.x\n", "id\n-x\n", "id\na*b\n", "id\na/b\n", f"id\n{'李' * 80}\n", "id\n\u0301a\n"):
        with pytest.raises(RosterError, match="is no id"):
            read(tmp_path, text)
