"""What students read, in other languages: complete, from the catalogue, and never in the way of what is recorded or
compared. English stays as it is, letter by letter (tests/english/)."""

import ast
import io
import json
import pickle
import re
import string
import zipfile

import pytest
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from autograder import __main__ as command
from autograder import language
from autograder.diagnosis import catalogue
from autograder.grading import grade
from autograder.instructor.authoring import words
from autograder.instructor.release import bundles
from autograder.instructor.store import Store
from autograder.intake.submission import Refused, read
from autograder.language import _, english, languages, speak, together
from autograder.paths import PACKAGE, ROOT, RUBRIC
from autograder.record import Failed, GradeRecord
from autograder.reports import gradescope, html, junit, terminal
from autograder.rubric import Rubric, RubricError
from autograder.student import Student
from autograder.text import is_wide, wrapped

ENGLISH = ROOT / "tests" / "english"
PARTS = ("schedule", "forward", "reverse", "ddim")
OTHERS = [name for name in languages() if name != "en"]
PROSE = re.compile(r"\b[A-Za-z]+,? [a-z]{2,}\b")  # two words of English
SEEN = re.compile(r"[\u4e00-\u9fff]")
# Modules and functions whose words only staff read, or that hold programs, patterns and names of others.
STAFF = {"box/host.py", "box/layers.py", "rubric.py", "reports/mistakes.py", "checks/conftest.py"}
NO_WORDS = {
    "python -m autograder",
    "bold red",
    "*Your answer:*",
    "make train",
    "make infer",
    "The class ",
    "The function ",
    "unrecognized arguments",
}
NOT_SAID = {
    "box/advice.py": {"BEHIND", "CALLED", "NO_GPU", "SETTINGS", "SIGNATURES"},
    "box/gpu.py": {"FAULTS", "MIXED"},
    "box/process.py": {"ask"},  # nonsense from the box, which is told as such
    "causes.py": {"mended"},  # a name of what is recorded, as the next three
    "debug.py": {"COMPARE", "INFER", "LOSS", "NETWORK", "SCRIPT", "TRAIN", "comparison"},
    "reads/posterior.py": {"MOMENTS"},
    "reads/timesteps.py": {"timesteps"},
    "checks/__init__.py": {"name"},
    "checks/probe.py": {"forward"},  # runs as the student's network
    "diagnosis.py": {"KIND", "QUOTED"},
    "expect/comparison.py": {"settle"},  # a fault of ours
    "grading.py": {"strong_enough"},  # whoever grades others
    "intake/parsing.py": {"START"},
    "readback/curves.py": {"read_alphas_cumprod"},
    "readback/expression.py": {"tree", "value", "written"},
    "readback/typeset.py": {"drawn"},
    "student.py": {"LIMITS_HIT", "ask", "load"},
    "which.py": {"SETTINGS"},
}


@pytest.fixture(autouse=True)
def afterwards():
    yield
    speak(None)


@pytest.fixture(params=OTHERS)
def other(request):
    speak(request.param)
    return request.param


# ----- catalogues ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found():
    return words.template()


@pytest.mark.parametrize("name", OTHERS)
def test_a_catalogue_has_each_text_translated_and_no_other(name, found):
    path = words.files()[name]
    known = read_po(path.open("rb"), name)
    assert {message.id for message in known} == {message.id for message in found}
    assert not known.obsolete and not any(message.fuzzy for message in known if message.id)
    assert not words.untranslated(known)
    assert path.read_bytes() == words.as_po(words.up_to_date(path, name, found)), "`make words` brings it up to date"
    compiled = read_mo(path.with_suffix(".mo").open("rb"))
    assert {m.id: m.string for m in compiled if m.id} == {m.id: m.string for m in known if m.id}


def places(text):
    """The values that a text has places for, with their formats."""
    return sorted((name, spec) for _text, name, spec, _conversion in string.Formatter().parse(text) if name is not None)


@pytest.mark.parametrize("name", OTHERS)
def test_a_translation_has_the_places_and_the_code_of_its_english(name):
    for message in read_po(words.files()[name].open("rb"), name):
        if message.id and message.id != "as data: {check: {term: formula}}":
            assert places(message.string) == places(message.id), message.id
            assert sorted(re.findall("`[^`]+`", message.string)) == sorted(re.findall("`[^`]+`", message.id))
            assert message.string.count("\n") == message.id.count("\n")


def test_a_new_text_stands_in_a_catalogue_without_a_translation_and_an_old_one_goes(found, tmp_path):
    path = tmp_path / "autograder.po"
    path.write_bytes(words.HEADER.format("zh", "nplurals=1; plural=0;").encode() + b'msgid "gone"\nmsgstr "x"\n')
    made = words.up_to_date(path, "zh", found)
    assert made.get("gone") is None and set(words.untranslated(made)) == {m.id for m in found if m.id}


def test_chinese_titles_are_those_of_the_chinese_handout():
    speak("zh")
    rubric = Rubric.load(whole=True)
    rows = re.findall(r"(?m)^\| `(\w+\.\w+)` \| ([^|]+) \|", (ROOT / "handout.zh.md").read_text(encoding="utf-8"))
    told = {id: title for id, title in rows if id in rubric.checks}
    assert len(told) > 25 and told == {id: rubric.checks[id].title for id in told}


# ----- what is said --------------------------------------------------------------------------------------------------


def said(tree):
    """{id of a node: whether it is within what `_` or `N_` is called with}, docstrings among them."""
    inside = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("_", "N_"):
            inside |= {id(each) for each in ast.walk(node.args[0])}
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inside.add(id(node.value))
    return inside


def of_staff(tree, names):
    """Nodes below functions and assignments of these names."""
    for node in ast.walk(tree):
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        if getattr(node, "name", None) in names or {getattr(each, "id", None) for each in targets} & names:
            yield from map(id, ast.walk(node))


def test_all_that_students_can_read_is_in_the_catalogue():
    left = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name in STAFF or name.startswith(("instructor/", "box/inside/")):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        known = said(tree) | set(of_staff(tree, NOT_SAID.get(name, set())))
        left += [
            f"{name}:{node.lineno}: {node.value!r}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            if id(node) not in known
            and PROSE.search(node.value)
            and node.value not in NO_WORDS
            and "<" not in node.value
        ]
    assert not left, "wrap them in `_`"


def test_every_text_is_found_where_it_is_marked(found):
    known = {message.id for message in found}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("_", "N_") and node.args:
                text = node.args[0]
                assert not isinstance(text, ast.JoinedStr), f"{path.name}: an f-string has no key: {ast.unparse(text)}"
                if isinstance(text, ast.Constant):
                    assert text.value in known, f"{path.name}:{node.lineno}: {text.value}"


def test_no_name_hides_the_translator():
    """A function that assigns to `_` could not call it."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if not any(
            isinstance(node, ast.ImportFrom) and "_" in {each.name for each in node.names} for node in tree.body
        ):
            continue
        for function in ast.walk(tree):
            if isinstance(function, (ast.FunctionDef, ast.Lambda)):
                names = [node for node in ast.walk(function) if isinstance(node, ast.Name) and node.id == "_"]
                stored = [node for node in names if isinstance(node.ctx, ast.Store)]
                called = [node for node in names if isinstance(node.ctx, ast.Load)]
                comprehensions = [node for node in ast.walk(function) if isinstance(node, ast.comprehension)]
                inner = {id(name) for each in comprehensions for name in ast.walk(each.target)}
                assert not called or all(id(node) in inner for node in stored), f"{path.name}:{function.lineno}"


# ----- English --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graded(box, public, tmp_path_factory):
    """graded(language) -> (record, rubric) of the submission in tests/english/"""
    folder = tmp_path_factory.mktemp("graded") / "submission"
    folder.mkdir()
    (folder / "scheduler.py").write_bytes((ENGLISH / "scheduler.py").read_bytes())
    made = {}

    def graded(name):
        speak(name)
        if name not in made:
            rubric = Rubric.load(whole=True)
            made[name] = grade(folder, box, rubric, public, None, PARTS), rubric
        return made[name]

    return graded


def table(record, rubric, width=100):
    drawn = io.StringIO()
    Console(file=drawn, width=width).print(terminal.render(record, rubric))
    return drawn.getvalue()


def test_english_is_as_it_was_before_there_were_others(graded):
    record, rubric = graded("en")
    messages = [record.next, record.state, *(f"{check.id}: {check.output}" for check in record.checks)]
    page, _footer, _host = html.render(record, rubric).partition("<footer>")
    page = re.sub("(?s)<style>.*?</style>", "<style></style>", page)  # that of report.css
    assert "\n\n".join(messages) + "\n" == (ENGLISH / "messages.txt").read_text(encoding="utf-8")
    assert table(record, rubric) == (ENGLISH / "table.txt").read_text(encoding="utf-8")
    assert page == (ENGLISH / "report.html").read_text(encoding="utf-8")


def test_another_language_changes_words_and_nothing_else(other, graded):
    plain, (record, rubric) = graded("en")[0], graded(other)
    for one, same in zip(plain.checks, record.checks, strict=True):
        for name in ("id", "part", "verdict", "mistake", "follows", "reads", "points", "section", "place"):
            assert getattr(one, name) == getattr(same, name), (one.id, name)
        assert [formula for formula, _text in one.computes] == [formula for formula, _text in same.computes]
    kept, theirs = (
        [(test["extra_data"]["id"], test["extra_data"]["verdict"], test["score"]) for test in results["tests"]]
        for results in (json.loads(gradescope.render(each, rubric)) for each in (plain, record))
    )
    assert kept == theirs
    ids = re.compile(r'(?:classname|name|value)="[^"]*"')
    assert ids.findall(junit.render(plain, rubric)) == ids.findall(junit.render(record, rubric))


def test_a_grade_in_another_language_is_kept_on_disk(other, graded, tmp_path):
    record, _rubric = graded(other)
    store = Store(tmp_path, GradeRecord)
    store.put("one", record)
    back = store.get("one")
    assert [check.output for check in back.checks] == [check.output for check in record.checks]
    assert [check.title for check in back.checks] == [check.title for check in record.checks]


def test_nothing_of_a_grade_stays_english(other, graded):
    record, rubric = graded(other)
    texts = [record.next, record.state, *rubric.parts.values(), *(check.title for check in record.checks)]
    texts += [text for check in record.checks for text in (check.message, check.hint, check.detail, check.in_words)]
    texts += [text for check in record.checks for _formula, text in check.computes]
    quoted = r"name 'undefined_name' is not defined|cannot unpack non-iterable NoneType object|return undefined_name"
    for text in filter(None, texts):
        rest = re.sub(rf"{quoted}|mean, variance = self\S+ \w+, \w+\)|`[^`]*`", "", text)
        assert not PROSE.search(rest), text


def test_columns_line_up_with_wide_letters(other, graded):
    record, rubric = graded(other)
    for width in (60, 100):
        lines = table(record, rubric, width).splitlines()
        assert max(map(cell_len, lines)) <= width
    said = {check.in_words for check in record.checks}
    rows = [line for line in lines if re.match(r" *[\d.]+/[\d.]+  ", line)]
    ends = {
        cell_len(line.rstrip().removesuffix(word)) for line in rows for word in said if line.rstrip().endswith(word)
    }
    assert len(rows) > 20 and ends == {7 + 2 + terminal.WIDTH}


# ----- how ------------------------------------------------------------------------------------------------------------

HAN = st.text(st.sampled_from("噪声调度，。（）"), min_size=1)
LATIN = st.text(string.ascii_letters + string.digits, min_size=1)


@given(st.one_of(HAN, LATIN), st.one_of(HAN, LATIN))
def test_a_value_has_a_space_beside_another_script_only(one, other):
    speak("zh")
    text = _("{some} and {last}", some=one, last=other)  # "{some} 和 {last}"
    assert text == f"{one}{'' if is_wide(one) else ' '}和{'' if is_wide(other) else ' '}{other}"
    assert english(text) == f"{one} and {other}"


@given(st.lists(st.one_of(HAN, LATIN), min_size=1), st.integers(20, 90))
def test_wide_texts_are_wrapped_whole(parts, width):
    text = " ".join(part[:8] for part in parts)
    lines = wrapped(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    if "（" not in text and not re.search("[，。）]{3}", text):
        assert all(cell_len(line) <= width for line in lines)


def test_a_text_keeps_its_english_through_values_and_copies(other):
    inner = _("a tensor of shape {shape}", shape=(1, 2))
    text = _("{name} must be a torch.Tensor, got {kind}", name=_("the posterior mean"), kind=inner)
    told = "the posterior mean must be a torch.Tensor, got a tensor of shape (1, 2)"
    for each in (text, pickle.loads(pickle.dumps(text))):
        assert english(each) == told and each != told and SEEN.search(each)
    assert english(together([inner, inner])) == "a tensor of shape (1, 2) and a tensor of shape (1, 2)"


def test_values_are_no_templates(other):
    assert "{shown} {0}" in _("{what} sent something that is not a result", what="{shown} {0}")


def test_every_known_mistake_is_told(other):
    for mistake in catalogue().values():
        assert SEEN.search(mistake.text) and english(mistake.text).startswith(f"It looks like this: {mistake.did}")


# ----- which ----------------------------------------------------------------------------------------------------------


def test_the_course_decides_and_the_command_line_overrides(tmp_path, monkeypatch, capsys):
    path = tmp_path / "rubric.toml"
    path.write_text(RUBRIC.read_text(encoding="utf-8").replace('language = "en"', 'language = "zh"'), encoding="utf-8")
    speak(None)
    monkeypatch.setattr(language, "RUBRIC", path)
    nowhere = str(tmp_path / "nowhere")
    for arguments in (["check", nowhere], ["check", "--language", "en", nowhere], ["check", nowhere]):
        assert command.main(arguments) == command.USAGE
        assert bool(SEEN.search(capsys.readouterr().err)) == ("--language" not in arguments)


@pytest.mark.parametrize("name", ["grade", "check", "watch", "look", "smoke", "reads", "debug", "submit"])
def test_each_command_of_a_student_takes_a_language(name, tmp_path, capsys):
    with pytest.raises(SystemExit):
        command.main([name, "--language", "zh", "--help"])
    assert SEEN.search(capsys.readouterr().out)
    with pytest.raises(SystemExit) as end:
        command.main([name, "--language", "tlh"])
    assert end.value.code == command.USAGE and "tlh" in capsys.readouterr().err


def test_a_language_without_a_catalogue_is_refused():
    text = RUBRIC.read_text(encoding="utf-8")
    assert Rubric.read(text.replace('language = "en"', "")).course["language"] == "en"
    for wrong in ('"tlh"', '""', "3", '"../zh"'):
        with pytest.raises(RubricError, match=r"language is .* must be one of en, zh"):
            Rubric.read(text.replace('language = "en"', f"language = {wrong}"))


def test_what_is_said_inside_the_box_is_translated(other, box, rubric):
    for line in ("import nbgrader", "from .unet import UNet", "import sampling"):
        source = f"class DDPMScheduler:\n    def __init__(self):\n        {line}\n"
        with Student.at_work(box, {"scheduler.py": source.encode()}, rubric.limits) as student:
            with pytest.raises(Failed) as caught:
                student.DDPMScheduler()
        assert SEEN.search(caught.value.said) and not PROSE.search(caught.value.message.replace(line, ""))
        assert caught.value.place == "scheduler.py line 3"


def test_what_is_said_by_the_child_that_parses_is_translated(tmp_path):
    path = tmp_path / "submission.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("../scheduler.py", "pass")
    for name in ("en", "zh", "en"):  # one child serves them all
        speak(name)
        with pytest.raises(Refused) as caught:
            read(path)
        assert bool(SEEN.search(str(caught.value))) == (name != "en")


@pytest.mark.parametrize("platform", ["gradescope", "prairielearn", "inginious", "autolab"])
def test_what_a_platform_says_before_the_autograder_runs_is_translated(other, platform):
    folder = PACKAGE / "instructor" / "release" / platform
    scripts = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    ended = {name for name, data in scripts.items() if b"did not come to its end" in data}
    made = bundles.translated(scripts)
    assert ended and not any(b"did not come to its end" in data for data in made.values())
    assert {name for name, data in made.items() if data != scripts[name]} == ended
    speak("en")
    assert bundles.translated(scripts) == scripts
