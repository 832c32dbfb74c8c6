"""A whole class: graded by workers, kept as it ends, published, regraded, and shown on one page."""

import contextlib
import csv
import html
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from safetensors.numpy import save_file
from test_submissions import BROKEN, source

from autograder import checks
from autograder.grading import Found, TooWeak, conclude, run
from autograder.grading import grade as grade_whole
from autograder.instructor.authoring.patches import load_all, reference
from autograder.instructor.bench.classroom import SETUP
from autograder.instructor.classroom import __main__ as command
from autograder.instructor.classroom import page, publishing, session
from autograder.instructor.classroom.keeping import Kept
from autograder.instructor.classroom.running import Conditions, Run
from autograder.instructor.classroom.working import Stop
from autograder.instructor.grades.sheet import Grade
from autograder.instructor.handins.collecting import ClassList, HandedIn
from autograder.instructor.handins.roster import Person, Roster
from autograder.instructor.store import Store
from autograder.intake.submission import read
from autograder.paths import ROOT
from autograder.record import BLOCKED, PASSED, CheckResult, Evidence
from autograder.reports import gradescope
from autograder.rubric import Rubric

OVERRIDE = "[[override]]\nstudent = 'ada'\ncheck = '{}'\npoints = {}\nreason = '{}'\n"
SUBMISSIONS = Path(__file__).parent / "submissions"


@pytest.fixture(scope="session")
def hidden_file(hidden, tmp_path_factory):
    path = tmp_path_factory.mktemp("course") / "hidden.safetensors"
    save_file(hidden.tensors, path, hidden.metadata)
    return path


@pytest.fixture
def classroom(hidden_file, tmp_path):
    """classroom(*arguments) -> CompletedProcess of the command, on the class folder tmp_path/class."""

    def classroom(command, *arguments, folder=tmp_path / "class"):
        return finish(start(hidden_file, command, *arguments, "--class", folder))

    return classroom


def start(hidden_file, *arguments):
    said = tempfile.TemporaryFile("w+", encoding="utf-8")  # a pipe that nobody reads would fill up
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("classroom.py"), *map(str, arguments), "--device", "cpu"],
        env={**os.environ, "HIDDEN_OF_THE_TEST": str(hidden_file), "COLUMNS": "200", "PYTHONPATH": str(ROOT)},
        stdout=said,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    process.said = said
    return process


def finish(process):
    process.wait(timeout=3000)
    with process.said as said:
        said.seek(0)
        process.out = said.read()
    return process


def hand_in(folder, files):
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def few(folder):
    """A class of six in `folder`, and its roster."""
    patches = {patch.id: patch for patch in load_all()}
    hand_in(folder / "subs" / "ada", reference())
    hand_in(folder / "subs" / "bob", patches["add_noise_no_roots"].files)
    hand_in(folder / "subs" / "cyd", patches["add_noise_no_roots"].files)
    hand_in(folder / "subs" / "dan", {"scheduler.py": (SUBMISSIONS / "broken/syntax_error/scheduler.py").read_bytes()})
    hand_in(folder / "subs" / "eve", {"notes.txt": b"see my repository"})
    roster = folder / "roster.csv"
    roster.write_text("id\nada\nbob\ncyd\ndan\neve\nfay\n", encoding="utf-8")
    return folder / "subs", roster


def comparable(text):
    """results.json without what differs from run to run."""
    results = json.loads(text)
    del results["execution_time"]
    for facts in (*results["extra_data"]["runs"], *(test["extra_data"].get("facts", {}) for test in results["tests"])):
        for name in ("maxrss_kb", "cpu_s", "wall_s"):
            facts.pop(name, None)
    for test in results["tests"]:
        del test["extra_data"]["seconds"]
    return results


def test_a_class_is_graded_once_published_overridden_and_regraded(classroom, shipped, public, hidden, box, tmp_path):
    subs, roster = few(tmp_path)
    folder = tmp_path / "class"
    done = classroom("grade", subs, "--roster", roster, "--exact")
    assert done.returncode == 0, done.out
    assert "bob  " in done.out and "6/6" in done.out
    grades = (folder / "grades.csv").read_text(encoding="utf-8")
    lines = list(csv.DictReader(grades.splitlines()))
    assert [line["id"] for line in lines] == ["ada", "bob", "cyd", "dan", "eve", "fay"]
    assert [line["complete"] for line in lines] == ["no", "no", "no", "no", "no", "yes"]  # the report is marked by hand
    assert lines[0]["reverse"] == "35" and lines[0]["infer"] == "" and lines[5]["points"] == "0"

    # What was found by workers, stage by stage, is what one grade finds.
    for student in ("ada", "bob", "dan"):
        whole = grade_whole(folder / "submissions" / student, box, shipped, public, hidden, checks.EXACT)
        results = (folder / "results" / student / "results.json").read_text(encoding="utf-8")
        assert comparable(results) == comparable(gradescope.render(whole, shipped))

    # Nobody's page names another, or holds a hidden number.
    for report in folder.glob("results/*/*"):
        text = report.read_text(encoding="utf-8")
        others = {"ada", "bob", "cyd", "dan", "eve", "fay"} - {report.parent.name}
        assert not re.search(rf"\b({'|'.join(others)})\b", text)
        assert not any(number in text for number in hidden_numbers(hidden)), report

    # Once more: nothing is graded, and nothing changes but for points by hand, which the student can read of.
    before = {path: path.stat().st_mtime_ns for path in (*folder.glob("kept/*"), *folder.glob("results/*/*"))}
    reason = "The handout's formula was misprinted & unreadable."
    (folder / "overrides.toml").write_text(
        f'[[override]]\nstudent = "bob"\ncheck = "forward.add_noise"\npoints = 5\nreason = "{reason}"\n',
        encoding="utf-8",
    )
    assert classroom("grade", "--exact").returncode == 0
    moved = {path.relative_to(folder) for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert moved and all(path.parts[:2] == ("results", "bob") for path in moved)
    results = json.loads((folder / "results/bob/results.json").read_text(encoding="utf-8"))
    assert next(test for test in results["tests"] if test["extra_data"]["id"] == "forward.add_noise")["score"] == 5
    assert "misprinted &amp; unreadable" in (folder / "results/bob/report.html").read_text(encoding="utf-8")
    with_points = (folder / "grades.csv").read_text(encoding="utf-8")
    anew = list(csv.DictReader(with_points.splitlines()))
    assert [old["id"] for old, new in zip(lines, anew, strict=True) if old != new] == ["bob"]

    # As if the kit had been another when cyd was graded, and had found the linear schedule wrong; and as if the rubric
    # had given ada twice the points, for which nothing is run again.
    store = Store(folder / "kept", Kept)
    ada, cyd = store.get("ada"), store.get("cyd")
    cyd.depends["kit"], cyd.found.results["schedule.linear"].verdict = "another", "wrong"
    doubled = {id: replace(check, max_points=2 * check.max_points) for id, check in ada.found.results.items()}
    ada.depends["points"], ada.found.results = "another", doubled
    for kept in (ada, cyd):
        store.put(kept.name, kept)
    done = classroom("grade", "--exact")
    assert "2 were graded before something changed (points for 1, kit for 1) and keep their grade" in done.out
    published = (folder / "grades.csv").read_text(encoding="utf-8")
    assert published != with_points
    done = classroom("regrade")
    assert done.returncode == 0, done.out
    assert "+5" in done.out and "schedule.linear: wrong 0/5 → passed 5/5" in done.out
    assert "the checks, their limits or the recorded cases changed" in done.out
    assert (
        "-84" in done.out and "passed 10/10 → passed 5/5" in done.out and "the points of the rubric changed" in done.out
    )
    assert "2 graded again, 2 change, 2 in points" in done.out
    assert published == (folder / "grades.csv").read_text(encoding="utf-8")
    assert classroom("regrade", "--publish").returncode == 0
    assert with_points == (folder / "grades.csv").read_text(encoding="utf-8")

    # One student alone.
    assert "1 graded again, 0 change" in classroom("regrade", "--student", "ada").out


def hidden_numbers(hidden):
    """The first number of each hidden input and answer that has several, as a careless message would tell it."""
    kinds = ("input", "value")
    several = [array for key, array in hidden.tensors.items() if key.split("/")[1] in kinds and array.size > 3]
    texts = {f"{abs(float(array.ravel()[0])):.4g}" for array in several if array.dtype.kind == "f"}
    return [text for text in texts if len(text) > 5]


def test_stages_apart_end_like_one_grade(box, rubric, public, hidden, tmp_path):
    """Through files in between, as when a killed run goes on."""
    store = Store(tmp_path, Kept)
    sets = {"public": public, "hidden": hidden}
    patch = next(patch for patch in load_all() if patch.id == "alpha_bar_one_step_back")
    folder = box.stage(patch.files)
    entries = [rubric.checks[id] for id in checks.CHECKS]
    submission, found = read(folder), Found()
    for stage in (stage for stage in checks.STAGES if stage.parts == checks.EXACT):
        run(found, box, rubric, submission, sets, stage, entries)
        store.put("ada", Kept({"seed": "a seed"}, "ada", [], found=found))
        found = store.get("ada").found
    apart = conclude(found, rubric, submission.name, submission.notes, hidden.metadata["seed"])
    whole = grade_whole(folder, box, rubric, public, hidden, checks.EXACT)
    assert any(check.mistake for check in whole.checks) and any(check.evidence for check in whole.checks)
    first, second = (comparable(gradescope.render(made, rubric)) for made in (apart, whole))
    first["extra_data"].pop("runs"), second["extra_data"].pop("runs")  # one process per stage
    assert json.dumps(first) == json.dumps(second)  # 5 is no 5.0
    for one, other in zip(apart.checks, whole.checks, strict=True):
        assert repr(one.evidence) == repr(other.evidence)


def test_evidence_of_every_kind_comes_back_as_it_was(tmp_path):
    store = Store(tmp_path, Kept)
    arrays = [np.float64(0.125), np.array([1.0, np.nan, -np.inf]), np.zeros((2, 1, 3, 3)), np.array(1 / 3)]
    for got in arrays:
        shown = Evidence("x", "t = 1", got, got, [("t = 1", False)])
        result = CheckResult("a.b", "a", "A title", 5, "wrong", evidence=shown)
        store.put("ada", Kept({}, "ada", [], found=Found({"a.b": result})))
        back = store.get("ada").found.results["a.b"].evidence
        np.testing.assert_array_equal(back.got, got)
        assert (back.got.shape, back.cases) == (got.shape, [("t = 1", False)])


def test_time_that_ran_out_in_an_earlier_stage_is_told_as_such(box, rubric, public):
    found = Found(imported=True, student_seconds=10_000.0)
    training, entries = checks.Stage("public", ("training",)), list(rubric.checks.values())
    run(found, box, rubric, read(ROOT / "solution"), {"public": public}, training, entries)
    assert {check.verdict for check in found.results.values()} == {BLOCKED}
    assert all("took 200 s" in check.message for check in found.results.values()) and found.stopper is None


# ----- handing out ---------------------------------------------------------------------------------------------------


class Pools:
    """Two executors that run nothing: `ends` is called with each stage, and says what comes of it."""

    def __init__(self, ends):
        self.ends, self.running, self.most, self.renewed = ends, {False: 0, True: 0}, {False: 0, True: 0}, 0

    def executor(self, gpu=False, width=None):
        return Executor(self, gpu)

    def width(self):
        return 3

    def renew(self, spoiled):
        self.renewed += 1


class Executor(ThreadPoolExecutor):
    def __init__(self, pools, gpu):
        super().__init__(1)
        self.pools, self.gpu = pools, gpu

    def submit(self, stage, *job):
        self.pools.running[self.gpu] += 1
        self.pools.most[self.gpu] = max(self.pools.most[self.gpu], self.pools.running[self.gpu])
        return super().submit(self.end, job)

    def end(self, job):
        _, path, _, stage, found, gpu = job
        time.sleep(0.002)
        self.pools.running[self.gpu] -= 1
        outcome = self.pools.ends(path.name, stage, self.gpu)
        if outcome:
            raise outcome
        return found


@pytest.fixture
def hand_out(tmp_path):
    """hand_out(ends, gpu) -> (Pools, {student: Kept}) of a run over six students."""

    def hand_out(ends, gpu=False):
        handed_in = []
        for n in range(6):
            hand_in(tmp_path / "subs" / f"s{n}", reference())
            handed_in.append(HandedIn(f"s{n}", tmp_path / "subs" / f"s{n}"))
        pools, store = Pools(ends), Store(tmp_path / "kept", Kept)
        run = Run(Conditions("kit", "points", "seed", gpu), pools, store, tuple(checks.PARTS), 2)
        return pools, {kept.name: kept for kept in run.each(handed_in)}

    return hand_out


def test_training_on_a_gpu_has_a_queue_of_its_own(hand_out):
    stages = []
    pools, done = hand_out(lambda *job: stages.append(job), gpu=True)
    whole = [stage.name for stage in checks.STAGES if stage.parts != ("smoke",)]
    assert all(kept.done == whole for kept in done.values()) and len(done) == 6
    assert {gpu for _, stage, gpu in stages if stage.parts == ("training",)} == {True}
    assert {gpu for _, stage, gpu in stages if stage.parts != ("training",)} == {False}
    assert pools.most[True] <= 2 and pools.most[False] <= 3


def test_what_breaks_costs_one_student_and_not_the_class(hand_out):
    left = {"s1": 2, "s2": 9}  # how often the worker of a student is killed

    def ends(student, stage, gpu):
        if left.get(student, 0):
            left[student] -= 1
            return BrokenProcessPool("a worker was killed")
        return OSError("no space left on device") if student == "s3" and "infer" in stage.parts else None

    pools, done = hand_out(ends)
    assert {name: kept.failed for name, kept in done.items() if kept.failed} == {
        "s2": "a worker process ended 3 times while grading this",
        "s3": "OSError: no space left on device",
    }
    whole = [stage.name for stage in checks.STAGES if stage.parts != ("smoke",)]
    assert all(kept.done == whole for name, kept in done.items() if name not in ("s2", "s3"))
    assert pools.renewed == 5


def test_a_fault_of_the_host_stops_the_run(hand_out):
    with pytest.raises(TooWeak, match="tier E"):
        hand_out(lambda *job: TooWeak("tier E"))


# ----- the staff page -----------------------------------------------------------------------------------------------

# What a person does with the page, and what then stands in it.
CLICKS = """
const cell = (n) => Array.from(body.rows).filter((row) => !row.hidden).map((row) => row.cells[n].textContent);
const seen = { rows: body.rows.length, count: count.textContent, loaded: performance.now() };
const [name, total] = table.tHead.rows[0].querySelectorAll("button");
let before = performance.now();
total.click();
seen.up = cell(1);
total.click();
seen.down = cell(1);
seen.sorting = performance.now() - before;
name.click();
seen.names = cell(0);
before = performance.now();
input.value = "SCHEDULE.linear:wrong linear_evenly_spaced_roots";
input.dispatchEvent(new Event("input"));
seen.filtering = performance.now() - before;
seen.filtered = cell(0);
document.querySelector("#mistakes [data-filter]").click();
seen.most = count.textContent;
input.value = "<b>";
filter();
seen.markup = cell(0);
document.body.innerHTML = "";
document.title = JSON.stringify(seen);
"""
COMMON = "schedule.linear", "linear_evenly_spaced_roots"


def synthetic(number):
    """Rows of a class: one in three with all points, the others with some of the catalogue's mistakes."""
    rng, rubric, known = random.Random(1), Rubric.load(), load_all()
    rows = []
    for n in range(number):
        verdicts, mistakes = dict.fromkeys(rubric.checks, "passed"), {}
        for patch in rng.choices(known, [1 / (k + 1) for k in range(len(known))], k=n % 3):
            lost = [id for id in patch.loses if id in rubric.checks]
            verdicts |= dict.fromkeys(lost, "wrong")
            mistakes |= dict.fromkeys(lost, patch.id)
        if n % 50 == 7:
            verdicts = dict.fromkeys(rubric.checks, "blocked")
        parts = dict.fromkeys(rubric.parts, 0)
        for id, verdict in verdicts.items():
            parts[id.split(".")[0]] += rubric.checks[id].points * (verdict == "passed")
        odd = n % 100 == 3
        row = publishing.Row(
            student=f"student{n:04d}", points=None if odd else sum(parts.values()), max_points=100, parts=parts,
            verdicts=verdicts, mistakes=mistakes, by_hand={}, complete=True,
            why="ddim.eta: the grader failed" if odd else "", notes=["<b>not bold</b>"] if n == 5 else [],
            denied=["socket"] if n % 97 == 0 else [], endings={}, seconds=100.0 if n % 90 == 1 else rng.uniform(8, 20),
            made_with={"kit_version": "0.1.0", "device": "cpu", "box_tier": "A"},
        )  # fmt: skip
        if n % 50 == 9:
            row = replace(row, points=0, why="nothing was handed in", verdicts=dict.fromkeys(verdicts, "blocked"))
        rows.append(row)
    return rows


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
def test_the_staff_page_sorts_and_filters_in_a_real_browser(tmp_path):
    rows = synthetic(200)
    text = page.render(rows, Rubric.load(), outdated={"student0001"})
    assert "http" not in text  # nothing from the network
    shown = tmp_path / "index.html"
    shown.write_text(text.replace("</script></body>", f"{CLICKS}</script></body>"), encoding="utf-8")
    seen = browse(shown)
    assert (seen["rows"], seen["count"]) == (200, "200 of 200")
    points = sorted(row.points for row in rows if row.points is not None)
    assert seen["up"] == [f"{number:g}" for number in points] + [""] * 2  # those without a score last
    assert seen["down"] == [f"{number:g}" for number in reversed(points)] + [""] * 2
    assert seen["names"] == [row.student for row in rows]
    lost, mistake = COMMON
    who = [row.student for row in rows if row.verdicts[lost] == "wrong" and mistake in row.mistakes.values()]
    assert seen["filtered"] == who != []
    made = Counter(id for row in rows for id in set(row.mistakes.values()))
    assert seen["most"] == f"{made.most_common(1)[0][1]} of 200"
    assert seen["markup"] == ["student0005"]


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
def test_the_staff_page_fits_a_phone(tmp_path):
    """Nothing sticks out to the side, also with long names, grades, and words that nothing breaks."""
    rows = [replace(row, notes=["x" * 200], why="w" * 200) for row in synthetic(12)]
    people = [Person(row.student, "Maximiliane Charlotte", "van der Berg-Featherstonehaugh") for row in rows]
    made = {row.student: Grade(row.student, dict.fromkeys(row.parts, 1.0) | {"report": 17.25}, 12.5, 3) for row in rows}
    listed = ClassList([HandedIn(row.student, tmp_path) for row in rows])
    listed.unread = {"y" * 200: "z" * 200}
    text = page.render(rows, Rubric.load(), {"student0001"}, listed, Roster(people), made)
    measure = "<script>document.title = JSON.stringify([innerWidth, document.documentElement.scrollWidth])</script>"
    (tmp_path / "index.html").write_text(text.replace("</body>", f"{measure}</body>"), encoding="utf-8")
    width, needed = browse(tmp_path / "index.html", "--window-size=500,900")
    assert needed <= width == 500


class Elements(HTMLParser):
    """The elements of a page, and the text between them."""

    def __init__(self, text):
        super().__init__()
        self.names, self.attributes, self.texts = Counter(), [], []
        self.feed(text)

    def handle_starttag(self, name, attributes):
        self.names[name] += 1
        self.attributes += [value for _, value in attributes]

    def handle_data(self, text):
        self.texts.append(text)


@pytest.mark.parametrize(
    "hostile",
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</td></table>&amp;", "{{ 7 * 7 }}{% raw %}"],
)
def test_nothing_from_a_submission_is_markup_on_the_staff_page(hostile):
    def rendered(text):
        rows = [replace(row, student=f"{text} {n}", why=text, notes=[text]) for n, row in enumerate(synthetic(6))]
        by_hand, ends = {"ddim.eta": text}, {text: 1}
        rows = [
            replace(row, by_hand=by_hand, denied=[text], endings=ends, made_with={"box_tier": text}) for row in rows
        ]
        listed = ClassList([HandedIn(text, waits=text)])
        listed.strangers, listed.unread, listed.doubts = {text: text}, {text: text}, {text: text}
        return Elements(page.render(rows, Rubric.load(), {row.student for row in rows}, listed))

    plain, odd = rendered("plain"), rendered(hostile)
    assert odd.names == plain.names and len(odd.attributes) == len(plain.attributes)
    assert [text.replace(hostile, "plain") for text in odd.texts] == plain.texts
    assert f"results/{quote(hostile, safe='')}%200/report.html" in odd.attributes


def browse(path, *options):
    """The title that the page has given itself in the end, as JSON."""
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", *options, "--dump-dom", path.as_uri()]
    dumped = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    return json.loads(html.unescape(re.search("<title>(.*?)</title>", dumped)[1]))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[override]]\nstudent = 'a'\n", "override 1: it needs check, points, reason, student, and nothing else"),
        (OVERRIDE.format("ddim.zeta", 1, "x"), "there is no check 'ddim.zeta'"),
        (OVERRIDE.format("ddim.eta", 6, "x"), "points must be a number from 0 to 5"),
        (OVERRIDE.format("ddim.eta", 5, " "), "will want to know the reason"),
        (2 * OVERRIDE.format("ddim.eta", 5, "x"), "override 2: ddim.eta of ada stands there twice"),
        (OVERRIDE.format("ddim.eta", 5, "x").replace("'ada'", "12345"), "override 1: student and check are texts"),
        ("[[override]", "cannot be read"),
    ],
)
def test_an_override_that_makes_no_sense_is_one_line(tmp_path, rubric, text, told):
    (tmp_path / "overrides.toml").write_text(text, encoding="utf-8")
    with pytest.raises(Stop, match=re.escape(told)):
        publishing.overrides(tmp_path / "overrides.toml", rubric)


def test_wrong_usage_is_one_line(tmp_path, monkeypatch, capsys):
    for arguments, told in (
        (["grade", "--class", tmp_path], "Nothing was collected in"),
        (["regrade", "--class", tmp_path], "Nothing was collected in"),
        (["grade", tmp_path / "nowhere", "--class", tmp_path], "There is no"),
        (["grade", tmp_path, "--roster", tmp_path / "none.csv", "--class", tmp_path], "cannot be read"),
    ):
        assert command.main([str(argument) for argument in arguments]) == 2
        said = capsys.readouterr().err
        assert told in said and len(said.splitlines()) == 1
    few(tmp_path)
    monkeypatch.setattr(session, "HIDDEN", tmp_path / "none")
    assert command.main(["grade", str(tmp_path / "subs"), "--class", str(tmp_path / "class")]) == 3
    assert "`make record` writes it anew" in capsys.readouterr().err


def test_who_could_not_be_graded_has_no_points_until_somebody_gives_them(shipped):
    results = {id: CheckResult(id, e.part, e.title, e.points, PASSED) for id, e in shipped.checks.items()}
    results["ddim.eta"].verdict = "ungraded"
    depends = {"seed": "a seed"}
    kept = Kept(depends, "ada", [], found=Found(results))
    assert kept.broken
    by_hand = {"ddim.eta": (2.0, "read by a person")}
    for given, points in (({}, None), (by_hand, 97.0)):
        made = publishing.record(kept, shipped, given)
        assert publishing.row(kept, made, given).points == points
        assert ("score" in json.loads(gradescope.render(made, shipped))) == (points is not None)
    lost = Kept({}, "ada", [], failed="a worker process ended 3 times while grading this")
    assert lost.broken and publishing.row(lost, publishing.record(lost, shipped, {}), {}).points is None


def test_a_damaged_file_is_graded_again(tmp_path):
    store = Store(tmp_path, Kept)
    store.put("ada", Kept({"kit": "1"}, "ada", ["a note"]))
    assert store.get("ada").notes == ["a note"]
    for text in ("", "{", "[]", '{"depends": {}}', (tmp_path / "ada.json").read_text()[:50]):
        (tmp_path / "ada.json").write_text(text, encoding="utf-8")
        assert store.get("ada") is None


# ----- slow ---------------------------------------------------------------------------------------------------------


def class_of(size, folder, mix):
    """Hand in for `size` students, by turns from {name: files}. Returns the folder."""
    names = list(mix)
    for n in range(size):
        hand_in(folder / f"student{n:04d}", mix[names[n % len(names)]])
    return folder


def mixed(*broken):
    """Right, mistaken and broken submissions, one in seven each as often as the others."""
    ends = {
        path.name: {f.name: f.read_bytes() for f in path.glob("*.py")} for path in (SUBMISSIONS / "accepted").glob("*")
    }
    wrong = {patch.id: patch.files for patch in load_all()[::7]}
    wrong |= {name: source(BROKEN[name]) for name in broken}
    several = [*ends.items(), *wrong.items()]
    random.Random(0).shuffle(several)
    return dict(several)


def written(store):
    """What stands in a store, and since when."""
    return {(path.name, path.stat().st_mtime_ns) for path in store.folder.glob("*.json")}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("size", "steps", "parts"), [(50, 4, ["--exact"]), (4, 1, [])])
def test_killed_twenty_times_it_ends_as_if_undisturbed(hidden_file, tmp_path, size, steps, parts):
    """Each time at a random moment of starting, or some steps forward, so that the kills are spread over the run."""
    mix = mixed("sys_exit", "segfault", "print_flood", "infer_constant")
    if size < len(mix):  # all parts: one that is right, one that is wrong, one whose infer.py is, one that ends at once
        mix = {
            name: mix[name]
            for name in ("closures", next(n for n in mix if "add_noise" in n), "infer_constant", "sys_exit")
        }
    subs = class_of(size, tmp_path / "subs", mix)
    moments, whole = random.Random(), {}
    arguments = ("grade", subs, *parts, "--class")
    store, wanted = Store(tmp_path / "killed" / "kept", Kept), checks.EXACT if parts else tuple(checks.PARTS)
    for kill in range(20):
        process = start(hidden_file, *arguments, tmp_path / "killed")
        before, forward = written(store), moments.randint(0, steps)
        while forward and process.poll() is None and len(written(store) - before) < forward:
            time.sleep(0.02)
        time.sleep(moments.uniform(0, 1 if forward else 4))
        with contextlib.suppress(ProcessLookupError):  # it was through
            os.killpg(process.pid, signal.SIGKILL)
        finish(process)
        for path in store.folder.glob("*.json"):
            if not store.get(path.stem).missing(wanted):
                whole.setdefault(path, path.stat().st_mtime_ns)
        print(f"kill {kill + 1}: {len(whole)} of {size} done")
    done = finish(start(hidden_file, *arguments, tmp_path / "killed"))
    assert done.returncode == 0, done.out
    done = finish(start(hidden_file, *arguments, tmp_path / "undisturbed"))
    assert done.returncode == 0, done.out
    assert all(path.stat().st_mtime_ns == before for path, before in whole.items())  # none was graded twice
    same_grades(tmp_path / "killed", tmp_path / "undisturbed", size)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_cluster_of_real_workers_one_killed_and_one_slow_ends_like_this_machine(hidden_file, tmp_path):
    pytest.importorskip("distributed")
    subs = class_of(30, tmp_path / "subs", mixed("sys_exit", "segfault"))
    file = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    started = [subprocess.Popen([*map(str, command), "--no-dashboard", "--scheduler-file", file])]
    try:
        while not file.exists():
            time.sleep(0.1)
        address = json.loads(file.read_text(encoding="utf-8"))["address"]
        for environment in ({}, {}, {"SLOW": "2"}):
            worker = [sys.executable, Path(__file__).with_name("classroom.py"), "worker", address]
            paths = {"HIDDEN_OF_THE_TEST": str(hidden_file), "PYTHONPATH": str(ROOT)}
            started.append(subprocess.Popen(worker, env={**os.environ, **paths, **environment}))
        process = start(hidden_file, "grade", subs, "--exact", "--cluster", address, "--class", tmp_path / "cluster")
        store = Store(tmp_path / "cluster" / "kept", Kept)
        while process.poll() is None and len(written(store)) < 10:
            time.sleep(0.05)
        assert len(written(store)) < 30
        started[1].kill()
        done = finish(process)
        assert done.returncode == 0, done.out
    finally:
        for each in started:
            each.kill()
            each.wait()
    done = finish(start(hidden_file, "grade", subs, "--exact", "--class", tmp_path / "local"))
    assert done.returncode == 0, done.out
    same_grades(tmp_path / "cluster", tmp_path / "local", 30)


def same_grades(one, other, size):
    """The same table byte for byte, and the same results apart from times."""
    assert (one / "grades.csv").read_bytes() == (other / "grades.csv").read_bytes()
    results = sorted(path.relative_to(other) for path in other.glob("results/*/results.json"))
    assert len(results) == size
    for path in results:
        assert comparable((one / path).read_text("utf-8")) == comparable((other / path).read_text("utf-8")), path


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_a_thousand_students_leave_memory_flat(hidden_file, tmp_path):
    subs = class_of(1000, tmp_path / "subs", mixed("sys_exit", "segfault", "print_flood"))
    process = start(hidden_file, "grade", subs, "--exact", "--class", tmp_path / "class")
    seen, store = {}, Store(tmp_path / "class" / "kept", Kept)
    while process.poll() is None:
        seen[len(written(store))] = held(process.pid)
        time.sleep(0.5)
    assert finish(process).returncode == 0, process.out
    assert len(list(csv.DictReader((tmp_path / "class" / "grades.csv").read_text().splitlines()))) == 1000
    moments = [next(done for done in sorted(seen) if done >= number) for number in (150, 950)]
    early, late = (seen[done] for done in moments)
    print(f"MB of the run and its workers, after {moments}: {early}, {late}")
    assert len(early) == len(late) > 1
    for before, after in zip(early, late, strict=True):
        assert after < before + 30


def held(pid):
    """MB of memory that a run and each of its workers take now."""
    pids = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    sizes = [
        int(Path(f"/proc/{each}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6 for each in pids
    ]
    return [round(size) for size in sizes]


@pytest.mark.slow
def test_what_the_other_graders_of_the_benchmark_run_works():
    # A clone has no hidden cases.
    public = "unboxed.expectations = lambda: 2 * [unboxed.Expectations.load(unboxed.PUBLIC)]"
    code = f"from solution.scheduler import *\n{SETUP}\n{public}\nrun('schedule.linear', student_of(globals()))"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
