"""Generate assignment/ from solution/: every SOLUTION region becomes a TODO that raises NotImplementedError.

The stripping is nbgrader's own ClearSolutions. It fails open on markers it does not recognise (the answer stays
in the file, without a word), so `lint` refuses everything but clean BEGIN/END pairs before it is asked.
"""

import ast
import re
import sys
from pathlib import Path

from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.preprocessors import ClearSolutions

ROOT = Path(__file__).resolve().parents[2]
FILES = ("scheduler.py",)

MARKER = re.compile(r"^[ \t]*### (BEGIN|END) SOLUTION$", re.M)
# A comment that mentions a solution, or opens with "begin" or "end" in any case, is a marker or a misspelled one.
LOOKS_LIKE_A_MARKER = re.compile(r"(?i)#.*solut|#\W*(?:begin|end)\b")
REGION = re.compile(r"(?ms)^([ \t]*)### BEGIN SOLUTION\n[ \t]*# (TODO [^\n]*)\n(.*?)^[ \t]*### END SOLUTION$")


def lint(text, name):
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


def strip(text, name="file.py"):
    """The student's version of a solution file, as text. Raises ValueError rather than let an answer through."""
    text = text.replace("\r\n", "\n")
    lint(text, name)
    todos = []

    def number(region):
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


def clear(text, stub, tag):
    """One pass of nbgrader's ClearSolutions over a file, as if it were one notebook cell."""
    notebook = new_notebook(cells=[new_code_cell(text)])
    preprocessor = ClearSolutions(
        enforce_metadata=False,
        code_stub={"python": stub},
        begin_solution_delimeter=f"### BEGIN SOLUTION{tag}",
        end_solution_delimeter=f"### END SOLUTION{tag}",
    )
    notebook, _ = preprocessor.preprocess(notebook, {})
    return notebook.cells[0].source.rstrip("\n") + "\n"


def generate(root=ROOT):
    """{name: text} of every generated file of assignment/."""
    return {name: strip((root / "solution" / name).read_text(), name) for name in FILES}


def main():
    for name, text in generate().items():
        (ROOT / "assignment").mkdir(exist_ok=True)
        (ROOT / "assignment" / name).write_text(text)
        print(f"assignment/{name}")


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(str(error))
