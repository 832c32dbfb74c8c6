"""Writing files so that a reader never sees half of one."""

import os
import tempfile
from pathlib import Path


def write(path, text):
    """Write text atomically, making the folder if need be."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", newline="\n", delete=False) as file:
        file.write(text)
    os.chmod(file.name, 0o644)  # temporary files are private by default
    os.replace(file.name, path)
