"""Files: written so that a reader never sees half of one, and told apart by what is in them."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


def write(path: Path, content: str | bytes) -> None:
    """Write a file atomically, and make its folder where there is none."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False)
    try:
        with file:
            file.write(data)
        os.chmod(file.name, 0o644)  # temporary files are private by default
        os.replace(file.name, path)
    except BaseException:  # a full disk, or somebody's Ctrl-C
        Path(file.name).unlink(missing_ok=True)
        raise


def digest(paths: Iterable[Path]) -> str:
    """SHA-256 over names and contents of some files, in any order: 16 hexadecimal digits."""
    state = hashlib.sha256()
    for path in sorted(map(Path, paths)):
        state.update(json.dumps([path.name, hashlib.sha256(path.read_bytes()).hexdigest()]).encode())
    return state.hexdigest()[:16]
