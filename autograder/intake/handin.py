"""`make submit`: one zip with exactly the files that are collected, read back the way the grader will read it."""

import hashlib
import io
import json
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path

from .. import KIT, __version__
from ..expectations import Expectations, ExpectationsError
from ..files import write
from ..language import N_, _, joined, together
from ..paths import PUBLIC
from .archives import Refused
from .submission import ACCEPTED, read

# What an answer cell of report.ipynb holds before anybody writes, by language.
STUBS = {"en": "*Your answer:*", "zh": "*你的回答：*"}
STARTED = (1980, 1, 1, 0, 0, 0)  # the first date that a zip can hold: the same files make the same bytes


class Incomplete(Exception):
    """Nothing was packed, for this reason."""


def submit(
    folder: Path, path: Path, without: Collection[str] = (), names: Collection[str] = tuple(ACCEPTED)
) -> tuple[dict[str, int], str]:
    """Pack the collected files of `folder` into the zip `path`. Returns ({name: size}, SHA-256 of the zip).

    without  names of collected files to go without
    names    of those that the course collects
    Raises Incomplete, and writes nothing then.
    """
    one_version()
    names = [name for name in names if name not in without]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        needed = "scheduler.py" in missing
        says = N_("There is no {names} in {folder}; without it nothing is graded")
        says = says if needed else N_("There is no {names} in {folder}; to hand in without it, add --without {first}")
        names = joined(_(" and no "), missing)
        raise Incomplete(_(says, names=names, folder=folder, first=missing[0]))
    empty = [name for name in names if not (folder / name).stat().st_size]
    if empty:
        raise Incomplete(_("{names} in {folder} is empty: did you save it?", names=together(empty), folder=folder))
    try:
        found = read(folder).files
    except Refused as refused:
        raise Incomplete(_("This would be refused: {why}", why=refused)) from None
    files = {name: found[name] for name in names}
    data = zipped(files, comment=KIT)
    write(path, data)
    if read(path).files != files:
        raise Incomplete(_("{path} does not read back as it was written; is the disk full?", path=path))
    return {name: len(content) for name, content in files.items()}, hashlib.sha256(data).hexdigest()


def unwritten(notebook: bytes) -> str:
    """A warning about the answers that are missing in report.ipynb; "" where all are there."""
    try:
        cells = [("".join(cell["source"]).strip(), cell["metadata"]) for cell in json.loads(notebook)["cells"]]
        # Some editors lose the metadata; an answer that nobody wrote still shows by its text.
        answers = [text for text, data in cells if data.get("nbgrader", {}).get("grade") or text in STUBS.values()]
    except (ValueError, KeyError, TypeError, AttributeError):
        return _("report.ipynb cannot be read as a notebook. Open it, save it, and submit again.")
    missing = sum(answer in ("", *STUBS.values()) for answer in answers)
    if not missing:
        return ""
    if missing == len(answers):
        what = _("report.ipynb IS AS YOU GOT IT: not one of its answers is written.")
    else:
        what = _("report.ipynb has {n} empty answers of {count}.", n=missing, count=len(answers))
    return _("{what} If you have written them, save the notebook and submit again.", what=what)


def one_version() -> None:
    """Raise Incomplete where the parts of this kit are of different versions, as when one was unpacked over another."""
    try:
        recorded = Expectations.load(PUBLIC).metadata["kit_version"]
    except ExpectationsError:
        recorded = _("another")
    if recorded != __version__:
        told = _(
            "This folder is a mixture of versions of the kit, {one} and {other}. Unpack the newest one into a fresh "
            "folder, copy your own files into it, and submit from there",
            one=__version__,
            other=recorded,
        )
        raise Incomplete(told)


def zipped(files: Mapping[str, bytes], comment: str = "", modes: Mapping[str, int] | None = None) -> bytes:
    """A zip of files by their paths, the same on every machine: sorted, without dates, and not compressed, as what a
    compressor makes depends on its version.

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
