"""The handout against what it speaks of: the rubric, the skeleton, the public cases, the contract; and its Markdown.

What it says about diffusion is computed in test_claims.py, what it says about the web in test_errata.py.
"""

import inspect
import re

import pytest
from handout import CODE, COMMANDS, HANDOUT, SKELETON, reference
from safetensors import safe_open

from autograder.checks import training
from autograder.intake.submission import ACCEPTED
from autograder.paths import PUBLIC, ROOT
from autograder.record import VERDICTS
from autograder.rubric import Rubric

RUBRIC = Rubric.load(whole=True)
SECTIONS = re.findall(r"^### (\d+\.\d+) \S", HANDOUT, re.MULTILINE)
TASKS = [s for s in SECTIONS if s <= "5.1" or "8" < s < "8.4"]  # those with a TODO of their own in scheduler.py
NUMBER = re.compile(r"(?<![\d.])(\d\.\d)(?:\.\d)?:")  # 8.1.2 is a TODO of 8.1


# ----- the rubric -----------------------------------------------------------------------------------------------------


def test_rows_are_those_of_the_rubric():
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| (.+?) \| (\S+) \| (\S+) \|$", HANDOUT, re.MULTILINE)
    assert rows == [(entry.id, entry.title, f"{entry.points:g}", entry.section) for entry in RUBRIC.checks.values()]


def chapters():
    """{number: checks of it}"""
    found = {}
    for entry in RUBRIC.checks.values():
        found.setdefault(int(entry.section.partition(".")[0]), []).append(entry)
    return found


def test_rows_stand_in_their_chapter():
    for number, entries in chapters().items():
        text = HANDOUT.split(f"\n## {number} ")[1].split("\n## ")[0]
        assert re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", text, re.MULTILINE) == [entry.id for entry in entries]


def test_headings_and_total():
    headings = re.findall(r"^## (\d+ .*)$", HANDOUT, re.MULTILINE)
    expected = [
        f"{number} {RUBRIC.parts[entries[-1].part]} ({sum(entry.points for entry in entries):g} points)"
        for number, entries in chapters().items()
        if not entries[0].bonus
    ]
    assert headings[:-2] == expected and headings[-2].startswith(f"{len(expected) + 1} The study (")  # test_notebook.py
    on_top = sum(entry.points for entry in RUBRIC.checks.values() if entry.bonus)
    assert headings[-1] == f"{len(expected) + 2} Where the field is today ({on_top:g} points, bonus)"
    said = f"give {RUBRIC.total:g} points, and a bonus of {on_top:g} comes on top"
    assert f"**Parts 1 to {len(expected)} {said}.**" in HANDOUT


def test_limits():
    rows = re.findall(r"^\| `([a-z_]+)` \| (\S+) \| [^|]+ \|$", COMMANDS, re.MULTILINE)
    limits = {name: value for name, value in rows if name in RUBRIC.limits}
    assert {"call_seconds", "import_seconds", "exact_seconds", "memory_mb"} <= limits.keys()
    assert limits == {name: str(RUBRIC.limits[name]) for name in limits}


def test_what_is_trained():
    (text,) = re.findall(r"^### 5\.2 .*?\n## ", HANDOUT, re.MULTILINE | re.DOTALL)
    assert f"{training.STEPS} steps with {training.BATCH_SIZE} digits each" in text
    assert f"on {training.HELD_OUT} digits" in text
    tolerances = {RUBRIC.checks[f"training.{kind}"].tolerance for kind in ("epsilon", "v_prediction")}
    assert tolerances == {0.005} and "up to 0.5 %" in text


def test_what_is_handed_in():
    rows = re.findall(r"^\| `(\S+)` \| [^|]+ \| (\d+) (kB|MB) \|$", HANDOUT, re.MULTILINE)
    assert {name: int(number) * {"kB": 1_000, "MB": 1_000_000}[unit] for name, number, unit in rows} == ACCEPTED


def test_every_verdict_has_its_line():
    table = COMMANDS.split("| verdict | what it means |")[1].split("\n\n")[0]
    assert tuple(re.findall(r"^\| ([a-z_]+) \|", table, re.MULTILINE)) == VERDICTS


def test_an_instructor_fills_in_one_block():
    before, block, after = re.split(r"<!-- INSTRUCTOR: .* -->", HANDOUT)
    field = re.compile(r"\[[a-z][^\]\n]*\](?!\()")  # a bracket that is not a link
    assert len(field.findall(block)) >= 10
    assert not field.search(CODE.sub("", before + after))


# ----- sections and signatures ----------------------------------------------------------------------------------------


def test_sections():
    assert len(SECTIONS) == len(set(SECTIONS))
    assert sorted(SECTIONS) == SECTIONS
    assert {entry.section for entry in RUBRIC.checks.values()} <= set(SECTIONS)
    todos = {number for line in re.findall(r"# TODO (.*)", SKELETON) for number in NUMBER.findall(line)}
    assert todos == set(TASKS)


def test_symptoms_lead_to_sections():
    table = HANDOUT.split("\n## Common mistakes by symptom\n")[1].split("\n## ")[0]
    cells = re.findall(r"\| ([\d., ]+) \|$", table, re.MULTILINE)
    assert len(cells) == len(re.findall(r"^\| ", table, re.MULTILINE)) - 2  # all rows but the heads
    assert {number for cell in cells for number in cell.split(", ")} <= set(SECTIONS)


def facts(section):
    """The line under the heading of a section: length, shapes, public cases."""
    text = re.split(rf"^### {re.escape(section)} .*$", HANDOUT, flags=re.MULTILINE)[1]
    return re.match(r"\n\n> (.*)\n", text)[1]


@pytest.mark.parametrize("section", TASKS)
def test_number_of_lines(section):
    """As in its TODOs; where one TODO serves two sections, the first of them says so."""
    todos = [line for line in re.findall(r"# TODO (.*)", SKELETON) if section in NUMBER.findall(line)]
    first, *others = NUMBER.findall(todos[0])
    count = sum(int(re.search(r"\((\d+) lines?\)", todo)[1]) for todo in todos)
    lines = f"{count} line{'s' * (count > 1)}" + "".join(f" with {other}" for other in others)
    assert facts(section).startswith((f"{lines}. ", f"{lines}, and ") if section == first else "In ")


@pytest.mark.parametrize("section", TASKS)
def test_public_cases(section):
    """The number of recorded answers, and every S, T, t and eta that is named."""
    said = facts(section).split("Public: ")[1]
    checks = [check for check, entry in RUBRIC.checks.items() if entry.section == section]
    with safe_open(PUBLIC, "np") as file:
        names = [key.split("/")[2] for key in file.keys() if "/value/" in key and key.split("/")[0] in checks]
    assert said.startswith(f"{len(names)} " if names else ("none of its own", "the tables of"))
    cases = " ".join(names).replace("set_timesteps(", "S = ").replace(".0 ", " ").replace(".0,", ",")
    for letter, values in re.findall(r"\b(S|T|t|eta) = ((?:[\d.]*\d(?:, | and )?)+)", said):
        for value in re.findall(r"[\d.]*\d", values):
            assert re.search(rf"\b{letter} = {value}(?![\d.]*\d)", f"{cases} "), f"{section}: {letter} = {value}"


def test_contract_signatures():
    (block,) = re.findall(r"```python\n(.*?)```", HANDOUT, re.DOTALL)
    stated = {}
    exec(block, stated)
    for name in ("DDPMScheduler", "DDIMScheduler"):
        assert signatures(stated[name]) == signatures(getattr(reference, name))
    (own,) = re.findall(r"class FlowMatchScheduler\(DDPMScheduler\):  # (.*) as above", block)
    replaced = signatures(reference.FlowMatchScheduler).keys() & signatures(reference.DDPMScheduler).keys()
    assert set(re.findall(r"\w+", own)) - {"and"} == replaced - {"__init__"}
    for name in replaced - {"__init__"}:
        assert signatures(reference.FlowMatchScheduler)[name] == signatures(reference.DDPMScheduler)[name]
    initial = [signatures(cls)["__init__"] for cls in (stated["FlowMatchScheduler"], reference.FlowMatchScheduler)]
    assert initial[0] == initial[1]
    for name in ("DDIMScheduler", "FlowMatchScheduler"):
        assert issubclass(stated[name], stated["DDPMScheduler"])
    for one in ("guided", "inpaint"):
        assert inspect.signature(stated[one]) == inspect.signature(getattr(reference, one))
    for choices in (reference.BETA_SCHEDULES, reference.PREDICTION_TYPES, reference.VARIANCE_TYPES):
        assert all(f'`"{choice}"`' in HANDOUT for choice in choices)


def signatures(cls):
    """{name: signature} of a class's own public methods; names, order and defaults."""
    return {
        name: str(inspect.signature(method))
        for name, method in vars(cls).items()
        if inspect.isfunction(method) and (name == "__init__" or not name.startswith("_"))
    }


# ----- Markdown as GitHub reads it ------------------------------------------------------------------------------------


def test_math_survives_markdown():
    text = CODE.sub("", HANDOUT)
    displays = re.findall(r"^\n\$\$\n(.*)\n\$\$\n$", text, re.MULTILINE)
    assert text.count("$$") == 2 * len(displays), (
        "a display is one line between two lines of $$, with blank lines around"
    )
    text = re.sub(r"^\$\$\n.*\n\$\$$", "", text, flags=re.MULTILINE)
    assert all(line.count("$") % 2 == 0 for line in text.splitlines())
    before, inlines, after = zip(*re.findall(r"(^|.)\$([^$\n]+)\$(.?)", text, re.MULTILINE), strict=True)
    assert set(before) <= set(" (") | {""} and set(after) <= set(" .,;:)?") | {""}, (
        "GitHub needs a space or a stop there"
    )
    for formula in (*displays, *inlines):
        assert formula == formula.strip() and "*" not in formula and "<" not in formula and "|" not in formula, formula
        assert not re.search(r"\\[^a-zA-Z]", formula), f"Markdown eats this backslash: {formula}"
        assert not re.search(r"(^|[^A-Za-z0-9])_", formula), f"Markdown may read this _ as emphasis: {formula}"
        assert formula.count("{") == formula.count("}") and formula.count("\\left") == formula.count("\\right")


def test_links_within_the_page():
    headings = re.findall(r"^##+ (.*)$", HANDOUT, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#(.*?)\)", HANDOUT)) <= anchors


def test_pictures_are_there_small_and_described():
    pictures = re.findall(r"^!\[(.*)\]\((.*)\)$", HANDOUT, re.MULTILINE)
    assert len(pictures) == HANDOUT.count("![")
    assert all(len(words) > 60 for words, _ in pictures)
    sizes = {path.relative_to(ROOT).as_posix(): path.stat().st_size for path in (ROOT / "figures").iterdir()}
    assert {path for _, path in pictures} == sizes.keys()
    assert max(sizes.values()) < 200_000 and sum(sizes.values()) < 1_000_000
