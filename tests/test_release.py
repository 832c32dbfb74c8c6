"""The bundles: what is in them, that the same files make the same bytes, and that every proof of no leak can fail."""

import base64
import gzip
import io
import json
import py_compile
import re
import stat
import struct
import subprocess
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
import reference
from PIL import Image, PngImagePlugin
from safetensors.numpy import save

from autograder.instructor.authoring import handout_numbers, recording
from autograder.instructor.authoring.course import NOTEBOOK, Course
from autograder.instructor.authoring.skeleton import GIVEN, generate
from autograder.instructor.grades import lateness
from autograder.instructor.release import __main__ as release
from autograder.instructor.release import bundles, leaks, trials
from autograder.instructor.release.bundles import GRADESCOPE, HIDDEN_PATH, NAME, STUDENT, NotReady
from autograder.instructor.release.leaks import Bundle, NotProven
from autograder.intake.handin import zipped
from autograder.paths import ROOT
from autograder.rubric import Rubric

COURSE = Course(Rubric.load())
SEED = "0123456789abcdef" * 2
SECRET = "        direction = (1 - alpha_bar_prev - sigma**2).sqrt()\n"


@pytest.fixture(scope="module")
def files():
    return bundles.tracked()


@pytest.fixture(scope="module")
def contents(files, hidden):
    return bundles.all_of_them(files, recording.file_of(hidden), COURSE)


@pytest.fixture(scope="module")
def student(contents):
    return Bundle(STUDENT, contents[STUDENT])


# ----- what is in them ---------------------------------------------------------------------------------------


def test_students_get_the_layout_of_the_handout(student, contents):
    paths = {path.removeprefix(f"{NAME}/") for path in student.files}
    assert all(path.startswith(f"{NAME}/") for path in student.files)
    top = {path.split("/")[0] for path in paths}
    assert top == {*bundles.AT_THE_TOP, "README.md", "requirements.txt", "assignment", "autograder", "figures"}
    handed_out = {path.removeprefix("assignment/") for path in paths if path.startswith("assignment/")}
    assert handed_out == {*generate(COURSE)}
    assert not [path for path in paths for word in ("instructor", "seed", "hidden", "mistaken") if word in path]
    assert "autograder/expectations/public.safetensors" in paths
    assert leaks.it_is_small_enough(zipped(contents[STUDENT]))


def test_the_chinese_bundle_is_the_english_one_with_other_texts(student, contents):
    """Under the same names, so that no command, rule or link differs; and in its rubric, the language."""
    english, chinese = (
        {path.removeprefix(f"{NAME}/"): data for path, data in contents[name].items()}
        for name in (STUDENT, bundles.STUDENTS["zh"])
    )
    assert english.keys() == chinese.keys()
    texts = {
        "handout.md",
        "handout.html",
        "background.md",
        "README.md",
        "AGENTS.md",
        "assignment/infer.py",
        bundles.REPORT,
    }
    assert {path for path, data in english.items() if chinese[path] != data} == texts | {bundles.RUBRIC}
    assert not [path for path in texts if re.search("[\u4e00-\u9fff]", english[path].decode())]
    assert not [path for path in texts if not re.search("[\u4e00-\u9fff]{4}", chinese[path].decode())]
    assert not [path for path in chinese if ".zh" in path or (path in texts and b".zh." in chinese[path])]
    assert english[bundles.RUBRIC].replace(b'language = "en"', b'language = "zh"') == chinese[bundles.RUBRIC]


def test_links_in_the_chinese_texts_lead_somewhere(contents):
    files = contents[bundles.STUDENTS["zh"]]
    for name in ("handout.md", "background.md", "README.md", "AGENTS.md"):
        for link in re.findall(r"\]\(([^)]*)\)", files[f"{NAME}/{name}"].decode()):
            path, _, section = link.partition("#")
            assert path.startswith("http") or f"{NAME}/{path or name}" in files, link
            if section and not path.startswith("http"):
                lines = re.findall(r"^#+ .*$", files[f"{NAME}/{path or name}"].decode(), re.MULTILINE)
                assert section in map(handout_numbers.anchor, lines), link


def test_a_course_in_chinese_grades_in_chinese(files, hidden):
    """What the rubric says, Gradescope's bundle and the repository of GitHub Classroom have; students choose theirs."""
    text = files[bundles.RUBRIC].decode().replace('language = "en"', 'language = "zh"')
    course = Course(Rubric.load(), lang="zh")
    made = bundles.all_of_them(files | {bundles.RUBRIC: text.encode()}, recording.file_of(hidden), course)
    said = {name: [b'language = "zh"' in content.get(f"{folder}{bundles.RUBRIC}", b"") for folder in ("", f"{NAME}/")]
            for name, content in made.items()}  # fmt: skip
    assert [any(each) for each in said.values()] == [False, True, True, False]
    assert made[GRADESCOPE][bundles.REPORT] == generate(course)[NOTEBOOK] != generate(COURSE)[NOTEBOOK]


def test_the_students_makefile_is_the_same_file_and_lists_no_target_of_the_instructor(tmp_path, student):
    for name in ("Makefile", "autograder/environment.sh"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(student.files[f"{NAME}/{name}"])
    listed = subprocess.run(["make", "-C", tmp_path, "--no-print-directory"], capture_output=True, text=True).stdout
    names = {line.split()[0] for line in listed.splitlines()}
    assert {"grade", "check", "debug", "train", "infer", "submit"} <= names
    assert not names & {"release", "record", "skeleton", "test", "bench", "figures", "handout"}


FRESH = """\
#!/bin/sh
# A Python that has nothing yet, and writes down what it is asked to install.
case "$*" in
    *find_spec*) exit 1 ;;
    "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    *"pip install"*) echo "$*" > asked ;;
esac
"""


@pytest.mark.parametrize("what", ["the clone", "the bundle of students"])
def test_the_first_make_on_a_fresh_machine_installs_what_is_there(tmp_path, student, files, what):
    given = student.files if "students" in what else {f"{NAME}/{path}": data for path, data in files.items()}
    kit, path = tmp_path / "kit", tmp_path / "bin"
    for name in ("pyproject.toml", "requirements.txt", "constraints.txt", "autograder/environment.sh"):
        if f"{NAME}/{name}" in given:
            (kit / name).parent.mkdir(parents=True, exist_ok=True)
            (kit / name).write_bytes(given[f"{NAME}/{name}"])
    path.mkdir()
    (path / "python3").write_text(FRESH)
    (path / "python3").chmod(0o755)
    run = subprocess.run(
        ["sh", kit / "autograder" / "environment.sh"],
        env={"PATH": f"{path}:/usr/bin:/bin"}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.stdout == ".venv/bin/python\n" and "about 2 minutes" in run.stderr
    asked = (kit / "asked").read_text().split()
    assert (kit / asked[asked.index("-c") + 1]).exists()
    if "-r" in asked:
        assert (kit / asked[asked.index("-r") + 1]).exists()
    else:
        assert asked[asked.index("-e") + 1] == "." and (kit / "pyproject.toml").exists()


def test_requirements_are_those_of_the_project(files):
    needed = bundles.requirements(files).decode().splitlines()
    assert "torch>=2.6" in needed
    shipped = {line.partition(">")[0] for line in needed}
    allowed = set(Rubric.load().limits["allowed_imports"])
    assert allowed - {"PIL"} <= shipped, "what may be imported is installed wherever it is graded; PIL is torchvision's"


def test_gradescope_finds_its_two_scripts_at_the_root_and_nobody_finds_the_hidden_cases(contents):
    data = zipped(contents[GRADESCOPE], modes=bundles.MODES)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        modes = {info.filename: stat.S_IMODE(info.external_attr >> 16) for info in archive.infolist()}
    assert modes["setup.sh"] == modes["run_autograder"] == 0o755
    assert modes[HIDDEN_PATH] == 0o600 and modes["autograder/rubric.toml"] == 0o644
    assert leaks.the_hidden_cases_are_for_root_only(data) == "-rw-------"
    with pytest.raises(NotProven, match="permissions"):
        leaks.the_hidden_cases_are_for_root_only(zipped(contents[GRADESCOPE]))


def test_the_same_files_make_the_same_bytes(files, hidden, contents):
    again = bundles.all_of_them(dict(reversed(files.items())), recording.file_of(hidden), COURSE)
    for name, content in contents.items():
        data = zipped(content, "x", bundles.MODES)
        assert zipped(dict(reversed(again[name].items())), "x", bundles.MODES) == data
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
            assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
            assert archive.namelist() == sorted(content)


def test_a_page_older_than_the_handout_is_refused(files):
    with pytest.raises(NotReady, match="make handout"):
        bundles.student(files | {"handout.md": files["handout.md"] + b"More.\n"}, COURSE)
    with pytest.raises(NotReady, match="make handout"):
        bundles.student({name: data for name, data in files.items() if name != "handout.html"}, COURSE)
    with pytest.raises(NotReady, match=r"^handout\.zh\.html .* `make handout`"):
        bundles.student(files | {"background.zh.md": files["background.zh.md"] + b"x\n"}, COURSE.edition("zh"))


def test_files_that_differ_from_the_commit_are_refused(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    with pytest.raises(NotReady, match="from a clone"):
        bundles.commit(tmp_path)
    git("init")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-m", "x")
    assert len(bundles.commit(tmp_path)) == 40
    assert bundles.tracked(tmp_path) == {"file": b"1"}
    (tmp_path / "stray").write_text("2")
    with pytest.raises(NotReady, match="stray"):
        bundles.commit(tmp_path)
    assert "stray" not in bundles.tracked(tmp_path)


# ----- the proofs hold, and each can fail --------------------------------------------------------------------


def test_nothing_leaks(files, student, contents, hidden, public):
    gradescope, name = Bundle(GRADESCOPE, contents[GRADESCOPE]), bundles.STUDENTS["zh"]
    chinese = Bundle(name, contents[name])
    for bundle in (student, chinese, gradescope):
        assert leaks.every_file_can_be_read(bundle)
        assert leaks.no_line_of_an_answer_is_in_it(bundle, leaks.answers(files))
        assert leaks.no_patch_of_a_mistake_is_in_it(bundle, leaks.mistakes(files))
        assert leaks.the_course_seed_is_not_in_it(bundle, "a test seed, long enough")
    assert leaks.it_is_what_solution_gives(student, generate(COURSE), f"{NAME}/assignment/")
    assert leaks.it_is_what_solution_gives(chinese, generate(COURSE.edition("zh")), f"{NAME}/assignment/")
    with pytest.raises(NotProven, match=r"infer\.py"):
        leaks.it_is_what_solution_gives(chinese, generate(COURSE), f"{NAME}/assignment/")
    assert leaks.no_hidden_number_is_in_it(student, hidden, public)
    with pytest.raises(NotProven, match=HIDDEN_PATH):
        leaks.no_hidden_number_is_in_it(gradescope, hidden, public)


def test_there_is_much_to_look_for(files):
    answers, mistakes = leaks.answers(files), leaks.mistakes(files)
    assert len(answers) > 60 and len(mistakes) > 100
    assert leaks.normal(SECRET) in answers
    assert any("Marking guide" not in line and "conditional mean" in line for line in answers), "those of the report"
    assert not [line for line in answers if "TODO" in line]


def test_lines_that_are_shared_are_in_given_files(files):
    """An entry of SHARED that no given file has any more would only hide a leak."""
    given = [leaks.normal(files[f"solution/{name}"].decode()) for name in GIVEN if name.endswith(".py")]
    for line in leaks.SHARED:
        assert any(leaks.normal(line) in text for text in given), line


def planted_in_zip(data):
    return zipped({"inner.zip": zipped({"notes.txt": data})})


def planted_in_notebook(data):
    output = {"output_type": "stream", "name": "stdout", "text": data.decode().splitlines(keepends=True)}
    return json.dumps({"cells": [{"cell_type": "code", "source": [], "outputs": [output]}]}).encode()


def planted_in_picture(chunk):
    def plant(data):
        text = PngImagePlugin.PngInfo()
        getattr(text, chunk)("comment", data.decode(), zip=True)
        buffer = io.BytesIO()
        Image.new("L", (2, 2)).save(buffer, "PNG", pnginfo=text)
        return buffer.getvalue()

    return plant


def planted_in_tar(data):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        info = tarfile.TarInfo("notes.txt")
        info.size = len(data)
        file.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def planted_in_npz(data):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, text=np.array(data.decode()))
    return buffer.getvalue()


def planted_in_catalogue(data):
    texts, at, table, packed = [(b"", b"Content-Type: text/plain; charset=utf-8\n"), (b"x", data)], 28 + 32, [], b""
    for text in (*(id for id, _ in texts), *(text for _, text in texts)):
        table += [len(text), at + len(packed)]
        packed += text + b"\0"
    return struct.pack("<7I", 0x950412DE, 0, 2, 28, 28 + 16, 0, 0) + struct.pack("<8I", *table) + packed


def planted_in_page(data):
    picture = base64.b64encode(planted_in_picture("add_itxt")(data)).decode()
    return f'<p><img src="data:image/png;base64,{picture}"></p>'.encode()


PLANTED = {
    "text": lambda data: data,
    "text, laid out otherwise": lambda data: b"(\n" + data.strip().replace(b" ", b"\n\t") + b"\n)",
    "zip in zip": planted_in_zip,
    "comment of a zip": lambda data: zipped({"a": b"b"}, data.decode()),
    "tar.gz": planted_in_tar,
    "gzip": gzip.compress,
    "output of a notebook": planted_in_notebook,
    "packed text of a picture": planted_in_picture("add_text"),
    "international text of a picture": planted_in_picture("add_itxt"),
    "behind a picture": lambda data: planted_in_picture("add_text")(b"x") + data,
    "picture in a page": planted_in_page,
    "metadata of safetensors": lambda data: save({"a": np.zeros(1)}, {"note": data.decode()}),
    "bytes of a tensor": lambda data: save({"a": np.frombuffer(data, np.uint8)}),
    "characters of a tensor": lambda data: save({"a": np.array(list(data), np.int32)}),
    "strings in npz": planted_in_npz,
    "text of a catalogue": planted_in_catalogue,
    "base64": lambda data: b"blob = " + base64.b64encode(data),
    "base64 of zlib": lambda data: b"blob = " + base64.b64encode(zlib.compress(data)),
    "base64 on many lines": base64.encodebytes,
}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED)
def test_a_planted_leak_is_found(plant):
    """The same text, harmless, passes; with an answer, a patch or the seed in it, each proof fails."""
    line = leaks.normal(SECRET)

    def bundle(text):
        return Bundle("x", {f"{NAME}/file": plant(text.encode())})

    harmless = bundle("        print('a harmless line of some length, ' + 'with many' + 'tokens in it', 1, 2, 3)\n")
    assert leaks.every_file_can_be_read(harmless)
    assert leaks.no_line_of_an_answer_is_in_it(harmless, {line})
    assert leaks.the_course_seed_is_not_in_it(harmless, SEED)
    with pytest.raises(NotProven, match="a line of an answer is in"):
        leaks.no_line_of_an_answer_is_in_it(
            bundle(f"{SECRET}# and more of it, so that there is something to pack\n"), {line}
        )
    with pytest.raises(NotProven, match="a line of a patch is in"):
        leaks.no_patch_of_a_mistake_is_in_it(bundle(SECRET), {line})
    with pytest.raises(NotProven, match="seed is in"):
        leaks.the_course_seed_is_not_in_it(bundle(f"the seed is {SEED}, keep it\n"), SEED)


def test_a_chinese_line_is_found_as_an_english_one_is():
    """Chinese has no blanks: 12 letters make a line that is long enough, wherever it is broken."""
    text = "网络（见 8.3）看到的图像总有一部分是对的，\n它画的其余部分就得与这一部分相符。"
    line, other = lines = sorted(leaks.long_lines(text))
    assert not leaks.long_lines("其余的约定写在文档里")
    for broken in (text, text.replace("\n", ""), text.replace("的", "的\n")):
        for each in lines:
            with pytest.raises(NotProven, match="a line of an answer is in"):
                leaks.no_line_of_an_answer_is_in_it(Bundle("x", {"a": broken.encode()}), {each})
    assert leaks.no_line_of_an_answer_is_in_it(
        Bundle("x", {"a": text.replace("图像", "图").encode()}), {line[::-1], other.replace("其", "非")}
    )


def test_the_seed_is_found_as_bytes_and_in_capitals():
    for data in (bytes.fromhex(SEED) + b"\xff", SEED.upper().encode()):
        with pytest.raises(NotProven):
            leaks.the_course_seed_is_not_in_it(Bundle("x", {"a": save({"a": np.frombuffer(data, np.uint8)})}), SEED)


def numbers_as_text(array):
    return "\n".join(
        f"x[{n}] is" + "".join(f" {x:.4f}" for x in row) for n, row in enumerate(array.reshape(-1, 8))
    ).encode()


def saved(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "plant",
    [
        lambda array: save({"a": array}),
        lambda array: save({"a": array.astype(np.float64)}),
        lambda array: save({"a": np.frombuffer(array.tobytes(), np.uint8)}),
        saved,
        numbers_as_text,
        lambda array: planted_in_notebook(numbers_as_text(array)),
        lambda array: json.dumps(array.tolist()).encode(),
        lambda array: b"x = " + base64.b64encode(saved(array)),
    ],
    ids="float32 float64 bytes npy text notebook json base64".split(),
)
def test_a_hidden_number_is_found(plant, hidden, public):
    key = next(key for key in hidden.tensors if key.startswith("ddim.eta/value"))
    array = hidden.tensors[key].astype(np.float32).ravel()[:16]
    noise = np.random.default_rng(5).standard_normal(16).astype(np.float32)
    assert leaks.no_hidden_number_is_in_it(Bundle("x", {"a": plant(noise)}), hidden, public)
    with pytest.raises(NotProven, match="numbers of the hidden cases"):
        leaks.no_hidden_number_is_in_it(Bundle("x", {"a": plant(array)}), hidden, public)


def test_what_cannot_be_read_is_never_shipped(tmp_path):
    (tmp_path / "answer.py").write_text("def f():\n" + SECRET)
    bytecode = (tmp_path / "answer.pyc", py_compile.compile(str(tmp_path / "answer.py"), str(tmp_path / "answer.pyc")))[
        0
    ]
    for data in (
        bytecode.read_bytes(),
        b"\x80\x04\x95 a pickle",
        b"\x00\x01\x02",
        zipped({"a": b"b"})[:-10],
        b"\x1f\x8bno",
        planted_in_catalogue(b"text")[:-10],
    ):
        for content in (data, zipped({"inner": data})):
            bundle = Bundle("x", {"good.txt": b"fine", "bad": content})
            with pytest.raises(NotProven, match="bad"):
                leaks.every_file_can_be_read(bundle)


def test_nothing_to_look_for_proves_nothing(student, hidden, public, files):
    for proof, *facts in (
        (leaks.no_line_of_an_answer_is_in_it, student, set()),
        (leaks.no_patch_of_a_mistake_is_in_it, student, set()),
        (leaks.the_course_seed_is_not_in_it, student, ""),
        (leaks.no_hidden_number_is_in_it, student, public, public),
        (leaks.every_file_can_be_read, Bundle("x", {})),
        (leaks.it_is_small_enough, bytes(bundles.MAX_STUDENT + 1)),
    ):
        with pytest.raises(NotProven):
            proof(*facts)
    with pytest.raises(NotProven, match="mistakes/"):
        leaks.no_patch_of_a_mistake_is_in_it(Bundle("x", {"solution/mistakes/a.toml": b""}), leaks.mistakes(files))


def test_a_drifted_or_additional_file_is_found(student):
    path = f"{NAME}/assignment/train.py"
    changed = student.files | {path: student.files[path] + b"#"}
    for files in (changed, student.files | {f"{NAME}/assignment/notes.py": b""}):
        with pytest.raises(NotProven, match="make skeleton"):
            leaks.it_is_what_solution_gives(Bundle("x", files), generate(COURSE), f"{NAME}/assignment/")


# ----- it fails closed ---------------------------------------------------------------------------------------


def test_every_proof_of_the_issue_is_made(files, contents, hidden, public, tmp_path, monkeypatch):
    monkeypatch.setattr(release, "course_seed", lambda: SEED)
    zips = {name: zipped(content, modes=bundles.MODES) for name, content in contents.items()}
    made = {
        (name, release.claim(proof))
        for name, proof, *_ in release.all_proofs(files, COURSE, contents, zips, public, hidden, tmp_path)
    }
    for claim in (
        "it is small enough",
        "every file can be read",
        "it is what solution gives",
        "no line of an answer is in it",
        "no patch of a mistake is in it",
        "the course seed is not in it",
        "no hidden number is in it",
        "the stripped files import",
        "the starter scores 0",
        "the reference scores full marks",
    ):
        assert (STUDENT, claim) in made and (bundles.STUDENTS["zh"], claim) in made
    for claim in (
        "no line of an answer is in it",
        "no patch of a mistake is in it",
        "the course seed is not in it",
        "the hidden cases are for root only",
        "the reference scores full marks",
    ):
        assert (GRADESCOPE, claim) in made


def fails():
    raise NotProven("it leaks")


def breaks():
    raise KeyError("a bug of ours")


@pytest.mark.parametrize(
    ("proof", "why"), [(fails, "it leaks"), (breaks, "could not be tried: KeyError"), (str, "no evidence")]
)
def test_a_proof_that_fails_breaks_or_says_nothing_means_no_bundle(proof, why, monkeypatch, tmp_path):
    dist = tmp_path / "dist"
    dist.mkdir()
    (dist / "old.zip").write_bytes(b"of the last release")
    monkeypatch.setattr(release, "DIST", dist)
    monkeypatch.setattr(bundles, "commit", lambda: "0" * 40)
    monkeypatch.setattr(release, "HIDDEN", ROOT / "autograder" / "expectations" / "public.safetensors")
    monkeypatch.setattr(bundles, "HIDDEN", release.HIDDEN)
    monkeypatch.setattr(release, "all_proofs", lambda *facts: [(STUDENT, lambda: "holds"), (STUDENT, proof)])
    with pytest.raises(SystemExit) as ended:
        release.main()
    assert ended.value.code.startswith("No release: ") and why in ended.value.code
    assert len(ended.value.code.splitlines()) == 1
    assert not dist.exists()


def test_without_hidden_cases_there_is_no_release(monkeypatch, tmp_path):
    monkeypatch.setattr(release, "DIST", tmp_path / "dist")
    monkeypatch.setattr(bundles, "commit", lambda: "0" * 40)
    monkeypatch.setattr(bundles, "HIDDEN", tmp_path / "none")
    with pytest.raises(SystemExit, match="make record"):
        release.main()


def test_fields_that_an_instructor_left_open_are_named():
    text = "[a](b) <!-- INSTRUCTOR: x --> Due: [date]. See [this](#there). <!-- INSTRUCTOR: end --> [no field]"
    assert release.open_fields(text) == ["[date]"]


def test_the_handout_and_the_rubric_say_the_same_of_late_work(files):
    """The handout's own words, with its fields filled in, are those of the policy `budget`."""
    late = {"due": "2026-12-01T23:59", "time_zone": "Europe/Berlin", "policy": "budget", "grace_minutes": 10,
            "per_day_percent": 10, "last_day": 7, "days_in_all": 3}  # fmt: skip
    handout, filled = files["handout.md"].decode(), {"[n]": "3", "[p]": "10", "[date]": "8 December 2026, 23:59"}
    assert "In rubric.toml: 3 late days in all; after that 10 %" in release.late_work(handout, late)
    before, line, after = re.split(r"(\*\*Late work\.\*\*.*)", handout)
    for field, value in filled.items():
        assert line.count(field) == 1
        line = line.replace(field, value)
    assert release.late_work(before + line + after, late) == ""
    for changed in ({"days_in_all": 2}, {"per_day_percent": 12.5}, {"last_day": 8}, {"policy": "per_day"}):
        assert release.late_work(before + line + after, late | changed)
    others = [lateness.in_words(late | {"policy": policy}) for policy in ("none", "per_day", "cut_off")]
    assert others == [
        "Nothing is taken off.",
        "10 % of the points per day begun, and nothing after 8 December 2026, 23:59.",
        "Nothing after 1 December 2026, 23:59.",
    ]


# ----- an unpacked bundle at work ----------------------------------------------------------------------------


@pytest.fixture
def unpacked(tmp_path, contents):
    for path, data in contents[STUDENT].items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    return tmp_path / NAME


def test_the_bundle_works_and_what_it_earns_is_measured(unpacked):
    assert trials.the_stripped_files_import(unpacked)
    assert trials.the_starter_scores_0(unpacked).startswith("0 of 100 points")
    (unpacked / "assignment" / "scheduler.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(NotProven, match="ModuleNotFoundError"):
        trials.the_stripped_files_import(unpacked)


@pytest.mark.slow
def test_a_wrong_reference_and_a_starter_that_earns_points_are_found(unpacked):
    source = reference.SCHEDULER
    wrong = source.replace("sigma = eta * variance.sqrt()", "sigma = eta * variance")
    with pytest.raises(NotProven, match=r"ddim\.eta"):
        trials.the_reference_scores_full_marks(unpacked, {"scheduler.py": wrong.encode()})
    with pytest.raises(NotProven, match="it scores"):
        trials.the_starter_scores_0(unpacked)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_whole_release_twice(files, monkeypatch, hidden, tmp_path):
    path = tmp_path / "hidden.safetensors"
    path.write_bytes(recording.file_of(hidden))
    for module in (bundles, release):
        monkeypatch.setattr(module, "HIDDEN", path)
    monkeypatch.setattr(release, "course_seed", lambda: SEED)
    first, second = (release.release("0" * 40, files) for _ in range(2))
    assert first == second
    told = json.loads(first["RELEASE.json"])
    assert [proof["evidence"] for proof in told["proofs"] if "reference" in proof["claim"]] == [
        "100 of 100 points, public cases",
        "100 of 100 points, public cases",
        "100 of 100 points, public and hidden cases",
    ]
