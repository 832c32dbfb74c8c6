"""What grading a class costs, beside the sequential commands of others: `make bench-class`.

A class is made of what the tests hold: right submissions in many styles, known mistakes (few common, many rare),
unfinished ones, and one in twenty broken or hostile. Each peer grades the same work with the same comparisons, the ones
of the exact parts, in the way its own manual describes and with a cell, a test or an item for each check.
"""

import random
import re
import tomllib
from pathlib import Path

from ..paths import ROOT
from . import patches

TESTS = ROOT / "tests" / "submissions"
# What ends by itself: those that hang are reported apart.
BROKEN = ("syntax_error", "sys_exit", "os_exit_inside", "segfault", "print_flood", "memory_bomb", "fork_bomb_small",
          "forged_prints", "nan_output", "wrong_signature", "returns_numpy", "absent_import")  # fmt: skip
HANGING = ("infinite_loop", "sleeps", "infinite_loop_at_import", "swallow_everything")
REGION = re.compile(r"( *)### BEGIN SOLUTION\n +# TODO (\d\.\d).*?### END SOLUTION\n", re.DOTALL)
SHARES = {"right": 0.5, "mistaken": 0.35, "unfinished": 0.1, "broken": 0.05}


def students(size, seed=0, broken=BROKEN):
    """[(kind, {name: bytes})] of a class, always the same one."""
    rng = random.Random(seed)
    folders = sorted(path.parent for path in TESTS.glob("accepted/*/scheduler.py"))
    right = [{file.name: file.read_bytes() for file in folder.glob("*.py")} for folder in folders]
    mistakes = patches.load_all()
    rng.shuffle(mistakes)
    common = [1 / (n + 1) for n in range(len(mistakes))]  # few are made by many, and many by few
    made = []
    for kind, share in SHARES.items():
        for n in range(round(share * size)):
            files = patches.reference()
            if kind == "right":
                files |= right[n % len(right)]
            elif kind == "mistaken":
                files = rng.choices(mistakes, common)[0].files
            elif kind == "unfinished":
                files["scheduler.py"] = unfinished(files["scheduler.py"].decode(), rng).encode()
            else:
                files |= broken_files(broken[n % len(broken)])
            made.append((kind, files))
    rng.shuffle(made)
    return made


def unfinished(source, rng):
    """The reference up to some TODO, and the skeleton from there on."""
    start = rng.randrange(len(REGION.findall(source)))
    regions = iter(range(len(source)))

    def left(region):
        return region[0] if next(regions) < start else f'{region[1]}raise NotImplementedError("TODO {region[2]}")\n'

    return REGION.sub(left, source)


def broken_files(name):
    """The files of one of the tests' broken submissions."""
    if (TESTS / "broken" / name).is_dir():
        return {file.name: file.read_bytes() for file in (TESTS / "broken" / name).glob("*.py")}
    data = tomllib.loads((TESTS / "broken" / f"{name}.toml").read_text(encoding="utf-8"))
    file = data.get("file", "scheduler.py")
    return {file: patches.apply(patches.reference()[file].decode(), data["replace"], name).encode()}


def hand_in(made, folder):
    """Write each into a folder of its own, as a platform would."""
    for n, (_, files) in enumerate(made):
        path = Path(folder, f"student{n:04d}")
        path.mkdir(parents=True)
        for name, data in files.items():
            (path / name).write_bytes(data)
