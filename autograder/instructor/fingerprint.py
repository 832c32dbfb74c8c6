"""What a kept grade depends on, as digests: a grade of another kit or other points is never taken for a present one."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from .. import given
from ..paths import ASSIGNMENT, PACKAGE, ROOT, RUBRIC

if TYPE_CHECKING:
    from pathlib import Path

    from ..rubric import Rubric


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def kit(rubric: Rubric, *recorded: Path) -> str:
    """Digest of all that verdicts depend on but the submission: the autograder without its workbench and reports, what
    it stages and measures with, limits and tolerances.

    recorded  expectations outside the package, such as the hidden ones
    """
    sources = [path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".toml", ".safetensors")]
    apart = (PACKAGE / "instructor", PACKAGE / "reports", RUBRIC)
    sources = [path for path in sources if not any(path.is_relative_to(each) for each in apart)]
    measures = [ASSIGNMENT / name for name in ("digits5k.npz", "classifier.safetensors")]
    networks = [path for path in (given.checkpoint(), given.labelled()) if path]
    sources += [*given.there(given.NAMES), *measures, *networks]
    digests = {path.relative_to(ROOT).as_posix(): sha256(path.read_bytes()) for path in sources}
    limits = [rubric.limits, rubric.box, {id: entry.tolerance for id, entry in rubric.checks.items()}]
    more = [sha256(path.read_bytes()) for path in recorded]
    return sha256(json.dumps([digests, limits, more], sort_keys=True).encode())[:16]


def prices(rubric: Rubric) -> str:
    """Digest of what checks are called and worth: when only this changed, nothing has to be run again."""
    return sha256(
        json.dumps({id: [entry.title, entry.points, entry.bonus] for id, entry in rubric.checks.items()}).encode()
    )[:16]
