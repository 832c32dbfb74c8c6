"""Courses that ask for other things: what is off is gone, what is left runs, and the numbers are those of the rubric.

The settings of SETTINGS are built and graded here as far as that is cheap; the slow test does all that an
instructor does, in a clone: make course, commit, make course again.
"""

import ast
import io
import json
import os
import random
import re
import struct
import subprocess
import sys
import zipfile

import nbformat
import numpy as np
import pytest
import torch
from courses import MORE, SETTINGS, course_of, rubric_text

from autograder import checks
from autograder.expectations import Expectations
from autograder.grading import grade as grade_submission
from autograder.instructor.authoring import datasets, handout_numbers, handout_page, skeleton
from autograder.instructor.authoring.course import EDITIONS, NOTEBOOK, Course
from autograder.instructor.authoring.recording import file_of, record
from autograder.instructor.authoring.regions import resolve
from autograder.instructor.release import bundles, leaks
from autograder.instructor.release.leaks import Bundle, NotProven
from autograder.paths import ROOT
from autograder.rubric import Rubric

TOTALS = {"all": 100, "without v": 85, "without infer": 88, "without parts 6 to 8": 88, "Fashion-MNIST": 98}
TOTALS["part 8"] = 100
BONUS = 15  # of part 8
# Words that only what is off would say, in what students read.
WORDS = {
    "ddim": r"ddim|\\eta|--eta|\bpart 4\b|\b4\.[12]\b",
    "v_prediction": r"v_prediction|v-prediction|velocity|\b2\.3\b",
    "training": r"train\.py|make train|\bpart 5\b|\b5\.[123]\b|TODO 5",
    "infer": r"infer\.py|\bpart 6\b|\b6\.[123]\b|TODO 6|evaluate\.py",
    "report": r"report\.ipynb|make study|study\.py|\bpart 7\b|\b7\.[123]\b",
    "flow": r"flow match|flowmatch|rectified|(type|scheduler) flow|\b8\.1\b",
    "guidance": r"guidance|\bguided\b|--labels?\b|\b8\.2\b",
    "editing": r"inpaint|\b8\.3\b",
    "contest": r"\bcontest\b",
}
CHINESE = {
    "ddim": "第 4 部分",
    "v_prediction": "v 预测",
    "training": "第 5 部分",
    "infer": "第 6 部分",
    "report": "第 7 部分|实验报告",
    "flow": "流匹配|欧拉",
    "guidance": "引导",
    "editing": "修补",
    "contest": "竞赛",
}
# What a course gives: in a heading, in all, as a bonus, by hand; all questions of the report, and one.
NUMBERS = {
    "en": (r"^## \d+ .* \((\d+) points\)$", "give {} points", ", and a bonus of {} comes on top",
           "({} points, by hand)", "questions give {} points", r"\((\d+) points?\)\.\*\*"),
    "zh": (r"^## \d+ .*（(\d+) 分）$", "部分共 {} 分", "，另有 {} 分加分", "（{} 分，人工评阅）",
           "全部问题共 {} 分", r"（(\d+) 分）。\*\*"),
}  # fmt: skip
HONEST = re.compile(r"Diffusion Model Study|#the-loss-from-the-bound|figsize|AMD EPYC")  # what only looks so


def small_set(folder, seed=0, train=256, test=140):
    """A data set of random images in torchvision's layout, tiny."""
    rng = np.random.default_rng(seed)
    for split, number in (("train", train), ("t10k", test)):
        images = rng.integers(0, 256, (number, 28, 28), np.uint8)
        labels = np.arange(number, dtype=np.uint8) % 10
        images[np.arange(number), labels, :] = 255  # a class is a white row
        for name, array in ((f"{split}-images-idx3-ubyte", images), (f"{split}-labels-idx1-ubyte", labels)):
            header = struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape)
            path = folder / "raw" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(header + array.tobytes())


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A repository with the solution of this one, and with two other data sets."""
    root = tmp_path_factory.mktemp("repository")
    (root / "solution").mkdir()
    for path in (ROOT / "solution").iterdir():
        (root / "solution" / path.name).symlink_to(path)
    small_set(root / "data" / "FashionMNIST")
    small_set(root / "data" / "KMNIST", seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "FEWEST", 128)
        for data in ("fashion", "data/KMNIST"):
            said = datasets.make(Course(Rubric.read(rubric_text(data=data)), root))
            assert "256 training images" in said
    return root


@pytest.fixture(scope="module")
def made(root, box):
    """made(name, lang) -> (course, the student bundle, the files that it is made of), each made once."""
    files, known = {}, {}
    public = Expectations.read((ROOT / bundles.RECORDED).read_bytes())

    def make(name, lang="en"):
        if name not in files:
            files[name] = files_of(name)
        if (name, lang) not in known:
            course = course_of(name, root, lang)
            bundle = bundles.student(files[name], course)
            known[name, lang] = course, {path.partition("/")[2]: data for path, data in bundle.items()}
        return *known[name, lang], files[name]

    def files_of(name):
        course, text = course_of(name, root), rubric_text(**{**SETTINGS, **MORE}[name])
        recorded = public
        if course.rubric.asks != Rubric.load().asks:
            whole = Rubric.read(text, whole=True)
            exact = [id for id in whole.checks if id.split(".")[0] in checks.EXACT]
            recorded = record(box, whole, "public", only=exact)
        files = {path: data for path, data in bundles.tracked().items() if not path.startswith("assignment/")}
        files |= {f"assignment/{path}": data for path, data in skeleton.in_every_language(course).items()}
        files |= {bundles.RUBRIC: text.encode(), bundles.RECORDED: file_of(recorded)}
        for edition in map(course.edition, EDITIONS):
            page = handout_page.joined(edition, files)
            made_from = handout_page.sources(page, ROOT, edition.lang)
            files[edition.named("handout.html")] = f"{made_from}\n{page}".encode()  # rendering it takes seconds
        return files

    return make


# ----- the markers ----------------------------------------------------------------------------------------------------


def nested(rng, depth=0):
    """(a text with regions, what it is where {a: True, b: False}) of random nesting, in both forms."""
    text, kept = "", ""
    for n in range(rng.randint(1, 3)):
        if depth > 3 or rng.random() < 0.4:
            line = f"line {rng.random()}\n"
            text, kept = text + line, kept + line
            continue
        names, on = rng.choice([("a", True), ("b", False), ("a b", False), ("a|b", True), ("b|a a", True)])
        inner, inside = nested(rng, depth + 1)
        other = f"other {n}" if rng.random() < 0.5 else ""
        if rng.random() < 0.5:
            text += f"  ### IF {names}\n{inner}" + f"  ### ELSE {other} {{T}}\n" * bool(other) + "  ### END IF\n"
            kept += inside if on else f"  {other} 7\n" * bool(other)
        else:
            text += (
                f"<!-- IF {names} -->\n{inner}" + f"<!-- ELSE {other} {{T}} -->\n" * bool(other) + "<!-- END IF -->\n"
            )
            kept += inside if on else f"{other} 7\n" * bool(other)
    return text, kept


@pytest.mark.parametrize("seed", range(40))
def test_regions_lie_in_each_other(seed):
    text, kept = nested(random.Random(seed))
    assert resolve(text, {"a": True, "b": False}, {"T": 7}, "x") == kept


def test_regions_within_a_line():
    text = "x<!-- IF a -->, y<!-- END IF --> and <!-- IF b -->z<!-- ELSE {T} --><!-- END IF -->; <!-- INSTRUCTOR: -->\n"
    assert resolve(text, {"a": True, "b": False}, {"T": 7}, "x") == "x, y and 7; <!-- INSTRUCTOR: -->\n"
    assert resolve(text, {"a": False, "b": True}, {}, "x") == "x and z; <!-- INSTRUCTOR: -->\n"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("### IF c\n### END IF\n", "one of a, b belongs after IF"),
        ("### IF\n### END IF\n", "one of a, b belongs after IF"),
        ("### IF a\nx\n", "has no END IF"),
        ("x\n### END IF\n", "nothing is open here"),
        ("### ELSE x\n", "nothing is open here"),
        ("### IF a\n### ELSE y\nx\n### END IF\n", "ELSE comes last"),
        ("## IF a\nx\n", "looks like a marker"),
        ("### IF a\nx\n### ENDIF\n### END IF\n", ""),
        ("<!--IF a-->x<!-- END IF -->\n", "nothing is open here"),
    ],
)
def test_markers_that_are_not_well_formed_are_refused(broken, why):
    if broken.startswith("### IF a\nx\n### ENDIF"):
        assert "ENDIF" in resolve(broken, {"a": True, "b": False}, {}, "x")  # a comment like any other
        return
    with pytest.raises(ValueError, match=why):
        resolve(broken, {"a": True, "b": False}, {}, "x")


# ----- what comes out -------------------------------------------------------------------------------------------------


def test_the_handout_says_what_the_rubric_says():
    """Its tables and totals are filled in when it is made; but they stand in it, too, for who reads it on the web."""
    course, recorded = Course(Rubric.load()), (ROOT / bundles.RECORDED).read_bytes()
    text = (ROOT / "handout.md").read_text(encoding="utf-8")
    assert course.handout(text, recorded) == course.text(text, "handout.md")
    whole = handout_page.joined(Course.whole())
    assert resolve(whole, {}, {}, "x") == whole  # no marker is left


@pytest.mark.parametrize("name", [*SETTINGS, *MORE])
def test_programs_of_every_course_are_whole(name, root, tmp_path):
    """No name that is missing, no import that nobody needs, and notebooks that are notebooks."""
    course = course_of(name, root)
    files = skeleton.generate(course)
    files |= {f"reference_{path}": data for path, data in bundles.reference(bundles.tracked(), course).items()}
    for path, data in files.items():
        if path.endswith(".py"):
            ast.parse(data)
            (tmp_path / path).write_bytes(data)
    if NOTEBOOK in files:
        nbformat.validate(nbformat.reads(files[NOTEBOOK].decode(), 4))
        (tmp_path / NOTEBOOK).write_bytes(files[NOTEBOOK])
    (tmp_path / "infer.py").unlink(missing_ok=True)  # its docstring and a TODO
    command = (sys.executable, "-m", "ruff", "check", "--isolated", "--output-format=concise", "--select=F")
    found = subprocess.run([*command, "--ignore=F841", tmp_path], capture_output=True)
    lines = [line for line in found.stdout.decode().splitlines() if ".py:" in line or ".ipynb:" in line]
    # What a TODO needs is imported for it.
    assert not [line for line in lines if "scheduler.py" not in line or "F401" not in line], lines


@pytest.mark.parametrize("lang", EDITIONS)
@pytest.mark.parametrize("name", [*SETTINGS, *MORE])
def test_pages_of_every_course_are_markdown(name, lang, root):
    """Quotations and tables end where they should, rows have as many cells as their head, formulas are closed."""
    course, files = course_of(name, root, lang), bundles.tracked()
    texts = handout_page.texts(course, files)
    texts["STUDENTS.md"] = course.text(course.source("STUDENTS.md", files).decode(), "STUDENTS.md")
    for text in texts.values():
        assert text.count("```") % 2 == 0 and "{" + "name}" not in text and "{shipped}" not in text
        prose = re.sub(r"(?s)```.*?```", "", text)
        assert not re.search(r"^>.*\n(?!>|\n)", prose, re.MULTILINE)
        assert not re.search(r"[^\n]\n#+ |^#+ .*\n[^\n]", prose, re.MULTILINE)
        assert not re.search(r"[^\n|]\n\||^\|.*[^|\n]\n|^\|.*\|\n[^|\n]", prose, re.MULTILINE)
        for table in re.findall(r"(?m)(?:^\|.*\n)+", prose):
            rows = [re.sub(r"\$[^$]*\$|`[^`]*`", "x", row) for row in table.splitlines()]
            assert len({row.count("|") for row in rows}) == 1, rows
        assert all(line.count("$") % 2 == 0 for line in prose.splitlines())
        words = re.sub(r"(?s)\$\$.*?\$\$|\$[^$\n]*\$|^    [^\n]*$", "x", prose, flags=re.MULTILINE)
        assert not re.search(r"[^ |`\n]  +[^ |#`]| [.,;:](?= |$)", words, re.MULTILINE)  # no blank is left over


@pytest.mark.parametrize("lang", EDITIONS)
@pytest.mark.parametrize("name", [*SETTINGS, "without ddim", "parts 1 to 3", "part 8", "flow alone"])
def test_no_word_of_what_is_off(name, lang, made):
    course, student, _ = made(name, lang)
    for part, words in WORDS.items():
        words = f"{words}|{CHINESE[part]}"
        there = [
            (path, found[0])
            for path, data in student.items()
            for line in (data.decode().splitlines() if seen(path) else ())
            if not HONEST.search(line)
            for found in re.finditer(words, line, re.IGNORECASE)
        ]
        assert bool(there) == course.on[part], (part, there[:5])


@pytest.mark.parametrize(
    ("name", "lang"), [*((name, "en") for name in ("part 8", "all", "without v", "parts 1 to 3")), ("all", "zh")]
)
def test_the_release_proves_that_what_is_off_is_gone(name, lang, made):
    course, student, files = made(name, lang)
    off = leaks.off(files, course, files[bundles.RUBRIC].decode())
    if name == "part 8":  # all there is
        assert not off
        return
    bundle = Bundle("x", {f"x/{path}": data for path, data in student.items() if not path.startswith("figures/")})
    assert leaks.nothing_that_is_off_is_in_it(bundle, off)
    assert leaks.no_line_of_an_answer_is_in_it(bundle, leaks.answers(bundles.tracked()))
    for line in (max(off, key=len), next(line for line in off if "流 匹 配" in line)):
        with pytest.raises(NotProven, match="a part that is off"):
            leaks.nothing_that_is_off_is_in_it(Bundle("x", {"x/notes.txt": line.encode()}), off)


def seen(path):
    """Whether it is a text that students read: not the autograder's programs and limits, which serve every course."""
    return (
        path.endswith((".md", ".py", ".ipynb", ".html")) and not path.startswith("autograder/")
    ) or path == "Makefile"


@pytest.mark.parametrize("lang", EDITIONS)
@pytest.mark.parametrize("name", TOTALS)
def test_numbers_are_those_of_the_rubric(name, lang, made):
    course, student, _ = made(name, lang)
    heading, total, bonus, by_hand, everything, question = NUMBERS[lang]
    rubric, text = Rubric.read(student[bundles.RUBRIC].decode()), student["handout.md"].decode()
    assert rubric.checks == course.rubric.checks and rubric.total == course.rubric.total == TOTALS[name]
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| .+? \| (\S+) \| \S+ \|$", text, re.MULTILINE)
    assert dict(rows) == {id: f"{entry.points:g}" for id, entry in rubric.checks.items()}
    more = bonus.format(BONUS) if name == "part 8" else ""
    assert sum(map(int, re.findall(heading, text, re.MULTILINE))) == TOTALS[name]
    assert re.search(rf"{total.format(TOTALS[name])}{more}[.。]\*\*", text)
    anchors = {handout_numbers.anchor(line) for line in re.findall(r"^##+ .*$", text, re.MULTILINE)}
    page = handout_page.both(text, student["background.md"].decode())
    anchors |= {handout_numbers.anchor(line) for line in re.findall(r"^##+ .*$", page, re.MULTILINE)}
    assert set(re.findall(r"\]\(#(.*?)\)", page)) <= anchors
    known = student[bundles.MISTAKES].decode()
    sections = {entry.section for entry in rubric.checks.values()}
    if "2.3" not in sections:
        assert 'section = "2.3"' not in known
    assert (bundles.REPORT in student) == course.on["report"]
    if bundles.REPORT in student:
        cells = nbformat.reads(student[bundles.REPORT].decode(), 4).cells
        given = [cell.metadata.nbgrader.points for cell in cells if cell.metadata.get("nbgrader", {}).get("solution")]
        said = sum(map(int, re.findall(question, student[bundles.REPORT].decode())))
        assert sum(given) == said == sum(course.report.values())
        assert by_hand.format(said) in text and everything.format(said) in cells[0].source


@pytest.mark.parametrize("name", ["without v", "without infer", "without ddim", "flow alone"])
def test_the_reference_gets_all_and_the_starter_nothing(name, made, box, tmp_path):
    """Of the exact parts; the slow test has them all."""
    course, student, files = made(name)
    recorded = Expectations.read(student[bundles.RECORDED])
    reference = bundles.reference(files, course)["scheduler.py"]
    for number, (text, share) in enumerate(((reference, 1), (student["assignment/scheduler.py"], 0))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "scheduler.py").write_bytes(text)
        found = grade_submission(folder, box, course.rubric, recorded, only=checks.EXACT)
        assert {check.id for check in found.checks} == {
            id for id, entry in course.rubric.checks.items() if entry.part in checks.EXACT
        }
        assert found.points == share * found.max_points > -1, [c.id for c in found.checks if c.message]


# ----- another data set -----------------------------------------------------------------------------------------------


def test_another_data_set(root):
    """What ships of it, its judge, and a rule of its own for what is read: the instructor's files."""
    course = course_of("Fashion-MNIST", root)
    files = skeleton.generate(course)
    assert not [name for name in files if name.startswith("checkpoints/")]
    images = np.load(io.BytesIO(files["digits5k.npz"]))["images"]
    assert images.shape == (256, 28, 28) and "FashionMNIST" in files["digits5k.md"].decode()
    module = {"__file__": str(root / "assignment" / "data.py"), "__name__": "data"}
    (root / "assignment").mkdir(exist_ok=True)
    for name in ("digits5k.npz", "test1k.npz", "classifier.safetensors"):
        (root / "assignment" / name).write_bytes(files[name])
    exec(files["data.py"], module)
    loaded, line = module["load"]("auto")
    assert loaded.shape == (256, 1, 28, 28) and "FashionMNIST" in line
    assert module["unseen"](140)[0].shape == (140, 1, 28, 28)
    judge = {"__file__": str(root / "assignment" / "classifier.py"), "__name__": "classifier"}
    exec(files["classifier.py"], judge)
    found = judge["measure"](loaded[:100].float() / 127.5 - 1)
    assert sum(found["digits"]) == 100 and found["frechet"] >= 0
    raw = root / "data" / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    content = raw.read_bytes()
    try:
        raw.write_bytes(content[:-1] + b"\0")
        with pytest.raises(ValueError, match="is not FashionMNIST's file"):
            module["load"]("fashionmnist")
    finally:
        raw.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda raw: (raw / "t10k-labels-idx1-ubyte").unlink(), "t10k-labels"),
        (lambda raw: (raw / "train-images-idx3-ubyte").write_bytes(b"\x1f\x8b" + bytes(90)), "no uncompressed IDX"),
        (lambda raw: (raw / "train-images-idx3-ubyte").write_bytes(b""), "no uncompressed IDX"),
        (lambda raw: (raw / "train-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, 2) + b"\1\2"), r"\(N,\)"),
        (lambda raw: None, "2,560 or more"),
        (lambda raw: raw.rename(raw.parent / "cooked"), "no folder"),
    ],
)
def test_a_data_set_that_is_none_is_one_line(spoil, why, tmp_path):
    small_set(tmp_path / "data" / "OWN", train=130)
    spoil(tmp_path / "data" / "OWN" / "raw")
    course = Course(Rubric.read(rubric_text(data="data/OWN")), tmp_path)
    with pytest.raises((ValueError, OSError), match=why) as error:
        datasets.make(course)
    assert "\n" not in str(error.value)


def test_a_course_without_its_data_is_one_line(tmp_path):
    with pytest.raises(ValueError, match="`make course` makes them"):
        skeleton.generate(Course(Rubric.read(rubric_text(data="fashion")), tmp_path))


# ----- all of it ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", TOTALS)
def test_make_course(name, tmp_path):
    """In a clone, as an instructor does: the bundles come with all proofs, also that the reference, graded in the
    unpacked bundles, gets all points there are, and the starter 0."""
    for path, data in bundles.tracked().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    (tmp_path / bundles.RUBRIC).write_text(rubric_text(**{**SETTINGS, **MORE}[name]))
    if name == "Fashion-MNIST":
        small_set(tmp_path / "data" / "FashionMNIST", train=3000, test=1000)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    identity = {"GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x@example.org"}
    environment |= identity | {key.replace("AUTHOR", "COMMITTER"): value for key, value in identity.items()}

    def run(*command):
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    course = (sys.executable, "-m", "autograder.instructor.release.set_up")
    run("git", "init")
    first = run(*course)
    assert first.returncode == 0 and "No bundles yet" in first.stdout, first.stdout + first.stderr
    run("git", "add", ".")
    run("git", "commit", "-m", "x")
    second = run(*course)
    assert second.returncode == 0 and "proofs hold" in second.stdout, second.stdout + second.stderr
    release = json.loads((tmp_path / "dist" / "RELEASE.json").read_text())
    evidence = {(proof["bundle"], proof["claim"]): proof["evidence"] for proof in release["proofs"]}
    for bundle in (bundles.STUDENT, bundles.GRADESCOPE):
        full = TOTALS[name] + BONUS * (name == "part 8")
        assert f"{full} of {TOTALS[name]} points" in evidence[bundle, "the reference scores full marks"]
        assert f"0 of {TOTALS[name]} points" in evidence[bundle, "the starter scores 0"]
    assert ((bundles.STUDENT, "nothing that is off is in it") in evidence) == (name != "part 8")
    with zipfile.ZipFile(tmp_path / "dist" / bundles.STUDENT) as archive:
        archive.extractall(tmp_path / "student")
    if name == "Fashion-MNIST":
        trained = subprocess.run(
            [sys.executable, "assignment/train.py", "--data", "digits5k", "--steps", "3", "--batch-size", "8"],
            cwd=tmp_path / "student" / bundles.NAME, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert "TODO 1.1" in trained.stderr or "TODO 1.4" in trained.stderr  # it is the student's turn
    assert torch.get_num_threads()
