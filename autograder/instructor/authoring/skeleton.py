"""Generate assignment/ from solution/, as the course has it: every SOLUTION region of a program becomes a TODO that
raises NotImplementedError, one of the report becomes a place to answer in, and the given files, which have none, are
copied. What is off is left out (course.py).

The stripping is nbgrader's own ClearSolutions. It fails open on markers it does not recognise (the answer stays
in the file, without a word), so `lint` refuses everything but clean BEGIN/END pairs before it is asked.
"""

import ast
import re
import sys

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.preprocessors import ClearSolutions
from nbgrader.utils import is_solution

from ...files import write
from ...intake.handin import STUBS
from ...rubric import Rubric
from .course import EDITIONS, NOTEBOOK, Course

# What each file is there for, as after IF: nothing where it always is.
FILES = {"scheduler.py": "", "infer.py": "infer"}  # with regions to strip
# In report.ipynb a region holds a sample answer and how to mark, for instructors only.
GIVEN = {
    "unet.py": "",
    "train.py": "training",
    "saving.py": "training|report",
    "sampling.py": "infer",
    "data.py": "",
    "evaluate.py": "infer",
    "bound.py": "report mnist|training",
    "study.py": "report infer ddim mnist|training",
    "tables.py": "report mnist|training",
    "plots.py": "report mnist|training",
    "classifier.py": "",
    "classifier.safetensors": "",
    "digits5k.npz": "",
    "test1k.npz": "",
    "digits5k.md": "",
    "checkpoints/README.md": "mnist",
    "checkpoints/curves.png": "mnist v_prediction ddim infer training",
    "checkpoints/epsilon.safetensors": "mnist",
    "checkpoints/epsilon_loss.csv": "mnist",
    "checkpoints/epsilon_loss.png": "mnist",
    "checkpoints/epsilon_samples.png": "mnist",
    "checkpoints/v_prediction.safetensors": "mnist v_prediction",
    "checkpoints/v_prediction_loss.csv": "mnist v_prediction",
    "checkpoints/v_prediction_loss.png": "mnist v_prediction",
    "checkpoints/v_prediction_samples.png": "mnist v_prediction",
    "checkpoints/flow.safetensors": "mnist flow",
    "checkpoints/labels.safetensors": "mnist guidance",
}
OF_THE_DATA = ("classifier.safetensors", "digits5k.npz", "test1k.npz")

MARKER = re.compile(r"^[ \t]*### (BEGIN|END) SOLUTION$", re.M)
# A comment that mentions a solution, or opens with "begin" or "end" in any case, is a marker or a misspelled one.
LOOKS_LIKE_A_MARKER = re.compile(r"(?i)#.*solut|#\W*(?:begin|end)\b")
ANSWER = re.compile(r"(?s)### BEGIN SOLUTION\n.*\n### END SOLUTION")
REGION = re.compile(r"(?ms)^([ \t]*)### BEGIN SOLUTION\n[ \t]*# (TODO [^\n]*)\n(.*?)^[ \t]*### END SOLUTION$")


def lint(text: str, name: str) -> None:
    """Raise ValueError unless the markers of `text` are well-formed, alternate, and each region has its TODO line."""
    markers = [match[1] for match in MARKER.finditer(text)]
    if not markers:
        raise ValueError(f"{name}: no SOLUTION region, so the whole answer would be handed out")
    if markers != ["BEGIN", "END"] * (len(markers) // 2):
        raise ValueError(f"{name}: SOLUTION markers must alternate BEGIN, END; found {', '.join(markers)}")
    if len(markers) != len(LOOKS_LIKE_A_MARKER.findall(text)):
        raise ValueError(f"{name}: a SOLUTION marker is misspelled; write '### BEGIN SOLUTION' and '### END SOLUTION'")
    if len(REGION.findall(text)) != len(markers) // 2:
        raise ValueError(f"{name}: every SOLUTION region must open with a line '# TODO <section>: <what>'")


def strip(text: str, name: str = "file.py") -> str:
    """The student's version of a solution file. Raises ValueError rather than let an answer through."""
    text = text.replace("\r\n", "\n")
    lint(text, name)
    todos = []

    def number(region: re.Match[str]) -> str:
        # ClearSolutions has one stub per pass, so each region gets markers, and a pass, of its own.
        indent, todo, body = region.groups()
        todos.append(todo)
        tag = len(todos) - 1
        return f"{indent}### BEGIN SOLUTION [{tag}]\n{body}{indent}### END SOLUTION [{tag}]"

    text = REGION.sub(number, text)
    for tag, todo in enumerate(todos):
        label = todo.split(":")[0]
        text = clear(text, f'# {todo}\nraise NotImplementedError("{label}")', f" [{tag}]")
    ast.parse(text, name)
    return text


def clear(text: str, stub: str, tag: str) -> str:
    """One pass of nbgrader's ClearSolutions over a file, as if it were one notebook cell."""
    notebook = new_notebook(cells=[new_code_cell(text)])
    preprocessor = ClearSolutions(
        enforce_metadata=False,
        code_stub={"python": stub},
        begin_solution_delimeter=f"### BEGIN SOLUTION{tag}",
        end_solution_delimeter=f"### END SOLUTION{tag}",
    )
    notebook, _ = preprocessor.preprocess(notebook, {})  # pyrefly: ignore[bad-argument-type]
    return notebook.cells[0].source.rstrip("\n") + "\n"


def strip_notebook(text: str, name: str = "file.ipynb", stub: str = STUBS["en"]) -> str:
    """The student's version of a solution notebook. Raises ValueError rather than let an answer through.

    A cell that nbgrader knows as a solution is one region from its first line to its last; no other cell has a marker.
    """
    notebook: NotebookNode = nbformat.reads(text, 4)  # pyrefly: ignore[bad-assignment]
    for cell in notebook.cells:
        where = f"{name}, cell {cell.id}"
        if cell.cell_type == "code" and (cell.outputs or cell.execution_count):
            raise ValueError(f"{where}: clear the outputs; they may show an answer")
        marked = len(LOOKS_LIKE_A_MARKER.findall(cell.source))
        if is_solution(cell):
            if marked != 2 or not ANSWER.fullmatch(cell.source):
                raise ValueError(f"{where}: an answer is one region, '### BEGIN SOLUTION' to '### END SOLUTION'")
        elif marked:
            raise ValueError(f"{where}: it has what looks like a SOLUTION marker and is no answer cell")
    if not any(is_solution(cell) for cell in notebook.cells):
        raise ValueError(f"{name}: no cell is an answer")
    preprocessor = ClearSolutions(text_stub=stub)
    notebook, _ = preprocessor.preprocess(notebook, {})  # pyrefly: ignore[bad-argument-type]
    return nbformat.writes(notebook) + "\n"


def given(content: bytes, name: str) -> bytes:
    """A given file's bytes. Raises ValueError where a Python file looks as if it held an answer."""
    if name.endswith(".py") and LOOKS_LIKE_A_MARKER.search(content.decode()):
        raise ValueError(f"{name}: a given file must not hold what looks like a SOLUTION marker")
    return content


def notebook(course: Course) -> bytes:
    """report.ipynb as students get it in the language of the course."""
    return strip_notebook(course.study, NOTEBOOK, STUBS[course.lang]).encode()


def generate(course: Course) -> dict[str, bytes]:
    """Every file of assignment/ in the language of the course, by name. Raises ValueError, and OSError where one of the
    course is not made yet."""
    source, made = course.root / "solution", {}
    if not course.dataset.is_dir():
        raise ValueError(f"there are no images of {course.name} in {course.dataset}; `make course` makes them")
    for name in (name for name, needs in FILES.items() if course.asks(needs)):
        made[name] = strip(course.program(name), name).encode()
    if course.on["report"]:
        made[NOTEBOOK] = notebook(course)
    for name in (name for name, needs in GIVEN.items() if course.asks(needs)):
        content = ((course.dataset if name in OF_THE_DATA else source) / name).read_bytes()
        if name.endswith((".py", ".md")):
            content = course.text(content.decode(), name).encode()
        made[name] = given(content, name)
    return made


def in_every_language(course: Course) -> dict[str, bytes]:
    """The same as the repository has it: beside what is in English what differs from it in other languages."""
    english = generate(course.edition("en"))
    made = dict(english)
    for edition in map(course.edition, EDITIONS):
        made |= {edition.named(name): data for name, data in generate(edition).items() if data != english[name]}
    return made


def write_all(course: Course) -> list[str]:
    """Make assignment/ what it is in this course. Returns the names of what is in it."""
    made = in_every_language(course)
    names = [edition.named(name) for edition in map(course.edition, EDITIONS) for name in (*FILES, NOTEBOOK, *GIVEN)]
    for name in names:
        path = course.root / "assignment" / name
        if name in made:
            write(path, made[name])
        else:
            path.unlink(missing_ok=True)
    return list(made)


def main() -> None:
    for name in write_all(Course(Rubric.load())):
        print(f"assignment/{name}")


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(str(error))
