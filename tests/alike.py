"""Files that are alike for good reasons, and copies that somebody tried to hide: made-up classes for the measure of
`make similar`. `python tests/alike.py` prints the tables of its README (two minutes)."""

import ast
import io
import itertools
import random
import re
import sys
import textwrap
from pathlib import Path

import copydetect
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from autograder.instructor.authoring.course import Course  # noqa: E402
from autograder.instructor.similarity import comparing, own_code  # noqa: E402
from autograder.paths import ASSIGNMENT, ROOT  # noqa: E402
from autograder.rubric import Rubric  # noqa: E402

FILES = ("scheduler.py", "infer.py")
REGION = re.compile(r"( *)### BEGIN SOLUTION\n *# TODO (\d\.\d).*\n(?:.*\n)*?\1### END SOLUTION\n")
ANSWER = re.compile(r"^## (\d\.\d)$|^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COURSE = Course(Rubric.load())
REFERENCE = {name: COURSE.text((ROOT / "solution" / name).read_text(encoding="utf-8"), name) for name in FILES}
CONTRACT = {
    "betas", "alphas", "alphas_cumprod", "timesteps", "DDPMScheduler", "DDIMScheduler", "add_noise", "get_velocity",
    "set_timesteps", "previous_timestep", "predict", "posterior", "step", "loss", "forward",
}  # fmt: skip


def answers():
    """{TODO: right ways to write it}"""
    found = {}
    for todo, code in ANSWER.findall((HERE / "answers.md").read_text(encoding="utf-8")):
        if todo:
            several = found[todo] = []
        else:
            several.append(code)
    return found


ANSWERS = answers()


def accepted(file):
    """{name: text} of the accepted submissions that have this file."""
    return {
        path.parent.name: path.read_text(encoding="utf-8")
        for path in sorted(HERE.glob(f"submissions/accepted/*/{file}"))
    }


def drawn(draw):
    """{TODO: how somebody writes it who works alone}; the first way is the likeliest."""
    return {todo: draw.choices(ways, [1 / (n + 1) for n in range(len(ways))])[0] for todo, ways in ANSWERS.items()}


def filled(written):
    """The scheduler.py of the skeleton with these answers."""
    text = REGION.sub(lambda region: textwrap.indent(written[region[2]], region[1]), REFERENCE["scheduler.py"])
    return text.replace("import torch\n", "import numpy as np\nimport torch\n", 1) if "np." in text else text


# ----- what a copy is hidden with -------------------------------------------------------------------------------------


class Renamed(ast.NodeTransformer):
    """Every name that is the author's own gets another: variables, helpers, constants, attributes."""

    def __init__(self, tree, draw):
        nodes = list(ast.walk(tree))
        attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
        foreign = {node.attr for node in attributes if not of_self(node)}
        foreign |= {node.arg for node in nodes if isinstance(node, (ast.arg, ast.keyword))}
        foreign |= {
            node.target.id for node in nodes if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        }  # fields, which are arguments
        stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        stored |= {node.attr for node in attributes if isinstance(node.ctx, ast.Store)}
        stored |= {node.name for node in nodes if isinstance(node, ast.FunctionDef) and not node.name.endswith("__")}
        own = stored - foreign - CONTRACT
        self.names = {
            name: f"{draw.choice(('my', 'cur', 'q'))}_{n}_{draw.choice('abc')}" for n, name in enumerate(sorted(own))
        }

    def visit_Name(self, node):
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_Attribute(self, node):
        self.generic_visit(node)
        if of_self(node):
            node.attr = self.names.get(node.attr, node.attr)
        return node

    def visit_FunctionDef(self, node):
        node.name = self.names.get(node.name, node.name)
        return self.generic_visit(node)


def of_self(node):
    return isinstance(node.value, ast.Name) and node.value.id == "self"


class Reworded(ast.NodeTransformer):
    """A share of the expressions is written otherwise: roots, and the order of factors and terms."""

    def __init__(self, draw, share):
        self.draw, self.share = draw, share

    def visit_BinOp(self, node):
        self.generic_visit(node)
        if isinstance(node.op, (ast.Mult, ast.Add)) and self.draw.random() < self.share:
            node.left, node.right = node.right, node.left
        return node

    def visit_Call(self, node):
        self.generic_visit(node)
        root = isinstance(node.func, ast.Attribute) and node.func.attr == "sqrt" and not node.args
        if root and self.draw.random() < self.share:
            return ast.BinOp(node.func.value, ast.Pow(), ast.Constant(0.5))
        return node


def hidden_copy(text, draw, reworded=0.0):
    """A copy with other names, methods and functions in another order, other comments and docstrings, other format."""
    tree = ast.parse(text)
    if not re.search(r"\b(get|has|set)attr\b|nn\.Module", text):
        tree = Renamed(tree, draw).visit(tree)
    if reworded:
        tree = Reworded(draw, reworded).visit(tree)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) and len(node.body) > 1:
            node.body[0].value.value = draw.choice(("As in the handout.", "See the paper.\n\nReturns a tensor."))
        if isinstance(node, ast.ClassDef):
            shuffle(node.body, draw)
    shuffle(tree.body, draw)
    lines = ast.unparse(ast.fix_missing_locations(tree)).split("\n")
    code = [line for line in lines if line.strip()]
    for line in draw.sample(code, len(code) // 6):  # comments of one's own
        where = lines.index(line)
        if line.endswith(":") or line.lstrip().startswith(("return", "self.")):
            lines[where] += draw.choice(("  # see above", "  # shape (B, 1, 1, 1)", "   #  TODO: nicer"))
    return "\n".join(lines).replace("    ", "\t") + "\n"


def shuffle(body, draw):
    """Change the order of functions that stand beside each other."""
    for is_function, several in itertools.groupby(
        list(enumerate(body)), lambda each: isinstance(each[1], ast.FunctionDef)
    ):
        several = list(several)
        if is_function and not any(inner.decorator_list for _, inner in several):
            start = several[0][0]
            body[start : start + len(several)] = draw.sample([inner for _, inner in several], len(several))


# ----- the measure ----------------------------------------------------------------------------------------------------

GIVEN = {line for name in FILES for line in own_code.given((ASSIGNMENT / name).read_text(encoding="utf-8"))}
READ = {}


def prints(text):
    """Read each text once: the engine is slow, and classes are drawn from few."""
    if text not in READ:
        functions, broken = own_code.functions(text)
        READ[text] = comparing.without(functions, GIVEN), broken
    return comparing.Prints(*READ[text])


KNOWN = [
    prints(text)
    for text in (*REFERENCE.values(), *(path.read_text(encoding="utf-8") for path in sorted(ASSIGNMENT.glob("*.py"))))
]


def compared(texts):
    """Every Pair of {student: text}, as `make similar` finds them."""
    files = {student: prints(text) for student, text in texts.items()}
    comparing.leave_out(list(files.values()), KNOWN)
    return comparing.compare(files)


def made_up_class(draw, number):
    """{student: text} of so many who filled the skeleton, each alone."""
    return {f"s{n:03}": filled(drawn(draw)) for n in range(number)}


def copies_of(texts, draw, some, reworded=0.0):
    """{a student's name with " copied": the copy}"""
    return {f"{student} copied": hidden_copy(texts[student], draw, reworded) for student in some}


def found(pairs):
    """(how many pairs of an original and its copy are worth a look, how many others are)"""
    looks = [pair.students for pair in pairs if pair.worth_a_look]
    true = sum(other == f"{one} copied" for one, other in looks)
    return true, len(looks) - true


def half_copied(draw, number):
    """{student: text} of so many, and of as many more who have every second answer from one of them."""
    alone = [drawn(draw) for _ in range(2 * number)]
    texts = {f"s{n:03}": filled(written) for n, written in enumerate(alone)}
    for n in range(number):
        mixed = {todo: alone[n if place % 2 else number + n][todo] for place, todo in enumerate(ANSWERS)}
        texts[f"s{n:03} copied"] = hidden_copy(filled(mixed), draw)
    return texts


def table():
    draw = random.Random(0)
    print("| alone | students | pairs | worth a look | largest share, and of how much | most shared |")
    print("|---|---|---|---|---|---|")
    classes = [(f"accepted, {file}", [accepted(file)]) for file in FILES]
    for n in (5, 30, 100, 300):
        classes.append(("from the skeleton", [made_up_class(draw, n) for _ in range(max(1, 300 // n))]))
    for name, several in classes:
        pairs = [pair for texts in several for pair in compared(texts)]
        large = max((pair for pair in pairs if pair.size >= comparing.OF), key=lambda pair: pair.share)
        students = " x ".join(str(n) for n in (len(several), len(several[0])) if n > 1)
        number = sum(len(texts) * (len(texts) - 1) // 2 for texts in several)
        look, most = sum(pair.worth_a_look for pair in pairs), max(pair.size for pair in pairs)
        print(f"| {name} | {students} | {number} | {look} | {large.share:.2f} of {large.size} | {most} |", flush=True)
    print("\n| copies | of | found | others worth a look | smallest share |")
    print("|---|---|---|---|---|")
    for file, reworded in itertools.product(FILES, (0.0, 0.2)):
        texts = accepted(file)
        row(f"accepted, {file}", texts, copies_of(texts, draw, texts, reworded), reworded)
    for reworded in (0.0, 0.2):
        texts = made_up_class(draw, 100)
        row("of 100 from the skeleton", texts, copies_of(texts, draw, list(texts)[:20], reworded), reworded)
    texts = half_copied(draw, 20)
    row("of 100 from the skeleton, every second answer", made_up_class(draw, 100) | texts, {}, 0, 20)

    texts = made_up_class(draw, 100)
    copies = copies_of(texts, draw, list(texts)[:20])
    shares = engine_alone(texts | copies)
    highest = max(share for (_, other), share in shares.items() if other not in copies)
    true = sum(shares.get((one, f"{one} copied"), 0) > highest for one in texts)
    least = min(shares[one, f"{one} copied"] for one in list(texts)[:20])
    print(f"| of 100 from the skeleton, whole files given to copydetect | 20 | {true} | 0 | {least:.2f} |")


def engine_alone(texts):
    """{(one, other): the share of what is their own, as copydetect finds it in whole files}; the skeleton, the given
    files and the solution are its boilerplate."""

    def read(text, boilerplate=()):
        return copydetect.CodeFingerprint("x.py", comparing.LENGTH, 1, boilerplate, fp=io.StringIO(text))

    known = [*REFERENCE.values(), *(path.read_text(encoding="utf-8") for path in ASSIGNMENT.glob("*.py"))]
    boilerplate = np.unique([passage for text in known for passage in read(text).hashes])
    files = {student: read(text, boilerplate) for student, text in texts.items()}
    return {
        pair: min(copydetect.compare_files(files[pair[0]], files[pair[1]])[1])
        for pair in itertools.combinations(files, 2)
    }


def row(name, texts, copies, reworded, number=0):
    pairs = compared(texts | copies)
    true, false = found(pairs)
    how = f"{name}{', every fifth expression reworded' if reworded else ''}"
    least = min(pair.share for pair in pairs if pair.students[1] == f"{pair.students[0]} copied")
    print(f"| {how} | {number or len(copies)} | {true} | {false} | {least:.2f} |", flush=True)


if __name__ == "__main__":
    table()
