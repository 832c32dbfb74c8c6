"""`make similar`: silent on those who work alone, and not on copies, however they are hidden."""

import json
import random
import re
from html import unescape

import alike
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.instructor.handins import collecting
from autograder.instructor.similarity import comparing, own_code
from autograder.instructor.similarity.__main__ import DONE, USAGE, main
from autograder.paths import ASSIGNMENT

ACCEPTED = {file: alike.accepted(file) for file in alike.FILES}
BROKEN = "class DDPMScheduler\n    def step(self, x):\n        return x\n"


@pytest.mark.parametrize("file", alike.FILES)
def test_silent_on_who_works_alone_and_not_on_copies(file):
    draw, texts = random.Random(file), ACCEPTED[file]
    alone = alike.compared(texts)
    assert alone and alike.found(alone) == (0, 0)
    copies = alike.copies_of(texts, draw, draw.sample(sorted(texts), 8))
    assert alike.found(alike.compared(texts | copies)) == (8, 0)


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 40))
def test_silent_on_who_fills_the_skeleton_alone(seed, number):
    """A copy is found where enough is the author's own, whoever else is in the class."""
    draw = random.Random(seed)
    texts = alike.made_up_class(draw, number)
    copies = alike.copies_of(texts, draw, list(texts)[:2])
    pairs = alike.compared(texts | copies)
    _, others = alike.found(pairs)
    assert others == 0 or copies_of_each_other(pairs)
    of_copies = [pair for pair in pairs if pair.students[1] == f"{pair.students[0]} copied"]
    assert all(pair.share > 0.99 for pair in of_copies)
    assert all(pair.worth_a_look == (pair.size >= comparing.OF) for pair in of_copies)


def copies_of_each_other(pairs):
    """Whether the first two of the class, who are copied, wrote the same, so that the copies are copies of both."""
    return any(set(pair.students) == {"s000", "s001"} and pair.share > 0.9 for pair in pairs)


def test_the_skeleton_the_solution_and_short_formulas_are_nobody_s():
    skeleton = (ASSIGNMENT / "scheduler.py").read_text(encoding="utf-8")
    solution = alike.REFERENCE["scheduler.py"]
    assert not alike.compared({"a": skeleton, "b": skeleton, "c": solution, "d": solution})
    formula = "def extract(table, timesteps, sample):\n    return {0}.sqrt() - (1 - {0}).sqrt()\n"
    assert not alike.compared({name: formula.format(name) for name in ("table", "sample")})
    arguments = [line.strip() for line in alike.REFERENCE["infer.py"].splitlines() if line.startswith("    parser.add")]
    program = "def main():\n" + "".join(f"    {line}\n" for line in arguments if "film" not in line)
    assert len(arguments) > 9 and not alike.compared({"a": program, "b": program})


@pytest.mark.parametrize("group, seen", [(2, True), (4, True), (6, False)])
def test_what_many_have_is_left_out(group, seen):
    """Twenty students, of whom some have one and the same file."""
    several = list(ACCEPTED["scheduler.py"].values())
    texts = {f"s{n}": several[0 if n < group else n] for n in range(20)}
    looks = [pair.students for pair in alike.compared(texts) if pair.worth_a_look]
    assert len(looks) == (group * (group - 1) // 2 if seen else 0)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_exactly_the_shared_statements_are_marked(seed):
    """Two files of different authors, into which the same function was put."""
    draw = random.Random(seed)
    names = draw.sample(sorted(ACCEPTED["scheduler.py"]), 2)
    texts = dict(zip(names, (ACCEPTED["scheduler.py"][name] for name in names), strict=True))
    statements = [f"q = q * {draw.randint(2, 99)} - p[{n}:{n + 2}].mean()" for n in range(draw.randint(3, 9))]
    put = "\n\ndef helper(p, q):\n    # {}\n" + "".join(f"    {line}\n\n" for line in statements)
    both = {name: f"{text}{put.format(name)}" for name, text in texts.items()}
    pair = next(iter(alike.compared(both)))
    for name in names:
        prints, text = alike.prints(both[name]), both[name].split("\n")
        where = prints.by_function(pair.shared)
        number = next(n for n, (function, _) in enumerate(prints.functions) if function == "helper")
        marked = [text[line - 1].strip() for line in where[number][1]]
        assert [line for line in marked if line.startswith("q =")] == statements
        assert set(marked) <= {*statements, "def helper(p, q):", f"# {name}"}


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(sorted(ACCEPTED["scheduler.py"])), st.integers(0, 10**6))
def test_every_line_of_code_is_in_one_function(name, seed):
    """Nothing that somebody wrote is lost on the way to the engine, nor counted twice."""
    text = alike.hidden_copy(ACCEPTED["scheduler.py"][name], random.Random(seed))
    found, broken = own_code.functions(text)
    firsts = [first for _, own in found for _, first, _ in own]
    assert not broken and len(firsts) == len(set(firsts))
    covered = {line for _, own in found for _, first, last in own for line in range(first, last + 1)}
    quoted = re.sub(r'"""(?:.|\n)*?"""', lambda docstring: "\n" * docstring[0].count("\n"), text).split("\n")
    code = {n for n, line in enumerate(quoted, 1) if re.sub(r"#.*|(else|finally)\s*:", "", line).strip()}
    assert code <= covered


def hand_in(folder, files):
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)


@pytest.fixture
def classroom(tmp_path, capsys):
    """classroom({id: {name: text}}, *arguments) -> (exit status, what was printed, the page or "")"""

    def classroom(made, *arguments):
        subs, folder = tmp_path / "subs", tmp_path / "class of 2026"
        for id, files in made.items():
            hand_in(subs / id, files)
        collecting.collect_class(subs, folder)
        status, page = main([str(folder), *map(str, arguments)]), folder / "similar.html"
        said = capsys.readouterr()
        return status, said.out + said.err, page.read_text(encoding="utf-8") if page.exists() else ""

    return classroom


def test_the_page_of_a_class(classroom):
    draw, own = random.Random(1), ACCEPTED["scheduler.py"]["angles"].replace("steps: 1 to", "<b>&amp; 1")
    status, said, page = classroom({
        "王小明": {"scheduler.py": own, "infer.py": ACCEPTED["infer.py"]["angles"]},
        "Ada de la Cruz": {"scheduler.py": alike.hidden_copy(own, draw) + "# <script>\u202e\n"},
        "bob": {"scheduler.py": BROKEN},
        "cyd": {"scheduler.py": BROKEN.encode() + b"\xff\xfe\x00"},
        "gil": {"scheduler.py": "\ufeff" + own.replace("def", "\x0cdef", 3) + "\u2028x\r\ry = [\n"},
        "dan": {"notes.txt": "my repository"},
        "eve": {"scheduler.py": ""},
        "fay": {"scheduler.py": "(" * 5000 + ")" * 5000},
    })  # fmt: skip
    assert status == DONE and "3 pairs to look at" in said and "for staff only" in said
    text = unescape(re.sub(r"<[^>]+>", " ", page.partition("</style>")[2]))
    assert "A reason to look, not a proof." in page and "Ada_de_la_Cruz" in text and "王小明" in text
    assert "<script" not in page and "\u202e" not in page and "src=" not in page and "http" not in page
    assert not re.search(r"plagiari|cheat|guilt|fraud|offen[cs]e", page, re.IGNORECASE)
    assert (
        "<b>&amp; 1" in text and "def _two(self, timestep, images):" in text and "share 100 %" in " ".join(text.split())
    )
    for id, why in {"bob": "line 1", "dan": "there is no scheduler.py", "王小明": ""}.items():
        assert id in text and why in text


def test_a_team_is_one_and_public_texts_are_known(classroom, tmp_path):
    draw, own = random.Random(2), ACCEPTED["scheduler.py"]["closures"]
    cells = [
        {
            "cell_type": "code",
            "source": f"%matplotlib inline\n{own}",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
    ]
    notebook = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    hand_in(tmp_path / "public", {"on the web.ipynb": notebook, "broken.ipynb": "{", "notes.md": "no code"})
    made = {id: {"scheduler.py": alike.hidden_copy(own, draw)} for id in ("ada", "bob")}
    status, said, page = classroom(made)
    assert "1 pair to look at" in said
    (tmp_path / "class of 2026" / "roster.csv").write_text("id\nada\nbob\ncyd\n")
    (tmp_path / "class of 2026" / "teams.csv").write_text("team,id\nx,ada\nx,cyd\n")
    assert main([str(tmp_path / "class of 2026")]) == DONE
    page = (tmp_path / "class of 2026" / "similar.html").read_text(encoding="utf-8")
    assert "1 pair is" in page and "among 3 hand-ins" in page and "scheduler.py of 2 students" in page
    assert main([str(tmp_path / "class of 2026"), "--known", str(tmp_path / "public")]) == DONE
    assert "No pair is" in (tmp_path / "class of 2026" / "similar.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("made", [{}, {"ada": {"scheduler.py": BROKEN}}, {"ada": {"notes.txt": "x"}}])
def test_who_is_alone_is_like_nobody(classroom, made):
    if made:
        status, said, page = classroom(made)
        assert status == DONE and "no pair is worth a look" in said and "No pair is" in page
        assert "reason to look" not in page


def test_what_is_not_there(tmp_path, capsys):
    assert main([str(tmp_path / "class")]) == USAGE and "Nothing was collected" in capsys.readouterr().err
    hand_in(tmp_path / "subs" / "ada", {"scheduler.py": ""})
    collecting.collect_class(tmp_path / "subs", tmp_path / "class")
    assert main([str(tmp_path / "class"), "--known", str(tmp_path / "none")]) == USAGE
    assert "There is no folder" in capsys.readouterr().err


@pytest.mark.slow
def test_the_ways_to_write_an_answer_are_right(grade):
    """Else the made-up classes would be none."""
    for todo, ways in alike.ANSWERS.items():
        for way in ways:
            record = grade(alike.filled({each: several[0] for each, several in alike.ANSWERS.items()} | {todo: way}))
            assert record.points == record.max_points, (todo, way)


@pytest.mark.slow
@pytest.mark.parametrize("reworded", [0.0, 0.2])
@pytest.mark.parametrize("file", alike.FILES)
def test_every_copy_is_found(file, reworded):
    texts = ACCEPTED[file]
    copies = alike.copies_of(texts, random.Random(f"{file} {reworded}"), texts, reworded)
    true, false = alike.found(alike.compared(texts | copies))
    assert false == 0 and true >= (0.9 if reworded else 1) * len(texts)


@pytest.mark.slow
def test_silent_on_a_class_of_three_hundred():
    pairs = alike.compared(alike.made_up_class(random.Random(300), 300))
    assert len(pairs) > 20_000 and alike.found(pairs) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ACCEPTED["scheduler.py"]))
def test_copies_still_work(name, grade):
    record = grade(alike.hidden_copy(ACCEPTED["scheduler.py"][name], random.Random(name)))
    assert record.points == record.max_points, [check.message for check in record.checks if check.message]
