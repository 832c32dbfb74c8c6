"""One column of a gradebook that Canvas exported: the right points in the right cells, and nothing that a person wrote
there is lost."""

import csv
import io

import pytest

from autograder.instructor.grades.sheet import Grade
from autograder.instructor.handins.collecting import HandedIn
from autograder.instructor.handins.roster import Person, Roster
from autograder.instructor.handins.tables import TableError, read
from autograder.instructor.lms import LMSError
from autograder.instructor.lms import canvas_export as canvas
from autograder.rubric import Rubric

CANVAS = """\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,Quiz (12),Homework (345),Final Score
    Points Possible,,,,,10.00,120.00,(read only)
"Lovelace, Ada",4711,,ada,"S 1",9,,88.5
"Neil, Bob",99,bob,bob@x,"S 1",,3,
"Student, Test",100,,,"S 1",,,
"Zeh, Zoe",101,,zoe@x,S 2,7,,
"""
HEAD = "Student,ID,SIS Login ID,Section,Homework (345)\n"
PEOPLE = Person("ada", "Ada", "Lovelace", "ada@x.edu"), Person("bob", "Bob", "Young", "bob@x.edu")
FULL = dict.fromkeys(Rubric.load().parts, 10.0) | {"report": 0.25}


@pytest.fixture
def fill(tmp_path):
    """fill(text or bytes, absent=()) -> ({first cell: cell of Homework}, who was left and why, who is not there)."""

    def fill(text, absent=(), people=PEOPLE, scale=None, column="Homework"):
        path = tmp_path / "export.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        made = [Grade(student.id, dict.fromkeys(FULL, 0.0) if student.id in absent else FULL) for student in people]
        handed_in = [HandedIn(student.id, None if student.id in absent else tmp_path) for student in people]
        filled, left, lost = canvas.fill(path, column, made, handed_in, 120, Roster(people), scale)
        path.write_text(filled, encoding="utf-8")
        table = read(path)
        at = next(n for n, name in enumerate(table.head) if name.startswith("Homework"))
        return {cells[0].strip(): cells[at] for _, cells in table.rows}, left, lost

    return fill


@pytest.mark.parametrize("column", ["Homework", "Homework (345)"])
def test_only_its_column_is_filled(tmp_path, column):
    roster = Roster([Person("a1", "Ada", "Lovelace"), Person("bob"), Person("z", email="zoe@x"), Person("x")])
    made = [Grade("a1", FULL), Grade("bob", FULL, 1.0), Grade("z", FULL, missing=["warmup"]), Grade("x", FULL)]
    handed_in = [HandedIn(grade.student, tmp_path) for grade in made]
    (tmp_path / "e.csv").write_text(CANVAS, encoding="utf-8")
    text, left, lost = canvas.fill(tmp_path / "e.csv", column, made, handed_in, 120, roster)
    assert left == {
        "Student, Test": "Nobody in the roster has this name or number",
        "Zeh, Zoe": "the grade is not complete",
    }
    assert lost == ["x"]
    before, after = (list(csv.reader(io.StringIO(each.removeprefix("\ufeff")))) for each in (CANVAS, text))
    assert [row[6] for row in after] == ["Homework (345)", "120.00", "70.25", "69.25", "", ""]
    assert [row[:6] + row[7:] for row in after[2:]] == [row[:6] + row[7:] for row in before[2:]]


@pytest.mark.parametrize("there", ["EX", "ex", "N/A", "", "85"])
def test_who_handed_in_nothing_keeps_what_stands_there(fill, there):
    rows = f'"Lovelace, Ada",1,ada@x.edu,S1,\n"Young, Bob",2,bob@x.edu,S1,{there}\n'
    cells, left, lost = fill(f"{HEAD}    Points Possible,,,,120\n{rows}", absent=["bob"])
    assert cells == {"Points Possible": "120", "Lovelace, Ada": "70.25", "Young, Bob": there}
    assert "Young, Bob" in left and lost == []


def test_excused_stays_also_where_there_are_points(fill):
    cells, left, _ = fill(f'{HEAD}"Lovelace, Ada",1,ada@x.edu,S1,EX\n"Young, Bob",2,bob@x.edu,S1,7\n')
    assert cells == {"Lovelace, Ada": "EX", "Young, Bob": "70.25"} and left == {"Lovelace, Ada": "EX stays"}


@pytest.mark.parametrize(("status", "cell"), [("excused", "EX"), ("withheld", "3"), ("", "70.25")])
def test_excused_is_ex_and_withheld_leaves_what_stands_there(tmp_path, status, cell):
    (tmp_path / "e.csv").write_text(f'{HEAD}"Lovelace, Ada",1,ada@x.edu,S1,3\n')
    made, handed_in = [Grade("ada", FULL, status=status)], [HandedIn("ada", tmp_path)]
    text, left, _ = canvas.fill(tmp_path / "e.csv", "Homework", made, handed_in, 120, Roster(PEOPLE[:1]))
    assert next(csv.reader([text.splitlines()[1]]))[-1] == cell
    assert ("Lovelace, Ada" in left) == (status == "withheld")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("split", [True, False])
def test_every_way_in_which_canvas_and_spreadsheets_write_it(fill, encoding, delimiter, split):
    name = ["LastName", "FirstName"] if split else ["Student"]
    ada = ["Lovelace", "Zoë"] if split else ["Lovelace, Zoë"]
    rows = [[*name, "ID", "SIS Login ID", "Homework (345)"], ["    Points Possible", *name[1:], "", "", "120"]]
    rows = [*rows, [*ada, "1", "ada@x.edu"]]  # its last cell is missing: spreadsheets leave empty ones out
    rows[1][1:-1] = [""] * (len(rows[1]) - 2)
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter).writerows(rows)
    cells, left, lost = fill(buffer.getvalue().encode(encoding))
    assert cells[ada[0]] == "70.25" and left == {} and lost == ["bob"]


def test_a_number_that_is_anothers_id_fills_no_cell(fill):
    people = Person("4712", "Bob", "Young"), Person("4800", "Ada", "Lovelace")
    cells, left, _ = fill(f'{HEAD}"Lovelace, Ada",4712,,S1,\n"Young, Bob",4800,,S1,\n', people=people)
    assert set(cells.values()) == {""} and set(left) == {"Lovelace, Ada", "Young, Bob"}


@pytest.mark.parametrize(("scale", "points"), [(True, "58.54"), (False, "70.25")])
def test_other_points_possible_are_asked_about(fill, scale, points):
    text = f'{HEAD}    Points Possible,,,,"100,00"\n"Lovelace, Ada",1,ada@x.edu,S1,\n'
    with pytest.raises(LMSError, match=r"line 2, column Homework \(345\): Canvas has 100 points possible"):
        fill(text)
    assert fill(text, scale=scale)[0]["Lovelace, Ada"] == points


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        (CANVAS, "Home", r"no column 'Home'. Assignments: Quiz \(12\), Homework \(345\)"),
        ("a,b\n", "x", "is no gradebook of Canvas"),
        ("", "x", "is no gradebook of Canvas"),
        (CANVAS.replace("Quiz (12)", "Homework (1)"), "Homework", "more than one column"),
        (f"{HEAD}Lovelace, Ada,1,ada@x.edu,S1,\n", "Homework", "line 2, column Homework .345.: 6 cells"),
        (f'{HEAD}"Lovelace, Ada,1,ada@x.edu,S1,\n', "Homework", "line 2: unexpected end of data"),
        (b"\x81\x8d", "Homework", "its encoding is unknown"),
    ],
)
def test_what_cannot_be_filled_is_one_line(fill, text, column, reason):
    with pytest.raises((LMSError, TableError), match=reason) as told:
        fill(text, column=column)
    assert "\n" not in str(told.value)
