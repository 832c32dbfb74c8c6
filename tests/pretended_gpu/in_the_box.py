"""Run on the pretended GPU: in_the_box.py TIER [SUBMISSION ...], which prints one JSON object.

near    what a process near the GPU sees: how many GPUs, and the name of the first; or the error
grades  {SUBMISSION: {"points", "of", "verdicts": of what failed, "notes", "device"}}; a SUBMISSION is a folder, or
        the id of a known mistake
"""

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from autograder import checks
from autograder.box import Box, Layers
from autograder.expectations import Expectations
from autograder.grading import grade
from autograder.instructor.authoring import patches
from autograder.paths import HIDDEN, PUBLIC, ROOT
from autograder.record import PASSED
from autograder.rubric import Rubric

LOOK = b"""
import torch
class Look:
    def look(self):
        return torch.cuda.device_count(), torch.cuda.get_device_name()
"""


def layers(tier):
    """All that this host has, or less."""
    all_there_is = Layers.of_this_host()
    lower = {"A": {}, "B": {"bubblewrap": ""}, "E": {"bubblewrap": "", "landlock": 0, "seccomp": False}}
    return replace(all_there_is, **lower[tier])


def near(box):
    process = box.start(box.stage({"look.py": LOOK}), gpu=True)
    try:
        process.ask("load", "look", seconds=30)
        _, look = process.ask("new", "Look", {}, seconds=30)
        status, value = process.ask("call", look, "look", (), {}, seconds=60)
        return value if status == "ok" else value["text"]
    finally:
        process.close()


def graded(box, rubric, sets, submission):
    path = Path(submission)
    if not path.exists():
        patch = next(patch for patch in patches.load_all() if patch.id == submission)
        path = Path(tempfile.mkdtemp())
        for name, content in patch.files.items():
            (path / name).write_bytes(content)
    only = () if (path / "infer.py").exists() or path == ROOT / "assignment" else (*checks.EXACT, "training")
    record = grade(path, box, rubric, *sets, only=only, gpu=True)
    failed = {check.id: f"{check.verdict}: {check.message}" for check in record.checks if check.verdict != PASSED}
    device = record.made_with["device"]
    return {
        "points": record.points,
        "of": record.max_points,
        "verdicts": failed,
        "notes": record.notes,
        "device": device,
    }


def main(tier, *submissions):
    rubric = Rubric.load()
    rubric = replace(rubric, box=rubric.box | {"minimum_tier": tier})
    sets = [Expectations.load(path) for path in (PUBLIC, HIDDEN) if path.exists()]
    with Box(rubric.limits, layers(tier)) as box:
        grades = {name: graded(box, rubric, sets, name) for name in submissions}
        print(json.dumps({"tier": box.layers.tier, "near": near(box), "grades": grades}))


if __name__ == "__main__":
    main(*sys.argv[1:])
