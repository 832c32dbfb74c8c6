"""report.ipynb: nbgrader knows its cells, students get no answer, and it runs where it says it runs."""

import os
import re
import shutil
import subprocess
import sys
import time

import nbformat
import pytest
import reference
from courses import rubric_text
from handout import HANDOUT
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbgrader.nbgraderformat.v3 import MetadataValidatorV3
from nbgrader.utils import is_grade, is_solution

from autograder.instructor.authoring import skeleton
from autograder.instructor.authoring.course import Course
from autograder.paths import ROOT
from autograder.rubric import Rubric

SOURCE = Course.whole().notebook((ROOT / "solution" / "report.ipynb").read_text(encoding="utf-8"))
HANDED_OUT = ROOT / "assignment" / "report.ipynb"  # without section 6, which is of part 8
PART_8 = Course(Rubric.read(rubric_text(flow="bonus", guidance="bonus", editing="bonus")))


def cells(text=SOURCE):
    return nbformat.reads(text, 4).cells


def answers():
    return [cell for cell in cells() if is_solution(cell)]


def source_of(name):
    return next(cell.source for cell in cells() if cell.id == name)


def test_nbgrader_knows_its_cells():
    notebook = nbformat.reads(SOURCE, 4)
    nbformat.validate(notebook)
    MetadataValidatorV3().validate_nb(notebook)
    known = [cell.metadata.nbgrader for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert len({entry.grade_id for entry in known}) == len(known) > 15
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert is_solution(cell) == is_grade(cell), "a text is either read-only or graded by hand"
            assert cell.metadata.nbgrader.locked != is_solution(cell)


def test_points_are_those_of_the_questions_and_of_the_handout():
    asked = {}
    for before, cell in zip(cells(), cells()[1:], strict=False):
        if is_solution(cell):
            number, points = re.match(r"\*\*Question (\d) \((\d) points\)\.\*\*", before.source).groups()
            asked[int(number)] = int(points)
            assert cell.metadata.nbgrader.points == int(points)
    assert list(asked) == list(range(1, len(asked) + 1)) and len(asked) == len(answers())
    assert f"\n## 7 The study ({sum(asked.values())} points, by hand)\n" in HANDOUT
    assert f"The questions give {sum(asked.values())} points." in source_of("intro")


def test_every_answer_has_its_guide():
    """A sample, all points from the whole down to one each accounted for, and a common wrong answer."""
    for cell in answers():
        sample, guide, wrong = re.fullmatch(
            r"### BEGIN SOLUTION\n\*\*A sample answer\.\*\* (.*)\n\n\*\*Marking guide\.\*\*\n\n(.*)\n\n"
            r"\*\*Common wrong answer\.\*\* (.*)\n### END SOLUTION",
            cell.source,
            re.DOTALL,
        ).groups()
        levels = [int(number) for number in re.findall(r"^- (\d)(?::| for)", guide, re.MULTILINE)]
        assert cell.metadata.nbgrader.points in (max(levels), sum(levels)), cell.id
        assert len(sample) > 200 and len(wrong) > 80


def test_students_get_the_questions_and_no_answer():
    handed = HANDED_OUT.read_text(encoding="utf-8")
    source = Course(Rubric.load()).notebook((ROOT / "solution" / "report.ipynb").read_text(encoding="utf-8"))
    assert skeleton.strip_notebook(source) == handed
    assert [cell.id for cell in cells(handed)] == [cell.id for cell in cells() if not cell.id.startswith("joy")]
    for mine, theirs in zip(cells(source), cells(handed), strict=True):
        assert theirs.source == ("*Your answer:*" if is_solution(mine) else mine.source)
    words = {line for cell in answers() for line in re.findall(r"[^.\n]{25,}", cell.source)}
    assert len(words) > 60 and not any(line in handed for line in words)
    for word in ("SOLUTION", "Marking guide", "sample answer", "Common wrong"):
        assert word not in handed


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("### BEGIN SOLUTION", "### BEGIN SOLUTON"),
        ("### BEGIN SOLUTION", "### begin solution"),
        ("### END SOLUTION", "END SOLUTION"),
        ("### BEGIN SOLUTION", "Before.\\n### BEGIN SOLUTION"),
        ("### END SOLUTION", "### END SOLUTION\\nAfter."),
        ('"solution": true', '"solution": false'),
        ('"outputs": []', '"outputs": [{"name": "stdout", "output_type": "stream", "text": ["42"]}]'),
    ],
)
def test_a_slip_in_the_source_is_an_error(before, after):
    assert before in SOURCE
    with pytest.raises(ValueError, match="cell"):
        skeleton.strip_notebook(SOURCE.replace(before, after, 1))


def run(name, folder, setup="", **replaced):
    """One cell as a program, in a folder."""
    text = source_of(name)
    for before, after in replaced.items():
        text = text.replace(before, after)
    program = TransformerManager().transform_cell(f"{setup}\n{text}")
    return subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("packed", [True, False])
def test_it_sets_itself_up_on_colab_and_kaggle(packed, tmp_path):
    """From a zip file, as Colab's file panel receives it, and from a folder that cannot be written to, as on Kaggle."""
    place, here = tmp_path / "content", tmp_path / "here"
    kit = place / "some-data-set" / "kit"
    (kit / "assignment").mkdir(parents=True)
    (kit / "assignment" / "unet.py").write_text("")
    here.mkdir()
    if packed:
        shutil.make_archive(place / "kit", "zip", kit)
        shutil.rmtree(place / "some-data-set")
    place.chmod(0o555)
    done = run("setup", here, **{'("/kaggle/input", "/content")': f'("/nowhere", {str(place)!r})'})
    place.chmod(0o755)
    assert done.stderr == "" and f"{here}/kit/assignment" in done.stdout
    nothing = run("setup", tmp_path, **{'("/kaggle/input", "/content")': '("/nowhere",)'})
    assert nothing.stderr.startswith("The kit is not here.") and nothing.stderr.count("\n") == 1


SHELL = """
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(colors="nocolor")
for source in {sources!r}:
    print("~~~~~")
    shell.run_cell(source)
"""


def shown_by(folder, *names, **replaced):
    """What these cells show, one after another in one kernel, with the kit in `folder`."""
    sources = [source_of(name) for name in names]
    for before, after in replaced.items():
        sources = [source.replace(before, after) for source in sources]
    program = SHELL.format(folder=folder, sources=sources)
    plain = os.environ | {"MPLBACKEND": "agg"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=folder / "assignment", env=plain, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.split("~~~~~\n")[1:]


def test_a_cell_that_waits_says_for_what_and_others_go_on(tmp_path):
    """The spiral needs no part 3, digits no part 7: each cell runs as soon as it can."""
    for name in ("assignment", "autograder"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("instructor", "__pycache__"))
    cells = ("setup", "imports", "spiral", "spiral_noising", "table")
    _, imports, spiral, noising, table = shown_by(tmp_path, *cells)
    assert "STUDENT" in imports and spiral == ""
    assert "This cell waits: TODO 1.1 of scheduler.py is not done yet. Once that has changed, restart" in noising
    assert "This cell waits: infer.py is not written yet (part 6, TODO 6.1), and samples come from it." in table
    text = reference.SCHEDULER
    part_3 = "def set_timesteps(self, num_inference_steps, device=None):\n"
    assert text.count(part_3) == 1
    text = text.replace(part_3, f"{part_3}        raise NotImplementedError('TODO 3.1')\n")
    (tmp_path / "assignment" / "scheduler.py").write_text(text, encoding="utf-8")
    cells = ("setup", "imports", "spiral", "spiral_noising", "point_net", "spiral_samples")
    *_, noising, learned, samples = shown_by(tmp_path, *cells, **{"steps=2000": "steps=2"})
    assert "waits" not in noising and "the loss fell from" in learned
    assert "This cell waits: TODO 3.1 of scheduler.py is not done yet." in samples


def test_a_table_can_be_read_as_plain_text_too():
    """Those who mark see no other kind of text in an output."""
    told = source_of("imports").split("def show")[1]
    assert '"text/markdown": text, "text/plain": text' in told
    assert not [cell.id for cell in cells() if "Markdown(" in cell.source]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_runs_from_top_to_bottom(tmp_path):
    """As a student runs it: the stripped notebook beside a finished scheduler and the shipped checkpoints."""
    folder = tmp_path / "assignment"
    for name in ("assignment", "autograder"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("instructor"))
    for name in ("scheduler.py", "infer.py"):
        shutil.copy(ROOT / "solution" / name, folder)
    notebook = nbformat.read(HANDED_OUT, 4)
    started = time.perf_counter()
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}}).execute()
    print(f"{time.perf_counter() - started:.0f} s")
    pictures = [output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in str(output)]
    assert len(pictures) >= 9
    assert not any(output.output_type == "error" for cell in notebook.cells for output in cell.get("outputs", []))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_joys_are_to_be_seen(tmp_path):
    """The last section, in a course that has it."""
    for name in ("assignment", "autograder"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("instructor"))
    text = PART_8.text((ROOT / "solution" / "scheduler.py").read_text(encoding="utf-8"), "scheduler.py")
    (tmp_path / "assignment" / "scheduler.py").write_text(text, encoding="utf-8")
    (tmp_path / "assignment" / "infer.py").write_bytes((ROOT / "solution" / "infer.py").read_bytes())
    text = PART_8.notebook((ROOT / "solution" / "report.ipynb").read_text(encoding="utf-8"))
    notebook = nbformat.reads(skeleton.strip_notebook(text), 4)
    notebook.cells = [cell for cell in notebook.cells if cell.id in ("setup", "imports") or cell.id.startswith("joy")]
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": tmp_path / "assignment"}}).execute()
    assert [cell.id for cell in notebook.cells if "image/png" in str(cell.get("outputs"))] == [
        "joy_birthday", "joy_walk", "joy_inpaint",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_one_that_is_handed_out_stops_with_one_line():
    with pytest.raises(CellExecutionError, match=r"TODO 1\.1"):
        NotebookClient(nbformat.read(HANDED_OUT, 4), resources={"metadata": {"path": ROOT / "assignment"}}).execute()
