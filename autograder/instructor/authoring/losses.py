"""What known mistakes lose now, as a diff of their patches: for whoever added or changed a check.

    make losses                 # shows the diff
    make losses ARGS=--write    # applies it

Each patch is graded on public cases; `may_lose` stays as it is, and so do checks that were not run.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import track

from ... import checks
from ...box import Box
from ...expectations import Expectations
from ...files import write
from ...grading import grade
from ...paths import PUBLIC, ROOT
from ...record import PASSED
from ...rubric import Rubric
from .patches import MISTAKES, load_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .patches import Patch

LOSES = re.compile(r"^loses = \[[^]]*\]", re.MULTILINE)


def lost(patch: Patch, box: Box, rubric: Rubric, public: Expectations) -> tuple[list[str], list[str]]:
    """(ids of the checks that a mistake loses on public cases, ids of all that were run)"""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in patch.files.items():
            Path(folder, name).write_bytes(content)
        record = grade(Path(folder), box, rubric, public, only=patch.only)
    ran = [check for check in record.checks if check.id not in checks.MEASURED]
    return [check.id for check in ran if check.verdict != PASSED], [check.id for check in ran]


def proposed(text: str, patch: Patch, lost: Sequence[str], ran: Sequence[str]) -> str:
    """The text of a patch's file, with what it loses now."""
    loses = [id for id in checks.ALL if id in (lost if id in ran else patch.loses) and id not in patch.may_lose]
    if loses == [id for id in checks.ALL if id in patch.loses]:
        return text
    one_line = f"loses = {json.dumps(loses)}"
    lines = "".join(["loses = [\n", *(f"    {json.dumps(id)},\n" for id in loses), "]"])
    return LOSES.sub(lambda found: lines if "\n" in found[0] else one_line, text, count=1)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m autograder.instructor.authoring.losses", description=__doc__)
    parser.add_argument("ids", nargs="*", metavar="MISTAKE", help="default: all")
    parser.add_argument("--write", action="store_true", help="change the files")
    options = parser.parse_args(arguments)
    rubric, public = Rubric.load(whole=True), Expectations.load(PUBLIC)
    patches = [patch for patch in load_all() if not options.ids or patch.id in options.ids]
    changed = 0
    with Box(rubric.limits) as box:
        for patch in track(patches, "Grading known mistakes", transient=True):
            path = MISTAKES / f"{patch.id}.toml"
            before = path.read_text(encoding="utf-8")
            after = proposed(before, patch, *lost(patch, box, rubric, public))
            name = path.relative_to(ROOT).as_posix()
            sys.stdout.writelines(
                difflib.unified_diff(before.splitlines(True), after.splitlines(True), f"a/{name}", f"b/{name}", n=1)
            )
            changed += before != after
            if options.write and before != after:
                write(path, after)
    print(f"{changed} of {len(patches)} known mistakes lose other checks than their patches say.", file=sys.stderr)


if __name__ == "__main__":
    main()
