"""What lateness costs, at the second: over generated policies, students' terms, times and time zones."""

import json
import math
import textwrap
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.instructor.grades import attempts, lateness
from autograder.instructor.grades.exceptions import Agreed, Terms, agreed
from autograder.instructor.grades.questions import possible
from autograder.instructor.grades.sheet import Grade, report_points
from autograder.instructor.handins.collecting import HandedIn
from autograder.instructor.handins.roster import Person, Roster
from autograder.instructor.handins.tables import TableError
from autograder.paths import ASSIGNMENT, PACKAGE
from autograder.rubric import REPORT, Rubric

SECOND = timedelta(seconds=1)
# Some change their clocks, one by half an hour; the years below hold changes both ways.
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns")
DUE = "2026-12-01T23:59+01:00"
BUDGET = {"due": DUE, "policy": "budget", "grace_minutes": 10, "per_day_percent": 10, "last_day": 7, "days_in_all": 3}

quick = settings(max_examples=100, deadline=None)
dues = st.datetimes(datetime(2026, 3, 1), datetime(2027, 4, 10)).map(lambda time: time.replace(microsecond=0))
days = st.integers(0, 12)


@st.composite
def tables(draw, policies=lateness.POLICIES, attempt=lateness.LATEST):
    """[late] of a rubric, with its due date as somebody would write it."""
    zone, due = draw(st.sampled_from(ZONES)), draw(dues)
    return {
        "due": due.isoformat(),
        "time_zone": zone,
        "policy": draw(st.sampled_from(policies)),
        "grace_minutes": draw(st.sampled_from([0, 5, 10, 90])),
        "per_day_percent": draw(st.sampled_from([0, 5, 10, 33.3, 50, 100, 300])),
        "last_day": draw(st.integers(0, 9)),
        "days_in_all": draw(st.integers(0, 5)),
        "attempt": attempt,
    }


@st.composite
def terms_under(draw, late):
    """What is agreed with a student: an extension, in days or as a date, and late days."""
    own = draw(st.none() | st.integers(1, 9 * 86_400))
    due = lateness.due(late) + timedelta(seconds=own) if own else None
    extension = 0.0 if own else draw(st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0, 3.25]))
    return Terms(extension, due, draw(st.integers(0, 4)), draw(st.integers(0, 4)))


@st.composite
def cases(draw, policies=lateness.POLICIES, attempt=lateness.LATEST):
    late = draw(tables(policies, attempt))
    return late, draw(terms_under(late))


def moments(late):
    """Times of hand-ins, from days before the due date to long after it, also just beside the ends of days."""
    seconds = st.integers(-3 * 86_400, 14 * 86_400) | st.builds(
        lambda day, hour, second: day * 86_400 + hour * 1_800 + second,
        st.integers(-1, 10), st.sampled_from([-2, -1, 0, 1, 2]), st.integers(-2, 700),
    )  # fmt: skip
    return seconds.map(lambda each: lateness.due(late).astimezone(UTC) + timedelta(seconds=each))


def earned(points, time, terms, late):
    """(points after lateness, late days used up) of a hand-in that is worth so many points."""
    late_by = terms.days_late(time, late)
    return round(points - terms.penalty(points, late_by, late), 2), terms.days_used(late_by, late)


@quick
@given(st.data())
def test_the_same_work_earlier_never_gives_less(data):
    late, terms = data.draw(cases())
    first, second = sorted([data.draw(moments(late)), data.draw(moments(late))])
    points = data.draw(st.integers(0, 480)) / 4
    assert terms.days_late(first, late) <= terms.days_late(second, late)
    assert 0 <= earned(points, second, terms, late)[0] <= earned(points, first, terms, late)[0] <= points


@quick
@given(cases(), st.integers(0, 9))
def test_a_second_before_and_after_each_end(case, day):
    """The clock on the wall of the course tells when a day ends; grace is as long as it is."""
    late, terms = case
    zone, naive = ZoneInfo(late["time_zone"]), datetime.fromisoformat(late["due"])
    if terms.due:
        naive = terms.due.astimezone(zone).replace(tzinfo=None)
    whole, rest = int(terms.extension_days), timedelta(days=terms.extension_days % 1)
    own = naive.replace(fold=terms.due.astimezone(zone).fold) if terms.due and day == 0 else naive
    ends = (own + timedelta(days=day + whole) if day + whole else own).replace(tzinfo=zone)
    end = ends.astimezone(UTC) + rest + timedelta(minutes=late["grace_minutes"])
    assert terms.days_late(end + SECOND, late) > day
    assert terms.days_late(end, late) <= day and terms.days_late(end - SECOND, late) <= day
    for zone in ZONES:  # wherever it was written down
        assert terms.days_late(end.astimezone(ZoneInfo(zone)), late) == terms.days_late(end, late)


@quick
@given(st.data())
def test_a_budget_is_days_that_cost_nothing(data):
    """Until they are used up; then each day costs what it costs without a budget. The last day is that of all."""
    late, terms = data.draw(cases(policies=["budget"]))
    points, day = data.draw(st.integers(0, 480)) / 4, data.draw(days)
    left = max(0, late["days_in_all"] + terms.extra_days - terms.used_days)
    used, plain = terms.days_used(day, late), late | {"policy": "per_day"}
    if day > late["last_day"]:
        assert (used, terms.penalty(points, day, late)) == (0, points)
    else:
        assert used == min(day, left)
        assert terms.penalty(points, day, late) == lateness.penalty(points, day - used, plain)
    assert terms.days_used(day, plain) == 0


@pytest.mark.parametrize(
    ("late_by", "points", "used"),
    [
        (timedelta(minutes=10), 100, 0),
        (timedelta(minutes=10, seconds=1), 100, 1),
        (timedelta(days=3, minutes=10), 100, 3),
        (timedelta(days=3, minutes=10, seconds=1), 90, 3),
        (timedelta(days=7, minutes=10), 60, 3),
        (timedelta(days=7, minutes=10, seconds=1), 0, 0),
    ],
)
def test_three_late_days_then_ten_percent_and_nothing_after_a_week(late_by, points, used):
    assert earned(100, datetime.fromisoformat(DUE) + late_by, Terms(), BUDGET) == (points, used)


def test_late_days_of_one_student():
    when = datetime.fromisoformat(DUE) + timedelta(days=2)
    assert earned(100, when, Terms(used_days=2), BUDGET) == (90, 1)
    assert earned(100, when, Terms(used_days=9), BUDGET) == (80, 0)
    assert earned(100, when, Terms(used_days=9, extra_days=7), BUDGET) == (90, 1)
    assert earned(100, when, Terms(due=when), BUDGET) == (100, 0)
    assert earned(100, None, Terms(), BUDGET) == (100, 0), "nobody knows when"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"days_in_all": 2.5}, "days_in_all must be a whole number"),
        ({"days_in_all": -1}, "days_in_all must be a number, and not below 0"),
        ({"days_in_all": "three"}, "days_in_all must be a number"),
        ({"attempt": "worst"}, "attempt is 'worst', not one of latest, on_time, best"),
        ({"policy": "none", "due": "", "attempt": "on_time"}, "attempt 'on_time' needs a due date"),
        ({"due": ""}, "policy 'budget' needs a due date"),
        ({"due": "2026-12-01", "time_zone": "Europe/Berlin"}, "the time of day is missing"),
        ({"due": "2026-12-01T23:59"}, "the time zone is missing"),
        ({"due": "1.12.2026 23:59"}, "that is no date and time; write it like 2026-12-01T23:59"),
    ],
)
def test_a_table_that_means_nothing_is_one_line(changed, reason):
    with pytest.raises(lateness.PolicyError, match=reason) as told:
        lateness.due(BUDGET | changed)
    assert "\n" not in str(told.value)


def test_of_two_equal_hours_the_one_that_was_meant_is_due():
    """On 25 October 2026 the clocks of Berlin showed 02:30 twice."""
    late = BUDGET | {"due": "2026-10-25T02:30+01:00", "time_zone": "Europe/Berlin", "grace_minutes": 0}
    assert lateness.days_late(datetime.fromisoformat("2026-10-25T02:30+01:00"), 0, late) == 0
    assert lateness.days_late(datetime.fromisoformat("2026-10-25T02:30:01+01:00"), 0, late) == 1


# ----- which of several counts ---------------------------------------------------------------------------------------


class Drawn:
    """Hand-ins of one student, with what each is worth: {key: points for code}, and which have a report."""

    def __init__(self, times, points, reports):
        self.attempts = [
            HandedIn("ada", Path("x"), time, report="waits" * report, digest=f"{n}" if n + 1 < len(times) else "")
            for n, (time, report) in enumerate(zip(times, reports, strict=True))
        ]
        self.points = {each.key: worth for each, worth in zip(self.attempts, points, strict=True)}

    def counting(self, terms, late):
        return attempts.counting(self.attempts, terms, rubric(late), lambda each: self.points[each.key])

    def worth(self, attempt, terms, late):
        whole = self.points[attempt.key] + attempts.for_report(attempt, RUBRIC)
        return earned(whole, attempt.time, terms, late)[0]


RUBRIC = Rubric.load()


def rubric(late):
    return replace(RUBRIC, late=late)


@st.composite
def several(draw, late):
    times = sorted(draw(st.lists(moments(late), min_size=1, max_size=5)))
    worth = [draw(st.integers(0, 10)) * 10 for _ in times]
    return Drawn(times, worth, [draw(st.booleans()) for _ in times])


@quick
@given(st.data())
def test_the_best_is_the_best_after_all_lateness(data):
    late, terms = data.draw(cases(attempt=lateness.BEST))
    drawn = data.draw(several(late))
    chosen = drawn.counting(terms, late)
    best = drawn.worth(chosen, terms, late)
    assert best == max(drawn.worth(each, terms, late) for each in drawn.attempts)
    rivals = [each for each in drawn.attempts if drawn.worth(each, terms, late) == best]
    fewest = min(terms.days_late(each.time, late) for each in rivals)
    assert terms.days_late(chosen.time, late) == fewest, "nobody pays lateness, or late days, for nothing"
    assert chosen is [each for each in rivals if terms.days_late(each.time, late) == fewest][-1]


@quick
@given(st.data())
def test_where_the_best_counts_no_hand_in_is_one_too_many_or_too_early(data):
    late, terms = data.draw(cases(attempt=lateness.BEST))
    drawn = data.draw(several(late))
    before = drawn.worth(drawn.counting(terms, late), terms, late)
    more = data.draw(several(late))
    n = data.draw(st.integers(0, len(drawn.attempts) - 1))
    drawn.attempts[n].time -= timedelta(seconds=data.draw(st.integers(0, 9 * 86_400)))
    assert drawn.worth(drawn.counting(terms, late), terms, late) >= before
    times = [each.time for each in (*drawn.attempts, *more.attempts)]
    reports = [bool(each.report) for each in (*drawn.attempts, *more.attempts)]
    both = Drawn(times, [*drawn.points.values(), *more.points.values()], reports)
    assert both.worth(both.counting(terms, late), terms, late) >= before


@quick
@given(st.data())
def test_on_time_is_the_latest_of_those_with_the_fewest_days_late(data):
    late, terms = data.draw(cases(attempt=lateness.ON_TIME))
    drawn = data.draw(several(late))
    by_days = [terms.days_late(each.time, late) for each in drawn.attempts]
    n = len(by_days) - 1 - by_days[::-1].index(min(by_days))
    assert drawn.counting(terms, late) is drawn.attempts[n]
    assert drawn.counting(terms, late | {"attempt": lateness.LATEST}) is drawn.attempts[-1]
    assert attempts.candidates(drawn.attempts, terms, rubric(late)) == [drawn.attempts[n]]


def test_examples_of_what_counts():
    def counting(*hand_ins, policy=lateness.BEST, **terms):
        """The number of the one that counts, of hand-ins (days after the due date, points for code, report)."""
        times = [datetime.fromisoformat(DUE) + timedelta(days=late) for late, *_ in hand_ins]
        drawn = Drawn(times, [points for _, points, _ in hand_ins], [report for *_, report in hand_ins])
        late = BUDGET | {"attempt": policy, "days_in_all": 1}
        return 1 + drawn.attempts.index(drawn.counting(Terms(**terms), late))

    assert counting((-2, 80, False), (-1, 70, False)) == 1
    assert counting((-2, 80, False), (-1, 80, False)) == 2, "as good, and in time: the later one is what was meant"
    assert counting((-1, 80, False), (0.5, 80, False)) == 1, "as good, and no late day is used up"
    assert counting((-1, 80, False), (0.5, 81, False)) == 2, "better, and the late day is there to be used"
    assert counting((-1, 80, False), (0.5, 81, False), used_days=1) == 1, "the late day is gone"
    assert counting((-1, 90, False), (1.5, 100, False)) == 1, "90 and 90: the one in time"
    assert counting((-1, 100, False), (0.5, 100, True)) == 2, "only the second has a report"
    assert counting((-1, 10, False), (8, 100, True)) == 1, "nothing is given for the second"
    assert counting((-1, None, False), (0.5, 100, True)) == 1, "what is not graded may be the best"
    assert counting((-1, 10, False), (0.5, 100, True), policy=lateness.ON_TIME) == 1
    assert counting((0.2, 90, False), (0.5, 10, True), (1.5, 100, True), policy=lateness.ON_TIME) == 2


@pytest.mark.parametrize(
    ("answered", "points"), [((), 0), (("warmup",), 2), (("warmup", "steps_answer"), 6), (None, 20), ("elsewhere", 20)]
)
def test_what_a_report_can_give_before_it_is_marked(answered, points, tmp_path):
    notebook = json.loads((ASSIGNMENT / "report.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if answered is None or cell.get("id") in answered:
            cell["source"] = f"{''.join(cell['source'])}\n\nIt is the mean."
    if answered == "elsewhere":
        notebook["cells"].append(
            {"cell_type": "markdown", "id": "own", "metadata": {}, "source": ["All of them: few."]}
        )
    (tmp_path / "report.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    assert attempts.for_report(HandedIn("ada", tmp_path), RUBRIC) == points


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b'{"cells": 7}', b'{"cells": [{"source": 7}]}', b"[" * 100_000, b"\xff"]
)
def test_a_report_that_cannot_be_read_counts_in_full(raw):
    assert possible(raw) == report_points(RUBRIC) == 20


# ----- exceptions.csv ------------------------------------------------------------------------------------------------


def read(folder, text, late=BUDGET, known=("ada", "bob", "cy"), roster=None):
    Path(folder, "exceptions.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return agreed(folder, late, roster, known)


def test_what_is_agreed_with_students(tmp_path):
    head = "# due and days are ours\nstudent,due,extra_days,used_days,status,note\n"
    made = read(tmp_path, f"{head}ada,2026-12-03,,2,,ill until the 2nd\nbob,,1,,Excused,\ncy,,,,withheld,\n\n")
    assert made["ada"] == Terms(due=datetime(2026, 12, 3, 22, 59, tzinfo=UTC), used_days=2, note="ill until the 2nd")
    assert made["bob"] == Terms(extra_days=1, status="excused") and made["cy"].status == "withheld"
    assert made["nobody"] == Terms() and "nobody" not in made
    roster = Roster([Person("ada", extension_days=4), Person("dan", extension_days=2)])
    made = read(tmp_path, "student,due,note\nada,2026-12-03T12:00+01:00,\n", roster=roster)
    assert (made["ada"].extension_days, made["dan"].extension_days) == (0, 2), "the date, where both say something"
    assert agreed(tmp_path / "none", BUDGET) == Agreed()


def test_a_day_alone_ends_when_that_of_all_does(tmp_path):
    """By the clock on the wall, also when clocks were changed in between."""
    late = BUDGET | {"due": "2026-10-24T23:59", "time_zone": "Europe/Berlin", "grace_minutes": 0}
    ada = read(tmp_path, "student,due\nada,2026-10-27\n", late)["ada"]
    assert ada.due == datetime.fromisoformat("2026-10-27T23:59+01:00")
    assert ada.days_late(ada.due, late) == 0 and ada.days_late(ada.due + SECOND, late) == 1
    assert ada.extension(late) == timedelta(days=3)


def test_the_example_of_the_readme(tmp_path):
    page = (PACKAGE / "instructor" / "grades" / "README.md").read_text(encoding="utf-8")
    (example,) = (part for part in page.split("\n\n") if part.startswith("    student,"))
    made = read(tmp_path, textwrap.dedent(example) + "\n", known=("ada", "bob", "cy", "dan", "eve"))
    assert made["ada"].due == datetime(2026, 12, 4, 22, 59, tzinfo=UTC) and made["bob"].due.hour == 12
    assert made["cy"] == Terms(extra_days=2, used_days=1)
    assert (made["dan"].status, made["eve"].status) == ("excused", "withheld")


WRONG = [
    (
        "student,due\nada,2026-12-03\nbobb,\n",
        "line 3, column student: nobody in the class has the id 'bobb'; is it bob",
    ),
    ("student,due\nada,2026-12-03\n\nada,\n", "line 4, column student: ada is there already, in line 2"),
    ("student,due\n,2026-12-03\n", "line 2, column student: whom does this line mean"),
    (
        "student,due\nada,3.12.2026\n",
        "line 2, column due: '3.12.2026', and that is no date; write it like 2026-12-01T23",
    ),
    ("student,due\nada,2026-13-03\n", "line 2, column due: '2026-13-03', and that is no date"),
    ("student,due\nada,2026-12-03T25:00\n", "line 2, column due: '2026-12-03T25:00', and that is no date and time"),
    ("student,due\nada,2026-12-03T12:00\n", "line 2, column due: .* the time zone is missing"),
    ("student,due\nada,2025-12-03\n", "line 2, column due: 2025-12-03 is not later than 2026-12-01T23:59:00.01:00"),
    ("student,used_days\nada,-1\n", "line 2, column used_days: '-1' is no whole number"),
    ("student,extra_days\nada,1.5\n", "line 2, column extra_days: '1.5' is no whole number"),
    ("student,extra_days\nada," + "9" * 5000, "line 2, column extra_days: '9999.* is no whole number"),
    ("student,status\nada,sick\n", "line 2, column status: 'sick' is none of excused, withheld"),
    ("student,extension\nada,2\n", "line 1, column extension: nobody knows what it means; known are student, due"),
    ("student,note,\nada,x,y\n", "line 2: 'y' stands in a column without a name"),
    ("id,due\nada,\n", "line 1, column id: nobody knows"),
    ("note\nx\n", "line 2, column student: whom does this line mean"),
    ("student,note\nada,ill, since Monday\n", "line 2, column note: 3 cells, and the first line has 2"),
    (b"student\n\x81\n", "save it as UTF-8"),
]


@pytest.mark.parametrize(("text", "reason"), WRONG)
def test_a_line_that_cannot_be_right_is_one_line(tmp_path, text, reason):
    with pytest.raises(TableError, match=rf"exceptions\.csv.*{reason}") as told:
        read(tmp_path, text)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "late", "reason"),
    [
        ("student,used_days\nada,1\n", {"policy": "per_day"}, "late days are counted with policy = .budget. in rubric"),
        ("student,due\nada,2026-12-03\n", {"policy": "none", "due": ""}, "has no due date that this could differ from"),
    ],
)
def test_what_the_rubric_does_not_know_is_told(tmp_path, text, late, reason):
    """And not dropped: whoever wrote it down means it to count."""
    with pytest.raises(TableError, match=f"line 2, column .*{reason}"):
        read(tmp_path, text, BUDGET | late)
    assert read(tmp_path, "student,used_days,due\nada,0,\n", BUDGET | late)["ada"] == Terms()


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from([",", ";", "\t"]), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_whatever_is_written_is_read(tmp_path_factory, data, delimiter, encoding):
    cell = {
        "due": st.sampled_from(["", "2026-12-04", "2026-12-02T08:00:00+01:00"]),
        "extra_days": st.sampled_from(["", "0", "3"]),
        "used_days": st.sampled_from(["", "2"]),
        "status": st.sampled_from(["", "excused", " Withheld "]),
        "note": st.sampled_from(["", "é 李", "a.b"]),
    }
    columns = ["student", *data.draw(st.lists(st.sampled_from(list(cell)), unique=True))]
    ids = data.draw(st.lists(st.sampled_from(["ada", "bob", "cy", "李", "0042"]), unique=True))
    rows = [[id, *(data.draw(cell[name]) for name in columns[1:])] for id in ids]
    text = "\r\n".join(delimiter.join(row) for row in [columns, *rows]) + "\r\n"
    made = read(tmp_path_factory.mktemp("x"), text.encode(encoding), known=None)
    assert set(made) == set(ids)
    for row in rows:
        said = dict(zip(columns, row, strict=True))
        own = made[said["student"]]
        assert (own.extra_days, own.used_days) == tuple(
            int(said.get(f"{name}_days") or 0) for name in ("extra", "used")
        )
        assert own.status == said.get("status", "").strip().lower() and own.note == said.get("note", "")
        assert (own.due is None) == (not said.get("due"))


# ----- grades --------------------------------------------------------------------------------------------------------


@quick
@given(st.sampled_from(["", "excused", "withheld"]), st.sampled_from([None, 0.0, 40.0, 96.0]), st.booleans())
def test_excused_is_not_0_and_withheld_is_no_points_either(status, code, marked):
    parts = {"schedule": code, REPORT: 15.0 if marked else None}
    missing = ["schedule"] * (code is None) + [REPORT] * (not marked)
    grade = Grade("ada", parts, missing=missing).under(Terms(status=status), None, BUDGET)
    assert grade.code == code
    assert grade.points == (code + 15 if marked and code is not None and not status else None)
    assert grade.complete == (status == "excused" or not missing) and not math.isnan(grade.penalty)
