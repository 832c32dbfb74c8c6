"""`make submit`: one zip with exactly the files that are collected, read back the way the grader will read it."""

import hashlib
import io
import json
import zipfile

from . import KIT, __version__, checks
from .archives import Refused
from .expected import Expectations, ExpectationsError
from .files import write
from .paths import PUBLIC
from .submission import ACCEPTED, REPORT, read

STUB = "*Your answer:*"  # what an untouched answer says
STARTED = (1980, 1, 1, 0, 0, 0)  # the first date that a zip can hold: the same files make the same bytes


class Incomplete(Exception):
    """Nothing was packed, for this reason."""


def submit(folder, path, without=()):
    """Pack the collected files of `folder` into the zip `path`. Returns ({name: size}, SHA-256 of the zip).

    without  names of collected files to go without
    Raises Incomplete, and writes nothing then.
    """
    one_version()
    missing = [name for name in ACCEPTED if name not in without and not (folder / name).is_file()]
    if missing:
        needed = "scheduler.py" in missing
        advice = "without it nothing is graded" if needed else f"to hand in without it, add --without {missing[0]}"
        raise Incomplete(f"There is no {' and no '.join(missing)} in {folder}; {advice}")
    empty = [name for name in ACCEPTED if name not in without and not (folder / name).stat().st_size]
    if empty:
        raise Incomplete(f"{' and '.join(empty)} in {folder} is empty: did you save it?")
    try:
        found = read(folder).files
    except Refused as refused:
        raise Incomplete(f"This would be refused: {refused}") from None
    files = {name: found[name] for name in ACCEPTED if name not in without}
    data = zipped(files, comment=KIT)
    write(path, data)
    if read(path).files != files:
        raise Incomplete(f"{path} does not read back as it was written; is the disk full?")
    return {name: len(content) for name, content in files.items()}, hashlib.sha256(data).hexdigest()


def warnings(folder, without=()):
    """What a student should hear about a report that is packed: lines, for each thing that is probably not meant."""
    if REPORT in without:
        return []
    try:
        cells = json.loads((folder / REPORT).read_text(encoding="utf-8-sig"))["cells"]
        answers = [text_of(cell) for cell in cells if cell["metadata"].get("nbgrader", {}).get("solution")]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return [f"{REPORT} cannot be read as a notebook, so nobody can mark it. Open it, save it and submit again."]
    untouched = sum(not text.replace(STUB, "").strip() for text in answers)
    if not answers:
        return [f"{REPORT} has none of the cells for answers that it came with: is this the right file?"]
    if untouched:
        how_many = "none of its" if untouched == len(answers) else f"only {len(answers) - untouched} of its"
        return [f"{REPORT} answers {how_many} {len(answers)} questions. Is it saved, and is it the right file?"]
    return []


def text_of(cell):
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def one_version():
    """Raise Incomplete where the parts of this kit are of different versions, as when one was unpacked over another."""
    try:
        recorded = Expectations.load(PUBLIC, checks.version()).metadata["kit_version"]
    except ExpectationsError:
        recorded = "another"
    if recorded != __version__:
        raise Incomplete(
            f"This folder is a mixture of versions of the kit, {__version__} and {recorded}. Unpack the newest one "
            "into a fresh folder, copy your own files into it, and submit from there"
        )


def zipped(files, comment="", modes=None):
    """The bytes of a zip of {path: bytes}, the same on every machine: sorted, without dates, and not compressed, as
    what a compressor makes depends on its version.

    modes  {path: permissions} of files that are not to be read by all
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        file.comment = comment.encode()
        for name, data in sorted(files.items()):
            info = zipfile.ZipInfo(name, STARTED)
            info.create_system = 3  # Unix, also where this runs on Windows: it gives the permissions a meaning
            default = 0o755 if data.startswith(b"#!") else 0o644
            info.external_attr = (0o100000 | (modes or {}).get(name, default)) << 16
            file.writestr(info, data)
    return buffer.getvalue()
