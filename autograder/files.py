"""Writing files so that a reader never sees half of one."""

import os
import tempfile
from pathlib import Path


def write(path, content):
    """Write text or bytes atomically, making the folder if need be."""
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
